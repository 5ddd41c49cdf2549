"""Around: holdings just before and just after trading.

Between trades a holding only drifts: what was held just before trading is kept for the sessions in which something
traded, and is elsewhere what is held after.
"""

from __future__ import annotations

import numpy as np

from metabt.walk.block import Assets, Shares


def around(held: Assets | Shares, moved: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return holdings just before and just after trading, each (n_rows, n_items).

    Parameters
    ----------
    held : Assets or Shares
        Holdings; what is returned belongs to the caller all the same.
    moved : (n_sessions,) bool
        Sessions for which `held.before` has a row.
    rows : (n_rows,) int64
        Sessions, which never decrease.
    """
    after = held.after[rows]
    before, here = after.copy(), moved[rows]
    if here.any():
        ordinals = np.cumsum(moved) - 1
        before[here] = held.before[ordinals[rows[here]]]
    return before, after
