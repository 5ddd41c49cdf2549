"""Incoming rows: what a source says of one table, each row with its number, so that a refusal can name it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from metabt.data.point_in_time.tables import COLUMNS, DATE, FLAG, NUMBER, ORDER, TEXT
from metabt.errors import DataError
from metabt.values.tables import Coded, Column, Table, concat

DATED = ("assets", "members", "schedules", "signals")
"""Tables whose rows have a date from which on they were known."""
OWN_DATE = {name: next(column for column in ORDER[name] if COLUMNS[name][column] == DATE) for name in COLUMNS}
"""Table -> the column that says from when on a row holds."""
_NOTHING = {DATE: np.datetime64("NaT", "D"), NUMBER: np.nan, FLAG: False}


@dataclass(frozen=True)
class Incoming:
    """Rows of one table as a source has them."""

    name: str
    """Which table, of COLUMNS."""
    columns: Table
    """Its columns, each (n_rows,), of the kinds in COLUMNS; nothing is -1, NaT or NaN."""
    rows: np.ndarray
    """(n_rows,) int64 number of each row in the source, from 1."""
    read: int
    """How many rows the source has."""
    duplicates: int = 0
    """How many of them repeated another and were dropped."""
    notes: tuple[str, ...] = ()
    """What was chosen or left out while reading, in sentences."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def take(self, rows: np.ndarray) -> Incoming:
        """Return the rows at `rows`, a mask or positions."""
        return replace(self, columns=taken(self.columns, rows), rows=self.rows[rows])

    def told(self, place: int) -> str:
        """Return which row one is, in words: its number, and what names it."""
        return told(self.name, self.columns, place, int(self.rows[place]))

    def refuse(self, bad: np.ndarray, said: str, cure: str) -> None:
        """Raise DataError where `bad`, (n_rows,) bool, has a row: the first of them, how many there are, the cure."""
        places = np.flatnonzero(bad)
        if len(places):
            more = f" ({len(places):,} such rows in all)" if len(places) > 1 else ""
            raise DataError(f"{self.told(places[0])}: {said}{more}; {cure}")


def told(name: str, columns: Table, place: int, row: int) -> str:
    """Return a row of a table in words; `row` is its number in the source, or 0 where it is stored already."""
    named = ", ".join(filter(None, (cell(columns[column], place) for column in ORDER[name] if column != "known_at")))
    return f"table '{name}', {f'row {row}' if row else 'a row that is stored'} ({named})"


def cell(column: Column, place: int) -> str:
    """Return one cell as text; empty where it is nothing."""
    if isinstance(column, Coded):
        code = column.codes[place]
        return "" if code < 0 else column.values[code]
    value = column[place]
    if column.dtype.kind == "M":
        return "" if np.isnat(value) else str(value)
    return "" if value != value else f"{value:g}"


def taken(table: Table, rows: np.ndarray) -> Table:
    """Return the rows of a table at `rows`, a mask or positions."""
    return {name: column.take(rows) if isinstance(column, Coded) else column[rows] for name, column in table.items()}


def empty_column(kind: str, n_rows: int) -> Column:
    """Return a column in which nothing stands."""
    if kind == TEXT:
        return Coded(np.full(n_rows, -1, np.int32), ())
    return np.full(n_rows, _NOTHING[kind])


def plain(column: Column) -> np.ndarray:
    """Return a column as numbers of which two are equal where its cells are, (n_rows,) int64."""
    if isinstance(column, Coded):
        return column.codes.astype(np.int64)
    if column.dtype.kind == "f":
        return np.where(np.isnan(column), np.nan, column + 0.0).view(np.int64)
    return column.astype(np.int64)


def groups(columns: Table, names: Iterable[str]) -> np.ndarray:
    """Return the number of each row's group, (n_rows,): rows of one group agree in all of the named columns."""
    keys = [plain(columns[name]) for name in names]
    n_rows = len(keys[0])
    order = np.lexsort(keys[::-1])
    starts = np.zeros(n_rows, np.bool_)
    for key in keys:
        starts[1:] |= key[order][1:] != key[order][:-1]
    found = np.empty(n_rows, np.int64)
    found[order] = np.cumsum(starts)
    return found


def together(stored: Table | None, incoming: Table) -> Table:
    """Return stored and incoming rows as one table, the stored ones first, their texts numbered alike."""
    return incoming if stored is None else concat([{name: stored[name] for name in incoming}, incoming])
