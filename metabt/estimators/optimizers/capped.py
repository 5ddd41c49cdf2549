"""Target weights within bounds: the nearest weights, in relative entropy, that sum to one.

Minimising `sum_i w_i ln(w_i / t_i)` subject to `sum w = 1` and `lo <= w <= hi` gives `w_i = clip(c t_i, lo, hi)`.

1. With the free assets, `c = (1 - what is fixed) / sum of their targets`.
2. If clipping takes away at least as much as it adds, c can only grow: fix those above the upper bound there. Else c
   can only shrink: fix those below the lower bound there. Repeat until none is outside: at most n rounds.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.solvers.tolerance import FEASIBLE
from metabt.numerics.kernels import inner, kernel


def capped(target: np.ndarray, support: np.ndarray, lo: float, hi: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights `clip(c target, lo, hi)` that sum to one, of every decision.

    Parameters
    ----------
    target : (n_decisions, n_assets) positive
    support : (n_decisions, n_assets) bool
    lo, hi : float
        Where k assets at `hi` stay below one, all are at `hi` and the rest is cash.

    Returns
    -------
    weights : (n_decisions, n_assets)
        0 outside the support.
    solved : (n_decisions,) bool
        False for an empty support, and where k assets at `lo` exceed one.
    """
    weights, solved = np.zeros(target.shape), np.zeros(len(target), bool)
    member = np.array(support, dtype=np.bool_)  # those that are not fixed, in the end
    _stack(np.ascontiguousarray(target), member, lo, hi, weights, solved)
    return weights, solved


@kernel()
def _stack(target, free, lo, hi, weights, solved):
    for d in range(len(target)):
        count = 0
        for i in range(len(free[d])):
            count += free[d, i]
        solved[d] = count > 0 and count * lo <= 1.0 + FEASIBLE
        if not solved[d]:
            continue
        if count * hi <= 1.0:
            for i in range(len(free[d])):
                weights[d, i] = hi if free[d, i] else 0.0
            continue
        while _share(target[d], free[d], weights[d]):
            if not _fix(free[d], lo, hi, weights[d]):
                break


@inner()
def _share(target, free, weights):
    """Share what the fixed assets leave over among the free ones; return whether there are any."""
    total, rest, some = 0.0, 1.0, False
    for i in range(len(free)):  # from left to right: bits do not depend on what is left out
        if free[i]:
            total += target[i]
            some = True
        else:
            rest -= weights[i]
    scale = rest / total if total > 0.0 else 0.0
    for i in range(len(free)):
        if free[i]:
            weights[i] = target[i] * scale
    return some


@inner()
def _fix(free, lo, hi, weights):
    """Fix the free assets that are beyond one bound, the one that is missed by more; return whether there were any."""
    over, under, some = 0.0, 0.0, False
    for i in range(len(free)):
        if free[i]:
            over += max(weights[i] - hi, 0.0)
            under += max(lo - weights[i], 0.0)
    for i in range(len(free)):
        if free[i] and (weights[i] > hi if over >= under else weights[i] < lo):
            free[i], weights[i], some = False, hi if over >= under else lo, True
    return some
