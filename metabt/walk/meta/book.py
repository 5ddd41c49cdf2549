"""The book of a meta sleeve: shares looked through to the children's books, and what could not be traded beside them.

1. `H = s_c h_c`, with h_c the child's holdings as of that session
2. plus positions that stayed what they were because an asset had no price when shares were traded
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from metabt.walk.block import Carried, Gaps, Shares
from metabt.walk.meta.aggregation import Gathered
from metabt.walk.meta.flattening import Layout


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
        held, carried = self.held, self.held.carried
        before, after = self.children.around(rows)
        # + 0.0: no share of a short is 0.0 and not -0.0, whether or not something is carried
        before = np.take(held.before[rows], self.layout.child_of, axis=1) * before + 0.0
        after = np.take(held.after[rows], self.layout.child_of, axis=1) * after + 0.0
        if carried is None:
            return before, after
        return _add(before, rows, carried, carried.before), _add(after, rows, carried, carried.after)

    def earned(self, weights: np.ndarray) -> np.ndarray:
        """Return contributions of physical assets to gross returns, (n_assets,), added up with a weight per session.

        The sleeve is taken to hold nothing before its first row.
        """
        held = np.concatenate([np.zeros((1, self.held.after.shape[1])), self.held.after[:-1]])
        total = np.zeros(len(self.layout.symbols))
        for c, child in enumerate(self.children.children):
            total[self.layout.assets_of_child[c]] += child.earned(weights * held[:, c])
        carried = self.held.carried
        if carried is not None:
            later = carried.rows + 1
            goes_on = later < len(weights)
            rows, columns = later[goes_on], carried.columns[goes_on]
            extra = weights[rows] * carried.after[goes_on] * self.children.full_gaps.returns[rows, columns]
            np.add.at(total, self.layout.asset_of[columns], extra)
        return total

    @cached_property
    def gaps(self) -> Gaps | None:
        """Returns and tradability of its columns, for a parent; None where all could always be traded."""
        if self.held.carried is None and self.children.gaps is None and not self._frozen.any():
            return None
        return self.full_gaps

    @cached_property
    def full_gaps(self) -> Gaps:
        """The same, also where all could be traded.

        What a child holds in data that have ended for good is traded at its last price when *this* sleeve trades its
        share of the child, and never because a sleeve above trades its share of this one.
        """
        gaps = self.children.full_gaps
        if not self._frozen.any():
            return gaps
        return replace(gaps, tradable=np.where(self._frozen, self.held.dealt[:, None], gaps.tradable))

    @cached_property
    def _frozen(self) -> np.ndarray:
        """(n_sessions, n_columns) bool: held in data that have ended; of one element where none have."""
        over = self.children.dates[:, None] > self.children.ends  # NaT, data that go on, compares as False
        if not over.any():
            return np.zeros((1, 1), bool)
        before, after = self.around(np.arange(len(over)))
        return over[:, self.layout.child_of] & ((before != 0) | (after != 0))


def _add(book: np.ndarray, rows: np.ndarray, carried: Carried, values: np.ndarray) -> np.ndarray:
    """Return a book's `rows`, which may repeat, with the carried positions of their sessions added."""
    if not len(rows):
        return book
    distinct, inverse = np.unique(rows, return_inverse=True)
    place = np.searchsorted(distinct, carried.rows)
    here = (place < len(distinct)) & (distinct[np.minimum(place, len(distinct) - 1)] == carried.rows)
    extra = np.zeros((len(distinct), book.shape[1]))
    extra[place[here], carried.columns[here]] = values[here]
    return book + extra[inverse]
