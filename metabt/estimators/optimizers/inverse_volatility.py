"""Inverse volatility: weights proportional to 1/sigma, within bounds.

1. Variances of every window, from its own rows.
2. `w_i = clip(c / sigma_i, min_weight, max_weight)`, with c such that the weights sum to one (`capped`).
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.optimizers.capped import capped
from metabt.estimators.windows import Windows


class InverseVolatility(Optimizer):
    """Weights proportional to 1/sigma: equal risk contributions if all correlations were the same.

    Parameters
    ----------
    min_weight, max_weight : float
        Bounds of every supported asset's weight; where they bind, the weights are the nearest to the unbounded ones in
        relative entropy (`metabt.estimators.optimizers.capped`).

    Raises
    ------
    ConfigError
        For bounds out of order or range.

    Notes
    -----
    Variances are sample variances (ddof 1). Where k assets at `max_weight` stay below one, the rest is cash: other
    optimizers fall back on this one. No solution: an asset without variance, or `k min_weight > 1`.
    """

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        variance = windows.variance
        usable = np.isfinite(variance) & (variance > 0.0)
        target = 1.0 / np.sqrt(np.where(usable, variance, 1.0))
        weights[:], feasible = capped(target, support, self.min_weight, self.max_weight)
        solved[:] = feasible & (usable | ~support).all(axis=1)
