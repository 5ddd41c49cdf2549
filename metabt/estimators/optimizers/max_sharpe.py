"""Maximum Sharpe ratio: `max (mu - f)'w / sqrt(w'Sw)` subject to `sum w = 1`, `lo <= w <= hi` (`solvers.frontier`).

f is the mean return of cash over the window: 0 where the tree states no rate.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.moments.covariance import COVARIANCES, Covariance
from metabt.estimators.moments.mean import MEANS, Mean
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.solvers.frontier import frontier
from metabt.estimators.windows import Windows


class MaxSharpe(Optimizer):
    """The tangency portfolio within the bounds: the one with the highest ratio of mean to volatility.

    Parameters
    ----------
    mean : str or dict
        `zero`, `sample`, `ewma` or `james_stein` (`metabt.estimators.moments.mean`), or one with parameters.
    covariance : str or dict
        `sample`, `ewma`, `ledoit_wolf`, `oas` or `denoised` (`metabt.estimators.moments.covariance`), or one with
        parameters: {"name": "ewma", "half_life": 63}.
    min_weight, max_weight : float
        Bounds of every supported asset's weight.

    Raises
    ------
    ConfigError
        For bounds out of order or range, or an unknown mean or covariance.

    Notes
    -----
    Means are in excess of what cash earned: whatever estimator they come from, the window's mean return of cash is
    taken off. No solution where no portfolio within the bounds has a positive mean, or an asset has no variance.
    Bit-identical columns share their weight evenly; a singular covariance is treated as in `MinVariance`.

    References
    ----------
    Sharpe (1966), "Mutual fund performance", Journal of Business 39.
    """

    def __init__(
        self,
        *,
        mean: Mean = "sample",
        covariance: Covariance = "sample",
        min_weight: float = 0.0,
        max_weight: float = 1.0,
    ) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.mean = MEANS.build("mean", mean)
        self.covariance = COVARIANCES.build("covariance", covariance)

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        S, mean = self.covariance(windows, support), self.mean(windows, support)
        if windows.idle_mean is not None:
            mean = mean - windows.idle_mean
        weights[:], solved[:] = frontier(S, mean, support, self.min_weight, self.max_weight, True)
