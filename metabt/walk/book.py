"""Book: a sleeve's holdings by (leaf beneath, asset), as fractions of its NAV.

A leaf keeps its holdings; a meta sleeve keeps its shares, and its book is looked through when rows of it are asked for
(metabt.walk.meta.book). What items earned is kept by neither: a leaf's follows from its holdings (metabt.walk.earned),
a meta sleeve's from its shares and the children's streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from metabt.walk.around import around
from metabt.walk.block import Assets, Block, Gaps
from metabt.walk.earned import added_up, earned


class Book(Protocol):
    """Holdings by column of a sleeve's layout."""

    def around(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return holdings just before and just after trading, each (n_rows, n_columns).

        `rows` are int64 sessions that never decrease; what is returned belongs to the caller.
        """

    def earned(self, weights: np.ndarray) -> np.ndarray:
        """Return `sum_t weights_t x_ta`, (n_assets,), with x what each physical asset earned it in session t."""

    def earned_by_item(self, n_sessions: int) -> np.ndarray:
        """Return what each asset of a leaf, or each child, contributed to gross returns, (n_sessions, n_items).

        They are of the first sessions. A row sums to the gross return less what cash earned.
        """

    @property
    def gaps(self) -> Gaps | None:
        """Returns and tradability of its columns, for a parent; None where all could always be traded."""

    @property
    def full_gaps(self) -> Gaps:
        """The same, also where all could be traded, for a parent that still carries positions from before."""

    @property
    def has_shorts(self) -> bool:
        """Whether anything in it may be held short after some session's trades; False is certain."""


@dataclass(frozen=True)
class LeafBook:
    """The book of a leaf: a column per asset."""

    held: Assets
    """Its holdings."""
    traded: np.ndarray
    """(n_sessions,) bool: something traded."""
    gross: np.ndarray
    """(n_sessions,) its returns before costs."""

    def around(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return holdings just before and just after trading, each (n_rows, n_assets)."""
        return around(self.held, self.traded, rows)

    def earned(self, weights: np.ndarray) -> np.ndarray:
        """Return contributions of each asset to gross returns, added up with a weight per session, (n_assets,)."""
        return self.added_up(weights[None])[0]

    def added_up(self, weights: np.ndarray) -> np.ndarray:
        """Return the same with several weights per session, (n_sums, n_assets); `weights` (n_sums, n_sessions).

        There may be less weights than sessions: the later ones do not count.
        """
        return added_up(weights, self.held, self.traded, self.gross)

    def earned_by_item(self, n_sessions: int) -> np.ndarray:
        """Return what each asset contributed to the gross returns of the first sessions, (n_sessions, n_assets)."""
        return earned(self.held, self.traded, self.gross, slice(0, n_sessions))

    @property
    def gaps(self) -> Gaps | None:
        """Returns and tradability of its assets, for a parent; None where all could always be traded."""
        return self.held.gaps

    @property
    def full_gaps(self) -> Gaps:
        """The same, also where all could be traded."""
        shape = self.held.after.shape
        return self.held.gaps or Gaps(np.zeros(shape), np.ones(shape, bool))

    @property
    def has_shorts(self) -> bool:
        """Whether anything in it is held short after some session's trades."""
        return bool(np.min(self.held.after, initial=0.0) < 0)


@dataclass(frozen=True)
class Opened:
    """A block and its book, as a parent reads them."""

    block: Block
    """The sleeve's block."""
    book: Book
    """Its holdings by column of its layout, in the sessions of the block."""


@dataclass(frozen=True)
class Start:
    """State of a child before the partition, as far as its parent reads it."""

    live: bool
    """Whether it has taken a non-empty decision."""
    begun: bool
    """Whether its stream has begun."""
    book: np.ndarray
    """(n_columns,) its holdings after its last session."""
    invested: float
    """What `Block.invested` had after its last session, to the bit; 0 before its first."""
