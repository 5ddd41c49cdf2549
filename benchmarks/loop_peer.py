"""The plain loop as a peer."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks import plain_loop
from benchmarks.leaf_order import shortest_order
from benchmarks.works import STEP, Rule


class Loop:
    """`benchmarks.plain_loop`."""

    name = "plain loop"

    def refuses(self, rule: Rule) -> str:
        """Return why it cannot follow a rule, or nothing."""
        return "" if rule.optimizer in plain_loop.SOLVERS else f"it has no {rule.optimizer}"

    def walk(self, X: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and returns; see `Peer`."""
        solver = partial(plain_loop.SOLVERS[rule.optimizer], **rule.parameters)
        return plain_loop.walk(X, rule.lookback, STEP, solver)

    def exact(self, X: np.ndarray, rule: Rule) -> np.ndarray:
        """Return the weights; where leaves have an order, for the shortest one."""
        if rule.optimizer != "hrp":
            return self.walk(X, rule)[0]
        return plain_loop.walk(X, rule.lookback, STEP, partial(plain_loop.hrp, leaf_order=shortest_order))[0]
