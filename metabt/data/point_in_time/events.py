"""Events: the returns of a dataset that are more than a ratio of two prices, and where an asset ends.

They are few, so each is kept by its cell: a session, an asset, and the return of the session. All other returns follow
from prices. Where an asset ends, what is held of it is closed after that return, for good. Of an end whose return
nobody stated, whoever holds the asset says by its kind what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.data.point_in_time.tables import KINDS
from metabt.values.lazy_property import lazy_property

ENDS: tuple[str, ...] = KINDS["delistings"]
"""Kinds of ends whose return may be missing, by code."""
STATED = -1
"""Code of an event whose return is known."""


@dataclass(frozen=True)
class Events:
    """Events of one dataset, by session, then by asset."""

    rows: np.ndarray
    """(n_events,) int64 sessions, never decreasing."""
    columns: np.ndarray
    """(n_events,) int64 assets, increasing within a session."""
    returns: np.ndarray
    """(n_events,) float64 simple returns of the session, at least -1."""
    ends: np.ndarray
    """(n_events,) bool: the asset ends with this session."""
    missing: np.ndarray
    """(n_events,) int8 position in ENDS of what ended without a stated return, which is to be compounded; or STATED."""

    @classmethod
    def none(cls) -> Events:
        """Return no events."""
        return cls.of([], [], [], [], [])

    @classmethod
    def of(
        cls,
        rows: Sequence[int] | np.ndarray,
        columns: Sequence[int] | np.ndarray,
        returns: Sequence[float] | np.ndarray,
        ends: Sequence[bool] | np.ndarray,
        missing: Sequence[int] | np.ndarray,
    ) -> Events:
        """Return events in order, of cells that come in any."""
        at, of_assets = np.asarray(rows, np.int64), np.asarray(columns, np.int64)
        order = np.lexsort([of_assets, at])
        given = (
            at,
            of_assets,
            np.asarray(returns, np.float64),
            np.asarray(ends, bool),
            np.asarray(missing, np.int8),
        )
        found = tuple(array[order] for array in given)
        for array in found:
            array.flags.writeable = False
        return cls(*found)

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.rows)

    @lazy_property
    def endings(self) -> Events:
        """Those with which an asset ends: the few of which more is to be known than the return."""
        kept = self.ends | (self.missing != STATED)
        return self if kept.all() else Events(*(each[kept] for each in self._columns))

    @property
    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.rows, self.columns, self.returns, self.ends, self.missing

    @property
    def matrix(self) -> np.ndarray:
        """Its fields in the order of `of`, (5, n_events) float64, which holds each of them to the bit."""
        return np.array(self._columns, np.float64)

    def within(self, rows: slice) -> Events:
        """Return the events of some consecutive sessions, counted from the first of them."""
        first, stop = np.searchsorted(self.rows, [rows.start, rows.stop]).tolist()
        chosen = slice(first, stop)
        return Events(
            self.rows[chosen] - rows.start,
            self.columns[chosen],
            self.returns[chosen],
            self.ends[chosen],
            self.missing[chosen],
        )

    def select(self, columns: np.ndarray, n_assets: int) -> Events:
        """Return the events of some of `n_assets` assets, (n_chosen,) increasing positions, which number them anew."""
        place = np.full(n_assets, -1, np.int64)
        place[columns] = np.arange(len(columns))
        kept = place[self.columns] >= 0
        return Events(
            self.rows[kept], place[self.columns[kept]], self.returns[kept], self.ends[kept], self.missing[kept]
        )

    def ended(self, n_sessions: int, n_assets: int) -> np.ndarray | None:
        """Return where assets end, (n_sessions, n_assets) bool; None where none does."""
        if not self.ends.any():
            return None
        found = np.zeros((n_sessions, n_assets), bool)
        found[self.rows[self.ends], self.columns[self.ends]] = True
        return found


def join_events(parts: Sequence[tuple[int, Events | None]]) -> Events | None:
    """Return the events of consecutive parts, given how many sessions each has; None where no part knows of any."""
    if all(events is None for _, events in parts):
        return None
    first, moved = 0, []
    for n_sessions, events in parts:
        if events is not None:
            moved.append((events.rows + first, events.columns, events.returns, events.ends, events.missing))
        first += n_sessions
    return Events.of(*(np.concatenate(each) for each in zip(*moved, strict=True)))
