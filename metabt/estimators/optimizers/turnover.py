"""Turnover: what trading costs an optimizer, how much of it there may be, and the decisions that keep to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.optimizers.base import PathDependent
from metabt.estimators.solvers.linear import work_arrays
from metabt.estimators.solvers.nearby import NUMBERS, SQUARES, VECTORS, near
from metabt.estimators.windows import Windows


@dataclass(frozen=True)
class Turnover:
    """What trading costs an optimizer, and how much of it there may be."""

    penalty: float = 0.0
    """Taken off the objective per unit of turnover, at least 0."""
    limit: float | None = None
    """Turnover of a decision at most, above 0; None is any. Where more must be sold, as little as can be."""

    @classmethod
    def checked(cls, owner: str, penalty: float, limit: float | None) -> Turnover:
        """Return both.

        Raises
        ------
        ConfigError
            For a negative penalty, or a limit of nothing.
        """
        if not 0.0 <= penalty < np.inf:
            raise ConfigError(f"{owner}: turnover_penalty is {penalty:g}; wanted it at least 0")
        if limit is not None and not limit > 0.0:
            raise ConfigError(f"{owner}: max_turnover is {limit:g}; wanted it above 0, or null for no limit")
        return cls(float(penalty), None if limit is None else float(limit))

    def times(self, scale: float) -> Turnover:
        """Return the same for an objective that is `scale` times as large."""
        return Turnover(self.penalty * scale, self.limit)

    @property
    def matters(self) -> bool:
        """Whether decisions depend on what is held."""
        return self.penalty > 0.0 or self.limit is not None


@dataclass
class Nearby(PathDependent):
    """Decisions near what is held: `min 1/2 w'Sw - q'w` and what trading costs, within the bounds and a turnover."""

    turnover: Turnover
    """Its penalty is of this objective."""
    programme: Callable[[Windows, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """Returns S, (n_decisions, n_assets, n_assets), and q, (n_decisions, n_assets), of windows and their support."""

    def weigh(self, decision: int, previous: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the weights of one decision, (n_assets,), and whether it has a solution.

        `previous`, (n_assets,), is what it trades away from; what is held of others than the supported is sold. Where
        nothing is held, there is nothing to stay near.
        """
        if not previous.any():
            return super().weigh(decision, previous)
        (S, q), weights = self._programmes, np.zeros(len(previous))
        rows = S[decision], q[decision], self.support[decision], previous
        return weights, near(*rows, *self._terms, weights, *self._scratch)

    @cached_property
    def _programmes(self) -> tuple[np.ndarray, np.ndarray]:
        return self.programme(self.windows, self.support)

    @cached_property
    def _terms(self) -> tuple[float, float, float, float]:
        """The bounds, the price of a unit that is traded, of which turnover is half, and the limit on those."""
        limit = np.inf if self.turnover.limit is None else 2.0 * self.turnover.limit
        return self.optimizer.min_weight, self.optimizer.max_weight, self.turnover.penalty / 2.0, limit

    @cached_property
    def _scratch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        v, m, squares = work_arrays(self.support.shape[1], VECTORS, NUMBERS, SQUARES)
        return squares, v, m
