"""The book of a meta sleeve: shares looked through to the children's books, and what could not be traded beside them.

1. `H = s_c h_c`, with h_c the child's holdings as of that session
2. plus positions that stayed what they were because an asset had no price when shares were traded
3. what a child contributed to the gross return is `s_{c,t-1} y_{c,t}`, with y_c what a unit of it makes in the session
   (metabt.walk.meta.aggregation): its return R_c, cash of all beneath it being paid by this sleeve's sessions; and what
   such positions of its assets earned
4. `1 - sum s`, less what is carried, is this sleeve's own cash, a row beside its children. All cash, its own and that
   beneath it, earns by its own sessions: `R = H' r + (1 - sum H) f` at any depth and over any calendars
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metabt.values.lazy_property import lazy_property
from metabt.walk.around import around
from metabt.walk.block import Carried, Gaps, Shares
from metabt.walk.meta.aggregation import Gathered
from metabt.walk.meta.flattening import Layout, invested_in


@dataclass(frozen=True)
class MetaBook:
    """The book of a meta sleeve, by column of its layout."""

    held: Shares
    """Its shares in its children."""
    layout: Layout
    """Child, leaf and asset of each column."""
    children: Gathered
    """Its children on its sessions."""

    def around(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return holdings just before and just after trading, each (n_rows, n_columns)."""
        shares, books, carried = around(self.held, self.held.dealt, rows), self.children.around(rows), self.held.carried
        before, after = (_looked_through(*pair, self.layout.child_of) for pair in zip(shares, books, strict=True))
        if carried is not None:
            _add(before, rows, carried, carried.before)
            _add(after, rows, carried, carried.after)
        return before, after

    def earned(self, weights: np.ndarray) -> np.ndarray:
        """Return contributions of physical assets to gross returns, (n_assets,), added up with a weight per session.

        The sleeve is taken to hold nothing before its first row.
        """
        total = np.zeros(len(self.layout.symbols))
        for c, child in enumerate(self.children.children):
            own = np.zeros(len(weights))
            own[1:] = weights[1:] * self.held.after[:-1, c]
            total[self.layout.assets_of_child[c]] += child.earned(own)
        rows, columns, held = self.carried_over(len(weights))
        if len(rows):
            extra = weights[rows] * held * self.children.full_gaps.returns[rows, columns]
            np.add.at(total, self.layout.asset_of[columns], extra)
        return total

    def earned_by_item(self, n_sessions: int) -> np.ndarray:
        """Return what each child contributed to the gross returns of the first sessions, (n_sessions, n_children)."""
        earned = np.zeros((n_sessions, self.held.after.shape[1]))
        np.multiply(self.held.after[: max(n_sessions - 1, 0)], self.children.earned[1:n_sessions], out=earned[1:])
        earned += 0.0  # no loss of nothing is -0.0, whether or not something is carried
        rows, columns, held = self.carried_over(n_sessions)
        if len(rows):
            extra, returns = np.zeros_like(earned), self.children.full_gaps.returns[rows, columns]
            np.add.at(extra, (rows, self.layout.child_of[columns]), held * returns)
            earned += extra
        return earned

    @lazy_property
    def invested(self) -> np.ndarray:
        """(n_sessions,) sums of flattened holdings after trading; where cash earns."""
        carried = np.zeros(len(self.held.after))
        if self.held.carried is not None:
            np.add.at(carried, self.held.carried.rows, self.held.carried.after)
        return invested_in(self.held.after, self.children.invested, carried)

    @property
    def has_shorts(self) -> bool:
        """Whether anything in it may be held short after some session's trades; False is certain."""
        carried = self.held.carried
        if np.min(self.held.after, initial=0.0) < 0 or (carried is not None and np.min(carried.after, initial=0.0) < 0):
            return True
        return any(child.has_shorts for child in self.children.children)

    def carried_over(self, n_sessions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what was carried over into the first sessions: rows, columns and positions, (n_entries,) each."""
        carried = self.held.carried
        if carried is None:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        seen = carried.rows + 1 < n_sessions
        return carried.rows[seen] + 1, carried.columns[seen], carried.after[seen]

    @lazy_property
    def gaps(self) -> Gaps | None:
        """Returns and tradability of its columns, for a parent; None where all could always be traded."""
        if self.held.carried is None and self.children.gaps is None and not self._frozen.any():
            return None
        return self.full_gaps

    @lazy_property
    def full_gaps(self) -> Gaps:
        """The same, also where all could be traded.

        What a child holds in data that have ended for good is traded at its last price when *this* sleeve trades its
        share of the child, and never because a sleeve above trades its share of this one.
        """
        gaps = self.children.full_gaps
        if not self._frozen.any():
            return gaps
        return replace(gaps, tradable=np.where(self._frozen, self.held.dealt[:, None], gaps.tradable))

    @lazy_property
    def _frozen(self) -> np.ndarray:
        """(n_sessions, n_columns) bool: held in data that have ended; of one element where none have."""
        over = self.children.dates[:, None] > self.children.ends  # NaT, data that go on, compares as False
        if not over.any():
            return np.zeros((1, 1), bool)
        before, after = self.around(np.arange(len(over)))
        return over[:, self.layout.child_of] & ((before != 0) | (after != 0))


def _looked_through(shares: np.ndarray, books: np.ndarray, child_of: np.ndarray) -> np.ndarray:
    """Return shares of the children's books, (n_rows, n_columns)."""
    held = np.take(shares, child_of, axis=1)
    held *= books
    held += 0.0  # no share of a short is 0.0 and not -0.0, whether or not something is carried
    return held


def _add(book: np.ndarray, rows: np.ndarray, carried: Carried, values: np.ndarray) -> None:
    """Add the carried positions of their sessions to a book's `rows`, which may repeat."""
    if not len(rows):
        return
    distinct, inverse = np.unique(rows, return_inverse=True)
    place = np.searchsorted(distinct, carried.rows)
    here = (place < len(distinct)) & (distinct[np.minimum(place, len(distinct) - 1)] == carried.rows)
    extra = np.zeros((len(distinct), book.shape[1]))
    extra[place[here], carried.columns[here]] = values[here]
    book += extra[inverse]
