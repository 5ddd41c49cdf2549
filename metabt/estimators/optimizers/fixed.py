"""Fixed: weights that are given, and traded back to at every decision; what is missing to one is cash."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.solvers.tolerance import FEASIBLE
from metabt.estimators.windows import Windows


class Fixed(Optimizer):
    """Weights as they are given, whatever the window shows.

    Parameters
    ----------
    weights : dict of str to float
        By symbol, or by the name of a child: at least 0, and at most 1 in all. What is missing to one is cash, and so
        is the weight of what cannot be held when it is decided. Those that it leaves out have none.
    warm_up : bool
        Of a meta sleeve: whether it holds equal weights first, until every live child has `min_history` sessions, as it
        does under other optimizers. If not, every child has its weight from its first day on.
    min_weight, max_weight : float
        Bounds of the weights that are given.

    Raises
    ------
    ConfigError
        For bounds out of order or range, a weight outside of them, none above 0, or a sum above 1.
    """

    needs_variance = False
    by_name = MappingProxyType({"weights": 0.0})

    def __init__(
        self,
        *,
        weights: dict[str, float],
        warm_up: bool = False,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
    ) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.given = dict(weights)
        self.named = tuple(sorted(self.given))
        self.needs_history = warm_up
        for name, weight in self.given.items():
            if not weight >= 0.0:
                raise ConfigError(f"Fixed: the weight of {name} is {weight:g}; wanted at least 0")
            if not min_weight <= weight <= max_weight:
                raise ConfigError(
                    f"Fixed: the weight of {name} is {weight:g}; wanted it from min_weight {min_weight:g} "
                    f"to max_weight {max_weight:g}"
                )
        total = math.fsum(self.given.values())
        if not total > 0.0:
            raise ConfigError("Fixed: no weight is above 0; wanted at least one")
        if total > 1.0 + FEASIBLE:
            raise ConfigError(
                f"Fixed: weights sum to more than one: {_sum(self.given)} = {total:.10g}; what is missing to one is "
                f"cash, so divide them by {total:.10g} to hold no cash"
            )

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        names = windows.names_of(np.arange(support.shape[1]))
        np.copyto(weights, [self.given.get(name, 0.0) for name in names], where=support)
        solved[:] = True


SHOWN = 8
"""Weights that a message spells out at most."""


def _sum(weights: dict[str, float]) -> str:
    shown = [f"{weight:g}" for weight in list(weights.values())[:SHOWN]]
    return " + ".join([*shown, f"... ({len(weights)} weights)"] if len(weights) > SHOWN else shown)
