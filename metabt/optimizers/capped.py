"""Target weights within bounds: the nearest weights, in relative entropy, that sum to one.

Minimising `sum_i w_i ln(w_i / t_i)` subject to `sum w = 1` and `lo <= w <= hi` gives `w_i = clip(c t_i, lo, hi)`.

1. With the free assets, `c = (1 - what is fixed) / sum of their targets`.
2. If clipping adds more than it takes away, c is too small for nobody at the upper bound: fix those that are above
   it there. Else fix those that are below the lower bound. Repeat until none is outside: at most n rounds.
"""

from __future__ import annotations

import numpy as np

from metabt.kernels import inner, kernel


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
    _clip(np.ascontiguousarray(target), support & (solved & (count * hi > 1.0))[:, None], lo, hi, weights)
    return weights, solved


@kernel()
def _clip(target, free, lo, hi, weights):
    for d in range(len(target)):
        while _round(target[d], free[d], lo, hi, weights[d]):
            pass


@inner()
def _round(t, free, lo, hi, w):
    """Share what the fixed assets leave over among the free ones; fix the offenders of one side, if there are any."""
    rest, total, over, under = 1.0, 0.0, 0.0, 0.0
    for i in range(len(t)):
        if free[i]:
            total += t[i]
        else:
            rest -= w[i]
    for i in range(len(t)):
        if free[i]:
            w[i] = t[i] * (rest / total)
            over += max(w[i] - hi, 0.0)
            under += max(lo - w[i], 0.0)
    for i in range(len(t)):
        if free[i] and (w[i] > hi if over >= under else w[i] < lo):
            w[i] = hi if over >= under else lo
            free[i] = False
    return over > 0.0 or under > 0.0
