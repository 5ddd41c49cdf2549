"""Turnover: what trading costs an optimizer, how much of it there may be, and the decisions that keep to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.errors import ConfigError
from metabt.optimizers._nearby import NUMBERS, VECTORS, near
from metabt.optimizers.base import FEASIBLE


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


def solve_nearby(
    S: np.ndarray,
    q: np.ndarray,
    support: np.ndarray,
    bounds: tuple[float, float],
    previous: np.ndarray,
    turnover: Turnover,
    weights: np.ndarray,
    solved: np.ndarray,
) -> None:
    """Write the weights of every decision, and whether it has any.

    Parameters
    ----------
    S : (n_decisions, n_assets, n_assets) covariance
    q : (n_decisions, n_assets) the linear term
    support : (n_decisions, n_assets) bool
    bounds : lowest and highest weight of every supported asset
    previous : (n_assets,) what is held; what is held of others than the supported is sold
    turnover : its penalty is per unit of turnover, which is half of what is traded, and of this objective
    weights, solved : (n_decisions, n_assets) and (n_decisions,), zeros and False
    """
    lo, hi = bounds
    kappa = turnover.penalty / 2.0
    limit = np.inf if turnover.limit is None else 2.0 * turnover.limit
    for d, member in enumerate(support):
        here = np.flatnonzero(member)
        n = len(here)
        covariance, linear = np.ascontiguousarray(S[d][np.ix_(here, here)]), q[d, here]
        can = n and n * lo <= 1.0 + FEASIBLE and n * hi >= 1.0 - FEASIBLE
        if can and np.isfinite(covariance).all() and np.isfinite(linear).all():
            forced, w = float(np.abs(previous[~member]).sum()), np.empty(n)
            scratch = np.empty((2, n, n)), np.empty((VECTORS, n)), np.empty((NUMBERS, n), np.int64)
            solved[d] = near(covariance, linear, previous[here], lo, hi, kappa, limit, forced, w, *scratch)
            if solved[d]:
                weights[d, here] = w
