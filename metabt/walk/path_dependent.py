"""Path-dependent decisions: each depends on what is held when it is taken, one after another over a partition.

1. Hold up to the session of the next decision, trading what is due on the way.
2. It trades away from the newest decision that is not traded yet or, where there is none, from what is then held:
   as parts of what may be invested, where a reserve is kept in cash.
3. Note when it will be traded; empty decisions before a sleeve's first non-empty one are none.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from metabt.portfolio.built_estimators import build_optimizer
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.block import State
from metabt.walk.candidates import Candidates
from metabt.walk.decision import Weighed, fall_back


class Hold(Protocol):
    """Holdings that are filled in session by session (metabt.walk.leaf_holdings, metabt.walk.meta.meta_holdings)."""

    def until(self, stop: int, due: np.ndarray, targets: np.ndarray) -> None:
        """Fill in the sessions up to the one before `stop`, which trade the rows of `targets` that are due."""

    def ahead(self) -> np.ndarray:
        """Return the holdings at the close of the next session before anything is traded, (n_items,)."""

    def aimed(self, targets: np.ndarray, decided: int) -> np.ndarray:
        """Return what is held once a decision of weights `targets`, which is under way, is traded, (n_items,).

        It was `decided` in that session of the schedule's calendar, negative before the partition.
        """


class Pending:
    """The decisions of one partition as they are taken, and which of them each session trades."""

    def __init__(self, spec: Leaf | Meta, state: State, hold: Hold, sessions: np.ndarray, most: int) -> None:
        """Begin with the decisions that the partition before left untraded.

        Parameters
        ----------
        sessions : (n_sessions,) bool, which of the book's sessions are the schedule's
        most : decisions that may be taken
        """
        self._spec, self._hold, self._sessions = spec, hold, np.flatnonzero(sessions)
        self._signs = spec.signs if isinstance(spec, Leaf) else np.ones(len(spec.children))
        self._invested = 1.0 - spec.cash.reserve
        queued = len(state.queue.due)
        self._weights = np.concatenate([state.queue.weights, np.empty((most, len(self._signs)))])
        self._due = np.full(len(sessions), -1, np.int64)
        self._due[sessions], _ = state.queue.split(len(self._sessions))
        self._live, self._count = state.live, queued
        self._traded = int(state.queue.due[-1]) if queued else -1

    def add(self, row: int, weights: np.ndarray) -> None:
        """Note the decision at a row of the schedule's calendar, (n_items,) as held."""
        self._live = self._live or bool(weights.any())
        if not self._live:
            return
        self._weights[self._count] = weights
        self._traded = row + self._spec.lag
        if self._traded < len(self._sessions):
            self._due[self._sessions[self._traded]] = self._count
        self._count += 1

    def weigh(self, rows: np.ndarray, candidates: Candidates) -> Weighed:
        """Take the decisions at `rows` of the schedule's calendar, holding on the way."""
        optimizer = build_optimizer(self._spec.optimizer)
        found, turns = Weighed.by(optimizer, candidates), optimizer.in_turn(*candidates.of(optimizer))
        for k, row in enumerate(rows.tolist()):
            self._hold.until(int(self._sessions[row]), self._due, self._weights)
            if self._traded >= row:
                previous = self._hold.aimed(self._weights[self._count - 1], self._traded - self._spec.lag)
            else:
                previous = self._hold.ahead()
            weights, solved = turns.weigh(k, previous * self._signs / self._invested)
            if solved:
                found.note(np.array([k]), weights[None], "ok")
            else:
                fall_back(self._spec, candidates, found, np.array([k]))
            self.add(row, found.weights[k] * self._invested * self._signs + 0.0)
        return found
