"""Look through: what every (leaf, asset) beneath a sleeve earned it, added up with factors over sessions.

1. A leaf knows what each asset earned, `h_{t-1} r_t`.
2. A meta sleeve hands its children its factors times its share of them, `f_t s_{c,t-1}`, on their own sessions.
3. A position that could not be traded with the shares earns beside them, in its own column.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metabt.analysis.sleeve_history import Stretch
from metabt.walk.block import Assets, Shares


def looked_through(stretch: Stretch, beneath: Mapping[str, Stretch], factors: np.ndarray) -> np.ndarray:
    """Return `sum_t f_t x_t` by column of a sleeve's layout, (n_periods, n_columns), with x what a column earned it.

    `beneath` are the sleeves of its tree by path, `factors` (n_periods, n_sessions).
    """
    held = stretch.walk.whole.held
    if isinstance(held, Assets):
        return factors @ earned(stretch)
    before = held_over(stretch)
    parts = []
    for c, child in enumerate(stretch.sleeve.ordered):
        below = beneath[f"{stretch.path}/{child.name}"]
        own = (factors * before[:, c])[:, np.searchsorted(stretch.dates, below.dates)]
        parts.append(looked_through(below, beneath, own))
    columns = np.concatenate(parts, axis=1)
    if held.carried is not None:
        _add_carried(columns, stretch, held, factors)
    return columns


def earned(stretch: Stretch) -> np.ndarray:
    """Return what each item of a sleeve earned it, (n_sessions, n_items)."""
    held = stretch.walk.whole.held
    return np.asarray(held.earned)[: stretch.size]


def held_over(stretch: Stretch) -> np.ndarray:
    """Return a meta sleeve's shares held over each session, from the close before it, (n_sessions, n_children)."""
    over = np.zeros_like(stretch.shares)
    over[1:] = stretch.shares[:-1]
    return over


def _add_carried(columns: np.ndarray, stretch: Stretch, held: Shares, factors: np.ndarray) -> None:
    carried = held.carried
    assert carried is not None
    later = carried.rows + 1
    seen = later < stretch.size
    rows, at = later[seen], carried.columns[seen]
    returns = stretch.walked.inputs(stretch.node).gathered.full_gaps.returns
    amounts = carried.after[seen] * returns[rows, at]
    for period, factor in enumerate(factors):
        np.add.at(columns[period], at, factor[rows] * amounts)
