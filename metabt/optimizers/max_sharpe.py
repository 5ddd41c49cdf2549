"""Maximum Sharpe ratio: `max mu'w / sqrt(w'Sw)` subject to `sum w = 1` and `lo <= w <= hi`; see `_frontier` for how."""

from __future__ import annotations

import numpy as np

from metabt.optimizers._frontier import frontier
from metabt.optimizers.base import Optimizer
from metabt.risk.covariance import check_name, covariance, sample_mean
from metabt.windows import Windows


class MaxSharpe(Optimizer):
    """The tangency portfolio within the bounds: the one with the highest ratio of mean to volatility (Sharpe 1966).

    Parameters
    ----------
    covariance : {"sample", "ledoit_wolf"}
    min_weight, max_weight : float
        Bounds of every supported asset's weight.

    Notes
    -----
    No solution where no portfolio within the bounds has a positive mean, or an asset has no variance. Bit-identical
    columns share their weight evenly; a singular covariance is treated as in `MinVariance`.
    """

    def __init__(self, *, covariance: str = "sample", min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        check_name(covariance)
        self.covariance = covariance

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        S = covariance(windows, self.covariance, support)
        mean = sample_mean(windows.returns, windows.stops, windows.lengths)
        weights[:], solved[:] = frontier(S, mean, support, self.min_weight, self.max_weight, True)
