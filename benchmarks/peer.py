"""Peer: what walks the columns of one sleeve forward as metabt does, so that seconds and weights can be compared.

A meta sleeve is the same walk over its children's streams. Every peer decides each 21 sessions from the windows that
metabt sees, and holds until the next decision.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from benchmarks.works import Rule


class Peer(Protocol):
    """Somebody else's walk-forward."""

    name: str
    """As the results have it."""

    def refuses(self, rule: Rule) -> str:
        """Return why it cannot follow a rule, or nothing."""

    def walk(self, X: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of every decision, (n_decisions, n_columns), and the returns that they earn.

        X is (n_sessions, n_columns) simple returns; the settings are those that its users get.
        """

    def exact(self, X: np.ndarray, rule: Rule) -> np.ndarray:
        """Return the weights as exactly as it can give them, however long it takes."""
