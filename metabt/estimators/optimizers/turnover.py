"""Turnover: a price of trading, a limit on it, and decisions that keep to both.

Turnover is half the sum of absolute trades, from what is held when a decision is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.optimizers.base import PathDependent
from metabt.estimators.solvers.linear import work_arrays
from metabt.estimators.solvers.nearby import NUMBERS, SQUARES, VECTORS, near
from metabt.estimators.windows import Windows
from metabt.values.lazy_property import lazy_property


@dataclass(frozen=True)
class Turnover:
    """A penalty on turnover and a limit on it, of one optimizer."""

    penalty: float = 0.0
    """Taken off the objective per unit of turnover, at least 0."""
    limit: float | None = None
    """Turnover of a decision at most, above 0; None is no limit. Where more must be sold, it is as little as can be."""

    @classmethod
    def checked(cls, owner: str, penalty: float, limit: float | None) -> Turnover:
        """Return both, checked; messages name the optimizer `owner`.

        Raises
        ------
        ConfigError
            For a penalty below 0, or a limit that is not above 0.
        """
        if not 0.0 <= penalty < np.inf:
            raise ConfigError(f"{owner}: turnover_penalty is {penalty:g}; wanted it at least 0")
        if limit is not None and not limit > 0.0:
            raise ConfigError(f"{owner}: max_turnover is {limit:g}; wanted it above 0, or null for no limit")
        return cls(float(penalty), None if limit is None else float(limit))

    def times(self, scale: float) -> Turnover:
        """Return the same terms for an objective that is `scale` times as large."""
        return Turnover(self.penalty * scale, self.limit)

    @property
    def matters(self) -> bool:
        """Whether there is a penalty or a limit, so that decisions depend on what is held."""
        return self.penalty > 0.0 or self.limit is not None


@dataclass
class Nearby(PathDependent):
    """Decisions near what is held: `min 1/2 w'Sw - q'w` and what trading costs, within the bounds and a turnover."""

    turnover: Turnover
    """Penalty, in units of this objective, and limit."""
    programme: Callable[[Windows, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """Returns S, (n_decisions, n_assets, n_assets), and q, (n_decisions, n_assets), of windows and their support."""

    def weigh(self, decision: int, previous: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the weights of one decision, (n_assets,), and whether it has a solution.

        `previous`, (n_assets,), are the weights held; those of unsupported assets are sold. Where nothing is held, the
        decision is the optimizer's own.
        """
        if not previous.any():
            return super().weigh(decision, previous)
        (S, q), weights = self._programmes, np.zeros(len(previous))
        rows = S[decision], q[decision], self.support[decision], previous
        solved = near(*rows, *self._terms, weights, *self._scratch)
        if solved:
            self.optimizer.put_on_bounds(weights, self.support[decision])
        return weights, solved

    @lazy_property
    def _programmes(self) -> tuple[np.ndarray, np.ndarray]:
        return self.programme(self.windows, self.support)

    @lazy_property
    def _terms(self) -> tuple[float, float, float, float]:
        """The bounds, the price of a unit that is traded, of which turnover is half, and the limit on those."""
        limit = np.inf if self.turnover.limit is None else 2.0 * self.turnover.limit
        return self.optimizer.min_weight, self.optimizer.max_weight, self.turnover.penalty / 2.0, limit

    @lazy_property
    def _scratch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        v, m, squares = work_arrays(self.support.shape[1], VECTORS, NUMBERS, SQUARES)
        return squares, v, m
