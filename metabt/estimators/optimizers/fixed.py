"""Fixed: weights that are given, and traded back to at every decision."""

from __future__ import annotations

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.solvers.tolerance import FEASIBLE
from metabt.estimators.windows import Windows


class Fixed(Optimizer):
    """Weights in given proportions, whatever the window shows.

    Parameters
    ----------
    weights : dict of symbol to float
        At least 0; 0 for those that it leaves out. Only proportions among the supported assets count: they sum to one.
    min_weight, max_weight : float
        Bounds of every supported asset's weight; a decision whose proportions would leave them has no solution.

    Raises
    ------
    ConfigError
        For bounds out of order or range, a negative weight, or none above 0.

    Notes
    -----
    No solution either where no supported asset has a weight.
    """

    def __init__(self, *, weights: dict[str, float], min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.given = dict(weights)
        self.named = tuple(sorted(self.given))
        for name, weight in self.given.items():
            if not weight >= 0.0:
                raise ConfigError(f"Fixed: the weight of {name} is {weight:g}; wanted at least 0")
        if not sum(self.given.values()) > 0.0:
            raise ConfigError("Fixed: no weight is above 0; wanted at least one")

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        names = windows.names_of(np.arange(support.shape[1]))
        np.copyto(weights, [self.given.get(name, 0.0) for name in names], where=support)
        total = weights.sum(axis=1)
        weights /= np.where(total > 0.0, total, 1.0)[:, None]
        within = (weights >= self.min_weight - FEASIBLE) & (weights <= self.max_weight + FEASIBLE)
        solved[:] = (total > 0.0) & (within | ~support).all(axis=1)
