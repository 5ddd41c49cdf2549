"""Mean-variance: `max mu'w - (gamma/2) w'Sw` subject to `sum w = 1` and `lo <= w <= hi` (`solvers.frontier`)."""

from __future__ import annotations

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.moments.covariance import COVARIANCES, Covariance
from metabt.estimators.moments.mean import MEANS, Mean
from metabt.estimators.optimizers.base import Optimizer, PathDependent
from metabt.estimators.optimizers.turnover import Nearby, Turnover
from metabt.estimators.solvers.frontier import frontier
from metabt.estimators.windows import Windows


class MeanVariance(Optimizer):
    """The portfolio of highest utility within the bounds: mean less half of gamma times variance.

    Parameters
    ----------
    risk_aversion : float
        gamma, above 0. Mean and variance grow alike with time, so that it is the same for daily and annual returns. The
        default of 2 maximises the mean less the variance; 1 comes close to the highest growth of wealth.
    mean : str or dict
        `zero`, `sample`, `ewma` or `james_stein` (`metabt.estimators.moments.mean`), or one with parameters.
    covariance : str or dict
        `sample`, `ewma`, `ledoit_wolf`, `oas` or `denoised` (`metabt.estimators.moments.covariance`), or one with
        parameters: {"name": "ewma", "half_life": 63}.
    min_weight, max_weight : float
        Bounds of every supported asset's weight.
    turnover_penalty : float
        Amount that is taken off the utility per unit of turnover, at least 0. Turnover is half the sum of absolute
        trades, from what is held when it is decided. Utility is per session: of a cost for k sessions, a k-th counts.
    max_turnover : float, optional
        Turnover of a decision at most, above 0; None is no limit. Where selling what is no longer supported takes more,
        it is as little as possible. A sleeve that holds nothing has no limit.

    Raises
    ------
    ConfigError
        For a parameter out of range, or an unknown mean or covariance.

    Notes
    -----
    Bit-identical columns share their weight, and a singular covariance is treated, as in `MinVariance`.

    References
    ----------
    Markowitz (1952), "Portfolio selection", Journal of Finance 7.
    """

    def __init__(
        self,
        *,
        risk_aversion: float = 2.0,
        mean: Mean = "sample",
        covariance: Covariance = "sample",
        min_weight: float = 0.0,
        max_weight: float = 1.0,
        turnover_penalty: float = 0.0,
        max_turnover: float | None = None,
    ) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        if not risk_aversion > 0.0:
            raise ConfigError(f"MeanVariance: risk_aversion is {risk_aversion:g}; wanted it above 0")
        self.risk_aversion = risk_aversion
        self.mean = MEANS.build("mean", mean)
        self.covariance = COVARIANCES.build("covariance", covariance)
        self.turnover = Turnover.checked("MeanVariance", turnover_penalty, max_turnover)

    @property
    def path_dependent(self) -> bool:
        """Whether turnover is penalised or limited."""
        return self.turnover.matters

    def in_turn(self, windows: Windows, support: np.ndarray) -> PathDependent:
        """Return an object that takes the same decisions one after another, each near what is held by then."""
        turnover = self.turnover.times(1.0 / self.risk_aversion)
        return Nearby(self, windows, np.array(support, dtype=np.bool_), turnover, self._programme)

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        S, q = self._programme(windows, support)
        known = (np.isfinite(q) | ~support).all(axis=1)
        weights[:], solved[:] = frontier(S, q, support & known[:, None], self.min_weight, self.max_weight, False)

    def _programme(self, windows: Windows, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.covariance(windows, support), self.mean(windows, support) / self.risk_aversion
