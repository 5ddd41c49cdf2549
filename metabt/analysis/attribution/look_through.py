"""Look through: what every (leaf, asset) beneath a sleeve earned it, added up with factors over sessions.

1. What each asset of a leaf earned follows from its holdings (metabt.walk.earned).
2. A meta sleeve's children get its factors times its share of them, `f_t s_{c,t-1}`, on their own sessions.
3. A position that could not be traded with the shares earns beside them, in its own column.
4. Cash of a sleeve, `1 - sum s` less what is carried or `1 - sum h`, earns in every session of the sleeve that looks,
   held as of its session before by all that hold it: `f_t S_{t-1} (1 - sum s)_{t-1} idle_t`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from metabt.analysis.sleeve_history import SleeveHistory
from metabt.walk.earned import summed
from metabt.walk.meta.book import MetaBook

Seen = Callable[[SleeveHistory, np.ndarray], None]
"""Takes a leaf, and what its assets earned in every session, (n_sessions, n_assets): that is worked out once."""


def looked_through(
    history: SleeveHistory, beneath: Mapping[str, SleeveHistory], factors: np.ndarray, seen: Seen
) -> np.ndarray:
    """Return `sum_t f_t x_t` by column of a sleeve's layout, (n_periods, n_columns), with x what a column earned it.

    `beneath` are the sleeves of its tree by path, `factors` (n_periods, n_sessions). Every leaf is `seen` on the way.
    """
    book = history.book
    if not isinstance(book, MetaBook):
        amounts = history.earned
        seen(history, amounts)
        return summed(factors, amounts.shape[1], amounts.__getitem__)
    before = held_over(history)
    parts = []
    for c, child in enumerate(history.sleeve.ordered):
        below = beneath[f"{history.path}/{child.name}"]
        own = (factors * before[:, c])[:, among(history.dates, below.dates)]
        parts.append(looked_through(below, beneath, own, seen))
    columns = np.concatenate(parts, axis=1)
    _add_carried(columns, book, factors)
    return columns


def cash_seen(
    history: SleeveHistory, beneath: Mapping[str, SleeveHistory], factors: np.ndarray
) -> dict[str, np.ndarray]:
    """Return path -> `sum_t f_t x_t`, (n_periods,), with x what cash of a sleeve, or of one beneath it, earned it.

    Arguments are as in `looked_through`. There is nothing to see where cash earns nothing.
    """
    if history.idle is None:
        return {}
    return _cash_seen(history, beneath, history.dates, factors * history.idle)


def _cash_seen(
    history: SleeveHistory, beneath: Mapping[str, SleeveHistory], dates: np.ndarray, paid: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the same, given what a unit of cash in the sleeve is worth by session of who looks, (n_periods, n_dates).

    `dates`, (n_dates,), are those sessions; what was held over each is of the sleeve's newest session before it.
    """
    newest = np.searchsorted(history.dates, np.concatenate([dates[:1], dates[:-1]]), side="right") - 1
    newest[:1] = -1  # over the first session nothing was held

    def over(values: np.ndarray, before: float) -> np.ndarray:
        return np.where(newest < 0, before, values[newest]) if len(values) else np.full(len(newest), before)

    found = {history.path: paid @ over(history.own_cash, 1.0)}
    for c, child in enumerate(history.sleeve.ordered):
        below = beneath[f"{history.path}/{child.name}"]
        found |= _cash_seen(below, beneath, dates, paid * over(history.shares[:, c], 0.0))
    return found


def among(dates: np.ndarray, own: np.ndarray) -> np.ndarray | slice:
    """Return where the sessions of a child, `own`, are among those of its parent; a slice where they are the same."""
    return slice(None) if np.array_equal(dates, own) else np.searchsorted(dates, own)


def held_over(history: SleeveHistory, at: slice | np.ndarray = slice(None)) -> np.ndarray:
    """Return a meta sleeve's shares held over each session, from the close before it, (n_sessions, n_children).

    `at` are the children that are wanted, by their places.
    """
    shares = history.shares[:, at]
    over = np.zeros(shares.shape)
    over[1:] = shares[:-1]
    return over


def _add_carried(columns: np.ndarray, book: MetaBook, factors: np.ndarray) -> None:
    rows, at, held = book.carried_over(factors.shape[1])
    if not len(rows):
        return
    amounts = held * book.children.full_gaps.returns[rows, at]
    for period, factor in enumerate(factors):
        np.add.at(columns[period], at, factor[rows] * amounts)
