"""Levels: which assets a rule on raw closes and volumes draws, session by session.

1. Only what has a price in the session can be drawn, of those that the rule may choose from.
2. `min_price` is a close of the session, `min_prices` a count of closes up to it, the session's own included.
3. `largest` ranks the mean of what was observed in the last sessions; of equals those whose column comes first. What
   was never observed in them is not drawn.

Sums are taken over each session's own window, row after row: bits depend on no other session and no other asset.
"""

from __future__ import annotations

import numpy as np


def at_least(close: np.ndarray, least: float) -> np.ndarray:
    """Return where a close is at least so much, bool of the same shape; False where there is none."""
    return np.nan_to_num(close, nan=-1.0) >= least


def seen_by(priced: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return how many closes each asset had by each session, (n_sessions, n_assets), given those `before` the first."""
    return before + np.cumsum(priced, axis=0, dtype=np.int64)


def largest(levels: np.ndarray, allowed: np.ndarray, count: int, lookback: int) -> np.ndarray:
    """Return the largest assets of each session.

    Parameters
    ----------
    levels : (before + n_sessions, n_assets) float64
        What they are ranked by, NaN where it was not observed; `before` sessions lie ahead of the first.
    allowed : (n_sessions, n_assets) bool
        What may be chosen.
    count : int
        How many are kept.
    lookback : int
        Sessions that a mean is taken over, at most; fewer where there are no more.

    Returns
    -------
    (n_sessions, n_assets) bool
    """
    before = len(levels) - len(allowed)
    found = np.zeros(allowed.shape, bool)
    seen = ~np.isnan(levels)
    values = np.where(seen, levels, 0.0)
    for row in range(len(allowed)):
        window = slice(max(before + row + 1 - lookback, 0), before + row + 1)
        counted = seen[window].sum(axis=0)
        chosen = np.flatnonzero(allowed[row] & (counted > 0))
        means = np.add.reduce(values[window], axis=0)[chosen] / counted[chosen]
        found[row, chosen[np.argsort(-means, kind="stable")[:count]]] = True
    return found
