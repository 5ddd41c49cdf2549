"""Bar shape: the bars of one asset are known by their numbers, whatever their columns are called.

1. One column is the highest and one the lowest in every row. They are near, and how near is drawn anew each day: the
   distance of two assets would wander.
2. Of two columns between them now the one is higher and now the other, or they are equal: an open and a close. Columns
   of a curve of futures would keep their order.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

MOST = 15
"""Columns beyond which a table is not that of one asset."""
ROWS = 500
"""Rows that are looked at."""
LEAST = 40
"""Rows that tell something."""
APART = 0.1
"""Median distance of high and low, relative to the low, beyond which these are no bars."""
DRAWN = 0.7
"""Deviation of a distance's changes, over its own, from which on it does not wander; sqrt(2) is that of noise."""
SWAPS = 0.3
"""Part of the rows at which another of two columns becomes the higher, from which on they have no order."""


def bar_columns(matrix: np.ndarray) -> tuple[int, int, list[int]] | None:
    """Return high, low and the columns between them, where some columns are the bars of one asset.

    Parameters
    ----------
    matrix : (n_rows, n_columns) numbers, NaN where missing

    Returns
    -------
    tuple or None
        Positions of the columns.
    """
    rows = matrix[:ROWS]
    rows = rows[np.isfinite(rows).sum(axis=1) > 3]
    if not 4 <= matrix.shape[1] <= MOST or len(rows) < LEAST:
        return None
    kept = np.flatnonzero(((rows > 0) & (rows < np.inf)).all(axis=0)).tolist()
    for one, other in combinations(kept, 2):
        high, low = (one, other) if rows[0, one] >= rows[0, other] else (other, one)
        if (rows[:, high] < rows[:, low]).any() or not _near(rows[:, high] / rows[:, low] - 1):
            continue
        between = [
            place
            for place in kept
            if place not in (one, other)
            and (rows[:, place] <= rows[:, high]).all()
            and (rows[:, place] >= rows[:, low]).all()
        ]
        if any(_swap(rows[:, a] - rows[:, b]) for a, b in combinations(between, 2)):
            return high, low, between
    return None


def _near(distance: np.ndarray) -> bool:
    spread = distance.std()
    drawn = spread < 1e-3 or np.diff(distance).std() > DRAWN * spread
    return bool(drawn and 0 < np.median(distance) < APART)


def _swap(difference: np.ndarray) -> bool:
    signs = np.sign(difference)
    return bool((signs == 0).mean() > 0.5 or (np.diff(signs) != 0).mean() > SWAPS)
