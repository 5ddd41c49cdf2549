"""Target weights within bounds: the nearest weights, in relative entropy, that sum to one.

Minimising `sum_i w_i ln(w_i / t_i)` subject to `sum w = 1` and `lo <= w <= hi` gives `w_i = clip(c t_i, lo, hi)`.

1. With the free assets, `c = (1 - what is fixed) / sum of their targets`.
2. If clipping adds more than it takes away, c is too small for nobody at the upper bound: fix those that are above
   it there. Else fix those that are below the lower bound. Repeat until none is outside: at most n rounds.

All decisions take their rounds together: one that is done repeats its last round, to the same bits.
"""

from __future__ import annotations

import numpy as np


def capped(target: np.ndarray, support: np.ndarray, lo: float, hi: float) -> tuple[np.ndarray, np.ndarray]:
    """Return `clip(c target, lo, hi)` of every row, and whether there is such a row.

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
    count = support.sum(axis=1)
    solved = (count > 0) & (count * lo <= 1.0 + 1e-12)
    weights = np.where(support & (count * hi <= 1.0)[:, None], hi, 0.0)
    free = support & (solved & (count * hi > 1.0))[:, None]
    outside = free
    while outside.any():
        weights = _shared(target, free, weights)
        over, under = _total(np.maximum(weights - hi, 0.0), free), _total(np.maximum(lo - weights, 0.0), free)
        upper = (over >= under)[:, None]
        outside = free & np.where(upper, weights > hi, weights < lo)
        weights = np.where(outside, np.where(upper, hi, lo), weights)
        free = free & ~outside
    return weights, solved


def _shared(target: np.ndarray, free: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weights with what the fixed assets leave over shared among the free ones."""
    total, rest = _total(target, free), 1.0 - _total(weights, ~free)
    scale = np.divide(rest, total, out=np.zeros(len(total)), where=total > 0.0)
    return np.where(free, target * scale[:, None], weights)


def _total(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the sum of each row, from left to right: its bits do not depend on what is left out."""
    return np.add.accumulate(np.where(where, values, 0.0), axis=1)[:, -1]
