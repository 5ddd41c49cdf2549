"""Decision: windows and support in, weights and a status out.

1. the sleeve's optimizer solves every window that has something to weight
2. what it leaves unsolved goes down the fallback chain, under the same bounds, and is marked `fallback:NAME`
3. what no optimizer of the chain solves, and what has no support, is cash
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from metabt.estimators.windows import Windows
from metabt.portfolio.built_estimators import bounded, build_optimizer
from metabt.portfolio.sleeve import Rules

log = logging.getLogger("metabt.decisions")


def weigh(spec: Rules, windows: Windows, support: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Solve every window.

    Parameters
    ----------
    support : (n_decisions, n_items) bool, the columns that may have weight

    Returns
    -------
    weights : (n_decisions, n_items), 0 outside the support
    status : (n_decisions,) ok, fallback:NAME or cash
    """
    optimizer = build_optimizer(spec.optimizer)
    weights, solved = optimizer.weigh(windows, support)
    if optimizer.failures_:
        count, (_, reason) = len(optimizer.failures_), optimizer.failures_[0]
        log.warning(
            "%s: no weights for %d of %d decisions, first: %s", spec.optimizer.name, count, len(windows), reason
        )
    status = np.where(solved, "ok", "cash").astype(object)
    _fall_back(spec, windows, support, weights, status)
    return weights, status.tolist()


Take = Callable[[np.ndarray, Windows, np.ndarray], tuple[np.ndarray, list[str]]]
"""(rows, windows, support) -> weights and status: how the decisions at some rows are taken."""


def at_once(spec: Rules, rows: np.ndarray, windows: Windows, support: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Take the decisions at `rows` as one stack, whatever is held; see `weigh`."""
    return weigh(spec, windows, support)


class PathDependentDecisions:
    """Decisions of a sleeve that are taken one after another, each from what is held by then."""

    def __init__(self, spec: Rules, windows: Windows, support: np.ndarray) -> None:
        """Take the windows of all, and the columns that may have weight, (n_decisions, n_items) bool."""
        self._spec, self._windows, self._support = spec, windows, support
        self._decisions = build_optimizer(spec.optimizer).in_turn(windows, support)

    def weigh(self, decision: int, previous: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the weights of one decision, (n_items,), and its status.

        `previous`, (n_items,), is what it trades away from.
        """
        weights, solved = self._decisions.weigh(decision, previous)
        if solved:
            return weights, "ok"
        one, status = slice(decision, decision + 1), np.array(["cash"], dtype=object)
        _fall_back(self._spec, self._windows.take(one), self._support[one], weights[None], status)
        return weights, status[0]


def _fall_back(spec: Rules, windows: Windows, support: np.ndarray, weights: np.ndarray, status: np.ndarray) -> None:
    """Write weights and status of what the chain of fallbacks solves, of decisions that are in cash."""
    optimizer = build_optimizer(spec.optimizer)
    for estimator in spec.fallback:
        rows = np.flatnonzero((status == "cash") & support.any(axis=1))
        if not len(rows):
            break
        again, solved = build_optimizer(bounded(estimator, optimizer)).weigh(windows.take(rows), support[rows])
        weights[rows[solved]] = again[solved]
        status[rows[solved]] = f"fallback:{estimator.name}"
