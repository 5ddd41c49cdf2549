"""Decision: windows and support in, weights and a status out.

1. the sleeve's optimizer solves every window that has something to weight
2. what it leaves unsolved goes down the fallback chain, under the same bounds, and is marked `fallback:NAME`
3. what no optimizer of the chain solves, and what has no support, is cash
"""

from __future__ import annotations

import logging

import numpy as np

from metabt.estimators.windows import Windows
from metabt.portfolio.built_estimators import bounded, build_optimizer
from metabt.portfolio.sleeve import Rules

log = logging.getLogger("metabt.decisions")


def weigh(spec: Rules, windows: Windows, support: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Solve every window, as one stack, whatever is held.

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
    fall_back(spec, windows, support, weights, status)
    return weights, status.tolist()


def fall_back(spec: Rules, windows: Windows, support: np.ndarray, weights: np.ndarray, status: np.ndarray) -> None:
    """Write weights and status of what the chain of fallbacks solves of the decisions that are in cash.

    `weights` (n_decisions, n_items) and `status` (n_decisions,) of objects are changed in place.
    """
    optimizer = build_optimizer(spec.optimizer)
    for estimator in spec.fallback:
        rows = np.flatnonzero((status == "cash") & support.any(axis=1))
        if not len(rows):
            break
        again, solved = build_optimizer(bounded(estimator, optimizer)).weigh(windows.take(rows), support[rows])
        weights[rows[solved]] = again[solved]
        status[rows[solved]] = f"fallback:{estimator.name}"
