"""Decision: candidates in, weights and a status out.

1. the sleeve's optimizer solves every window that has something to weight
2. what it leaves unsolved goes down the fallback chain, under the same bounds, and is marked `fallback:NAME`
3. what no optimizer of the chain solves, what has no candidate, and what is solved by holding nothing, is cash
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from metabt.estimators.optimizers.base import Optimizer
from metabt.portfolio.built_estimators import bounded, build_optimizer
from metabt.portfolio.sleeve import Leaf, Rules
from metabt.walk.block import HELD, UNSELECTED, Decisions
from metabt.walk.candidates import Candidates

log = logging.getLogger("metabt.decisions")


@dataclass(frozen=True)
class Weighed:
    """Decisions as they are taken: cash, until an optimizer has solved them."""

    weights: np.ndarray
    """(n_decisions, n_items), 0 outside of what was given."""
    status: np.ndarray
    """(n_decisions,) of texts: ok, fallback:NAME or cash."""
    given: np.ndarray
    """(n_decisions, n_items) bool, what the optimizer that decided was given; of cash, what the sleeve's own was."""
    varied: np.ndarray
    """(n_decisions,) bool: decided by an optimizer that needs variance."""

    @classmethod
    def by(cls, optimizer: Optimizer, candidates: Candidates) -> Weighed:
        """Return what is to be decided by an optimizer: nothing is yet."""
        _, given = candidates.of(optimizer)
        status, varied = np.full(len(given), "cash", dtype=object), np.full(len(given), optimizer.needs_variance)
        return cls(np.zeros(given.shape), status, given.copy(), varied)

    def note(self, rows: np.ndarray, weights: np.ndarray, status: str) -> None:
        """Note the decisions `rows`, which are solved by `weights`, (n_rows, n_items)."""
        self.weights[rows] = weights
        self.status[rows] = np.where(weights.any(axis=1), status, "cash")


@dataclass(frozen=True)
class Outside:
    """What a leaf's signal decides in the sessions of its inputs."""

    rows: np.ndarray
    """(n_decisions,) int64 sessions that decide, ascending."""
    weights: np.ndarray
    """(n_decisions, n_assets) fractions of NAV, negative for shorts."""

    def decided(self, spec: Leaf) -> Decisions:
        """Return the decisions of a leaf that takes its weights from outside.

        Its targets are the weights, scaled by what is not reserved. Their shares of risk are NaN: no window was
        looked at. An asset without a weight has not been selected; a row without any is cash.
        """
        held = self.weights * (1.0 - spec.cash.reserve) + 0.0
        status = tuple(np.where(held.any(axis=1), "ok", "cash").tolist())
        reasons = np.where(held != 0, HELD, UNSELECTED).astype(np.int8)
        return Decisions(self.rows, held, np.full(held.shape, np.nan), status, reasons)


def weigh(spec: Rules, candidates: Candidates) -> Weighed:
    """Take all decisions, as one stack, whatever is held."""
    optimizer = build_optimizer(spec.optimizer)
    windows, given = candidates.of(optimizer)
    weights, solved = optimizer.weigh(windows, given)
    if optimizer.failures_:
        count, (_, reason) = len(optimizer.failures_), optimizer.failures_[0]
        log.warning(
            "%s: no weights for %d of %d decisions, first: %s", spec.optimizer.name, count, len(windows), reason
        )
    found = Weighed.by(optimizer, candidates)
    found.note(np.flatnonzero(solved), weights[solved], "ok")
    fall_back(spec, candidates, found, np.flatnonzero(~solved))
    return found


def fall_back(spec: Rules, candidates: Candidates, found: Weighed, rows: np.ndarray) -> None:
    """Let the chain of fallbacks decide what is left unsolved: the decisions `rows`, each by the first that can."""
    optimizer = build_optimizer(spec.optimizer)
    for estimator in spec.fallback:
        if not len(rows):
            break
        fallback = build_optimizer(bounded(estimator, optimizer))
        windows, given = candidates.of(fallback)
        asked = rows[given[rows].any(axis=1)]
        weights, solved = fallback.weigh(windows.take(asked), given[asked])
        done = asked[solved]
        found.note(done, weights[solved], f"fallback:{estimator.name}")
        found.given[done], found.varied[done] = given[done], fallback.needs_variance
        rows = np.setdiff1d(rows, done)


@dataclass(frozen=True)
class Spared:
    """What the walk of one sleeve leaves out, of that whose outcome is neither stored nor walked on from.

    1. Decisions that are known are taken over as they are: holdings, costs and streams follow from them, to the bit.
    2. Ex-ante shares of risk are a record of decisions and change nothing after them; they are NaN where nobody asks.

    What is spared is the caller's to know (metabt.engines.rewalk): everyone else spares nothing.
    """

    decisions: Decisions | None = None
    """All that the sleeve decides in the sessions that are walked, by their rows; None where it is to decide."""
    risk: bool = False
    """Whether ex-ante shares of risk are left out."""


NOTHING = Spared()
"""Every decision is taken, and its risk is measured."""
