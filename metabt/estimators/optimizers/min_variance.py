"""Minimum variance: `min w'Sw` subject to `sum w = 1` and `lo <= w <= hi`.

1. Windows of few assets: the box programme on their covariance, see `solvers.frontier`.
2. Windows of many: the same programme without forming the covariance, see `solvers.wide`. Which way it goes is decided
   by the number of supported assets alone.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.moments.covariance import COVARIANCES, Covariance, sample
from metabt.estimators.optimizers.base import Optimizer, PathDependent
from metabt.estimators.optimizers.turnover import Nearby, Turnover
from metabt.estimators.solvers.frontier import frontier
from metabt.estimators.solvers.wide import MANY, least_variance
from metabt.estimators.windows import Windows


class MinVariance(Optimizer):
    """The portfolio of minimum variance within the bounds.

    Parameters
    ----------
    covariance : str or dict
        `sample`, `ewma`, `ledoit_wolf`, `oas` or `denoised` (`metabt.estimators.moments.covariance`), or one with
        parameters: {"name": "ewma", "half_life": 63}.
    min_weight, max_weight : float
        Bounds of every supported asset's weight.
    turnover_penalty : float
        Amount that is added to the variance per unit of turnover, at least 0. Turnover is half the sum of absolute
        trades, from what is held when it is decided. With variances of daily returns, 1e-5 is a strong one.
    max_turnover : float, optional
        Turnover of a decision at most, above 0; None is no limit. Where selling what is no longer supported takes more,
        it is as little as possible. A sleeve that holds nothing has no limit.

    Raises
    ------
    ConfigError
        For a parameter out of range, or an unknown covariance.

    Notes
    -----
    Bit-identical columns share their weight evenly; where turnover matters, those of which as much is held. Where the
    covariance of the assets inside their bounds is singular, as with fewer rows than assets it may be, a ridge of 1e-8
    of each variance is added (1e-16 at least). Bounds that cannot sum to one over the supported assets: no solution.

    References
    ----------
    Markowitz (1952), "Portfolio selection", Journal of Finance 7.
    """

    def __init__(
        self,
        *,
        covariance: Covariance = "sample",
        min_weight: float = 0.0,
        max_weight: float = 1.0,
        turnover_penalty: float = 0.0,
        max_turnover: float | None = None,
    ) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.covariance = COVARIANCES.build("covariance", covariance)
        self.turnover = Turnover.checked("MinVariance", turnover_penalty, max_turnover)

    @property
    def path_dependent(self) -> bool:
        """Whether turnover is penalised or limited."""
        return self.turnover.matters

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        lo, hi = self.min_weight, self.max_weight
        wide = (support.sum(axis=1) >= MANY) & (self.covariance is sample) & (lo == 0.0)
        if wide.any():
            weights[wide], solved[wide] = least_variance(windows.take(np.flatnonzero(wide)), support[wide], hi)
        if not wide.all():
            few, member = (windows.take(np.flatnonzero(~wide)), support[~wide]) if wide.any() else (windows, support)
            S = self.covariance(few, member)
            weights[~wide], solved[~wide] = frontier(S, np.zeros(member.shape), member, lo, hi, False)

    def in_turn(self, windows: Windows, support: np.ndarray) -> PathDependent:
        """Return an object that takes the same decisions one after another, each near what is held by then."""
        half = self.turnover.times(0.5)  # of the variance, which the programme minimises half of
        return Nearby(self, windows, np.array(support, dtype=np.bool_), half, self._programme)

    def _programme(self, windows: Windows, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.covariance(windows, support), np.zeros(support.shape)
