"""Maximum diversification: `max sigma'w / sqrt(w'Sw)` subject to `sum w = 1` and `lo <= w <= hi`.

1. The ratio is a Sharpe ratio with volatilities for means, so that the tangency portfolio of `solvers.frontier` has it.
2. No volatility is negative: there is one wherever the bounds can sum to one and every asset has a variance.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.moments.covariance import COVARIANCES, Covariance
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.solvers.frontier import frontier
from metabt.estimators.windows import Windows


class MaxDiversification(Optimizer):
    """The most diversified portfolio within the bounds: highest ratio of average volatility to volatility.

    Parameters
    ----------
    covariance : str or dict
        `sample`, `ewma`, `ledoit_wolf`, `oas` or `denoised` (`metabt.estimators.moments.covariance`), or one with
        parameters: {"name": "ewma", "half_life": 63}.
    min_weight, max_weight : float
        Bounds of every supported asset's weight.

    Raises
    ------
    ConfigError
        For bounds out of order or range, or an unknown covariance.

    Notes
    -----
    Without bounds, the assets held are equally correlated with the portfolio, the others more so. No solution: an
    asset without variance. Bit-identical columns share their weight evenly; a singular covariance is treated as in
    `MinVariance`.

    References
    ----------
    Choueifaty and Coignard (2008), "Toward maximum diversification", Journal of Portfolio Management 35.
    """

    def __init__(self, *, covariance: Covariance = "sample", min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.covariance = COVARIANCES.build("covariance", covariance)

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        S = self.covariance(windows, support)
        with np.errstate(invalid="ignore"):  # what is not finite, or outside the support
            sigma = np.sqrt(np.diagonal(S, axis1=1, axis2=2))
        weights[:], solved[:] = frontier(S, sigma, support, self.min_weight, self.max_weight, True)
