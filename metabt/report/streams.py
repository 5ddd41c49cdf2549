"""Streams: the table `returns` by sleeve, also on the sessions of the root's book.

A root's book has a row for every session of any dataset beneath it, so that each sleeve's sessions are among them. A
sleeve begins at its own first trade; on sessions of others it earns nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metabt.report.reading import numbers
from metabt.values.tables import Coded, Table


@dataclass(frozen=True)
class Streams:
    """The table `returns`, by sleeve."""

    table: Table
    """The rows of every sleeve in the order of time."""
    root: str
    """The root's path."""

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        column = self.table["path"]
        assert isinstance(column, Coded)
        order = np.argsort(column.codes, kind="stable")
        stops = np.searchsorted(column.codes[order], np.arange(len(column.values) + 1))
        return {path: order[stops[code] : stops[code + 1]] for code, path in enumerate(column.values)}

    @property
    def paths(self) -> list[str]:
        """Paths that have a stream: sleeves, and the benchmark if there is one."""
        return [path for path, rows in self._rows.items() if len(rows)]

    @cached_property
    def dates(self) -> np.ndarray:
        """(n_sessions,) sessions of the root's stream."""
        return self.own(self.root, "date")

    def own(self, path: str, column: str) -> np.ndarray:
        """Return a column of a sleeve's stream on its own sessions."""
        return numbers(self.table, column)[self._rows.get(path, np.empty(0, np.int64))]

    def places(self, path: str) -> np.ndarray:
        """Return the rows of the root's stream on a sleeve's sessions; 0 for those before the root began."""
        return np.searchsorted(self.dates, self.own(path, "date"))

    def on_root(self, path: str, column: str) -> np.ndarray:
        """Return a column of a sleeve's stream on the root's sessions, 0 on those that are not its own."""
        values, dates = self.own(path, column), self.own(path, "date")
        if np.array_equal(dates, self.dates):  # as most are
            return values
        places = np.searchsorted(self.dates, dates)
        kept = np.flatnonzero(places < len(self.dates))
        kept = kept[self.dates[places[kept]] == dates[kept]]
        whole = np.zeros(len(self.dates))
        whole[places[kept]] = values[kept]
        return whole

    def fall(self, path: str) -> np.ndarray:
        """Return a sleeve's drawdown on its own sessions, at most 0; its NAV was 1 before the first."""
        return fall(self.own(path, "nav"))


def fall(nav: np.ndarray) -> np.ndarray:
    """Return the drawdown of a NAV that was 1 before its first session, at most 0."""
    return nav / np.maximum(np.maximum.accumulate(nav), 1.0) - 1.0
