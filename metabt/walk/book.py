"""Book: a sleeve's holdings by (leaf beneath, asset), as fractions of its NAV.

A leaf keeps its holdings; a meta sleeve keeps its shares, and its book is looked through when rows of it are asked for
(metabt.walk.meta.book). Between trades a position only drifts, so what was held just before trading is kept for the
sessions in which something traded, and is elsewhere what is held after.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from metabt.walk.block import Assets, Block, Gaps


class Book(Protocol):
    """Holdings by column of a sleeve's layout."""

    def around(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return holdings just before and just after trading, each (n_rows, n_columns).

        `rows` are int64 sessions that never decrease; what is returned belongs to the caller.
        """

    def earned(self, weights: np.ndarray) -> np.ndarray:
        """Return `sum_t weights_t x_ta`, (n_assets,), with x what each physical asset earned it in session t."""

    @property
    def gaps(self) -> Gaps | None:
        """Returns and tradability of its columns, for a parent; None where all could always be traded."""

    @property
    def full_gaps(self) -> Gaps:
        """The same, also where all could be traded, for a parent that still carries positions from before."""


@dataclass(frozen=True)
class LeafBook:
    """The book of a leaf: a column per asset."""

    held: Assets
    """Its holdings."""
    traded: np.ndarray
    """(n_sessions,) bool: something traded."""

    def around(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return holdings just before and just after trading, each (n_rows, n_assets)."""
        after = self.held.after[rows]
        before, moved = after.copy(), self.traded[rows]
        before[moved] = self.held.before[self._ordinals[rows[moved]]]
        return before, after

    def earned(self, weights: np.ndarray) -> np.ndarray:
        """Return contributions of each asset to gross returns, added up with a weight per session, (n_assets,)."""
        return weights @ np.asarray(self.held.earned)

    @cached_property
    def _ordinals(self) -> np.ndarray:
        """(n_sessions,) int64 how many sessions traded before each that did."""
        return np.cumsum(self.traded) - 1

    @property
    def gaps(self) -> Gaps | None:
        """Returns and tradability of its assets, for a parent; None where all could always be traded."""
        return self.held.gaps

    @property
    def full_gaps(self) -> Gaps:
        """The same, also where all could be traded."""
        shape = self.held.after.shape
        return self.held.gaps or Gaps(np.zeros(shape), np.ones(shape, bool))


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
