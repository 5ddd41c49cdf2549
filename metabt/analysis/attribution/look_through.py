"""Look through: what every (leaf, asset) beneath a sleeve earned it, added up with factors over sessions.

1. A leaf knows what each asset earned, `h_{t-1} r_t`.
2. A meta sleeve's children get its factors times its share of them, `f_t s_{c,t-1}`, on their own sessions.
3. A position that could not be traded with the shares earns beside them, in its own column.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metabt.analysis.sleeve_history import SleeveHistory
from metabt.walk.block import Assets, Shares


def looked_through(history: SleeveHistory, beneath: Mapping[str, SleeveHistory], factors: np.ndarray) -> np.ndarray:
    """Return `sum_t f_t x_t` by column of a sleeve's layout, (n_periods, n_columns), with x what a column earned it.

    `beneath` are the sleeves of its tree by path, `factors` (n_periods, n_sessions).
    """
    held = history.block.held
    if isinstance(held, Assets):
        return factors @ history.earned
    before = held_over(history)
    parts = []
    for c, child in enumerate(history.sleeve.ordered):
        below = beneath[f"{history.path}/{child.name}"]
        own = (factors * before[:, c])[:, np.searchsorted(history.dates, below.dates)]
        parts.append(looked_through(below, beneath, own))
    columns = np.concatenate(parts, axis=1)
    if held.carried is not None:
        _add_carried(columns, history, held, factors)
    return columns


def held_over(history: SleeveHistory) -> np.ndarray:
    """Return a meta sleeve's shares held over each session, from the close before it, (n_sessions, n_children)."""
    over = np.zeros_like(history.shares)
    over[1:] = history.shares[:-1]
    return over


def _add_carried(columns: np.ndarray, history: SleeveHistory, held: Shares, factors: np.ndarray) -> None:
    carried = held.carried
    assert carried is not None
    later = carried.rows + 1
    seen = later < history.size
    rows, at = later[seen], carried.columns[seen]
    returns = history.gathered.full_gaps.returns
    amounts = carried.after[seen] * returns[rows, at]
    for period, factor in enumerate(factors):
        np.add.at(columns[period], at, factor[rows] * amounts)
