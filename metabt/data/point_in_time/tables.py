"""Tables of what is dated beside prices: their columns, their order, and a table in memory.

1. `COLUMNS` is the contract: the columns of each table, and their kinds.
2. `ORDER` is what its rows are sorted by. No two rows may agree in all of it but its last column's restatements.
3. A `DatedTable` holds rows in that order, whichever way they came: equal rows give equal tables and equal digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np

from metabt.values.digests import array_digest, joint_digest
from metabt.values.tables import Coded, Table

TEXT, DATE, NUMBER, FLAG = "text", "date", "number", "flag"
"""Kinds of columns: Coded, datetime64[D] (NaT: none), float64 (NaN: none), bool."""

COLUMNS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "assets": {
            "asset": TEXT,
            "symbol": TEXT,
            "first_date": DATE,
            "last_date": DATE,
            "currency": TEXT,
            "known_at": DATE,
        },
        "actions": {"asset": TEXT, "ex_date": DATE, "kind": TEXT, "ratio": NUMBER, "cash": NUMBER, "into": TEXT},
        "members": {"universe": TEXT, "asset": TEXT, "first_date": DATE, "last_date": DATE, "known_at": DATE},
        "delistings": {"asset": TEXT, "date": DATE, "return": NUMBER, "kind": TEXT, "included": FLAG},
        "rates": {"name": TEXT, "date": DATE, "value": NUMBER, "day_count": NUMBER},
        "costs": {
            "asset": TEXT,
            "first_date": DATE,
            "commission_bp": NUMBER,
            "slippage_bp": NUMBER,
            "borrow_bp": NUMBER,
        },
        "schedules": {"name": TEXT, "date": DATE, "known_at": DATE},
        "signals": {"name": TEXT, "date": DATE, "asset": TEXT, "weight": NUMBER, "known_at": DATE},
    }
)
"""Table -> column -> kind."""

ORDER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "assets": ("asset", "first_date", "known_at"),
        "actions": ("asset", "ex_date", "kind", "into"),
        "members": ("universe", "asset", "first_date", "known_at"),
        "delistings": ("asset", "date"),
        "rates": ("name", "date"),
        "costs": ("asset", "first_date"),
        "schedules": ("name", "date", "known_at"),
        "signals": ("name", "date", "asset", "known_at"),
    }
)
"""Table -> the columns that its rows are sorted by, and that tell one row from another."""

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "actions": ("split", "stock", "cash", "spinoff", "merger"),
        "delistings": ("performance", "merger", "unknown"),
    }
)
"""Table -> what its column `kind` may say."""


@dataclass(frozen=True)
class DatedTable:
    """One table of what is dated beside the prices of a dataset, its rows in order."""

    name: str
    """Which table it is, of COLUMNS."""
    columns: Table
    """Its columns by name, each (n_rows,), in the order of COLUMNS."""

    @classmethod
    def of(cls, name: str, columns: Table) -> DatedTable:
        """Return the table of some columns, its rows sorted and their texts numbered in alphabetical order.

        Raises
        ------
        ValueError
            For columns that are missing, unknown or of unequal length.
        """
        wanted = COLUMNS[name]
        if set(columns) != set(wanted) or len({len(column) for column in columns.values()}) != 1:
            raise ValueError(f"table '{name}': columns {sorted(columns)} of one length wanted as {list(wanted)}")
        sorted_texts = {key: _sorted(columns[key]) for key in wanted}
        keys = [_numbers(sorted_texts[key]) for key in reversed(ORDER[name])]
        rows = np.lexsort(keys)
        return cls(
            name,
            {
                key: column.take(rows) if isinstance(column, Coded) else column[rows]
                for key, column in sorted_texts.items()
            },
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns[next(iter(COLUMNS[self.name]))])

    def texts(self, column: str) -> Coded:
        """Return a column of texts."""
        found = self.columns[column]
        assert isinstance(found, Coded)
        return found

    def numbers(self, column: str) -> np.ndarray:
        """Return a column of dates, numbers or flags, (n_rows,)."""
        found = self.columns[column]
        assert isinstance(found, np.ndarray)
        return found

    def take(self, rows: np.ndarray) -> DatedTable:
        """Return some rows alone, a mask or positions that ascend."""
        return DatedTable(
            self.name,
            {key: it.take(rows) if isinstance(it, Coded) else it[rows] for key, it in self.columns.items()},
        )

    def of_firsts(self, firsts: Iterable[str]) -> DatedTable:
        """Return the rows whose first column of ORDER is one of some texts."""
        kept = np.zeros(len(self), bool)
        for text in firsts:
            kept[self.rows_of(text)] = True
        return self.take(kept)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of its rows, whichever table they were taken from; NaN is NaN, whichever it is."""
        own = DatedTable.of(self.name, self.columns)  # texts that no row has any more are left out
        return joint_digest([self.name, *(text for each in own.columns.values() for text in _digests(each))])

    @cached_property
    def _bounds(self) -> dict[str, slice]:
        """The rows of each value of the first column of ORDER."""
        first = self.texts(ORDER[self.name][0])
        codes, starts = np.unique(first.codes, return_index=True)
        stops = [*starts[1:].tolist(), len(self)][: len(starts)]
        return {first.values[c]: slice(a, b) for c, a, b in zip(codes.tolist(), starts.tolist(), stops, strict=True)}

    def rows_of(self, text: str) -> slice:
        """Return the rows whose first column of ORDER (asset, universe or name) is `text`; none is an empty slice."""
        return self._bounds.get(text, slice(0, 0))

    @property
    def first_texts(self) -> tuple[str, ...]:
        """What the first column of ORDER has, sorted, each once."""
        return tuple(self._bounds)


def _digests(column: Coded | np.ndarray) -> tuple[str, ...]:
    if isinstance(column, Coded):
        return joint_digest(column.values), array_digest(column.codes.astype(np.int32))
    return (array_digest(np.where(np.isnan(column), np.nan, column) if column.dtype.kind == "f" else column),)


def _sorted(column: Coded | np.ndarray) -> Coded | np.ndarray:
    """Return texts with their distinct values sorted, of those that occur; anything else as it is."""
    if not isinstance(column, Coded):
        return column
    held = np.unique(column.codes)
    names = sorted({column.values[code] for code in held.tolist() if code >= 0})
    place = {name: number for number, name in enumerate(names)}
    lookup = np.array([place.get(value, -1) for value in column.values] + [-1], np.int32)
    return Coded(lookup[column.codes], tuple(names))


def _numbers(column: Coded | np.ndarray) -> np.ndarray:
    return column.codes if isinstance(column, Coded) else column


@dataclass(frozen=True)
class PointInTime:
    """What is dated beside the prices of one dataset."""

    tables: Mapping[str, DatedTable] = field(default_factory=dict)
    """Table -> its rows; a table without rows is left out."""
    adjusted: bool = True
    """Whether prices are adjusted for splits and distributions already; else `actions` make returns of them."""
    returns: bool = False
    """Whether some of the prices are levels that returns were compounded into: their size says nothing."""

    def __bool__(self) -> bool:
        """Return whether anything differs from adjusted prices alone."""
        return bool(self.tables) or not self.adjusted
