"""Table changes: which rows of what is dated beside prices differ between two snapshots, and who reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from metabt.data.point_in_time.cost_rates import EVERY
from metabt.data.point_in_time.event_digests import row_text
from metabt.data.point_in_time.tables import COLUMNS, DATE, NUMBER, ORDER, TEXT, DatedTable
from metabt.lakehouse.point_in_time.loading import load_point_in_time
from metabt.values.ranges import plural

SHOWN = 3
"""Names that a line lists at most."""


@dataclass(frozen=True)
class TableChange:
    """Rows of one table about one thing that differ: an asset, a universe or a rate."""

    dataset: str
    """The dataset."""
    table: str
    """Which table."""
    first: str
    """What the rows are about: the first column of ORDER."""
    date: np.datetime64
    """The earliest of their dates."""
    rows: int
    """How many differ; one that was restated is one."""


def table_changes(
    con: duckdb.DuckDBPyConnection, names: Iterable[str], one: int | None, other: int | None
) -> list[TableChange]:
    """Return what differs in the tables of some datasets between two snapshots.

    Parameters
    ----------
    con : an attached lakehouse
    names : datasets that it has at both
    one, other : numbers of the snapshots; None is the current one

    Raises
    ------
    StoreError
        For a snapshot that is gone, or rows that are not those that were ingested.
    """
    wanted = sorted(names)
    before, after = (load_point_in_time(con, wanted, at) for at in (one, other))
    found = []
    for name in wanted:
        for table in COLUMNS:
            pair = (before[name].tables.get(table), after[name].tables.get(table))
            differing = {row.key for row in changed_rows(*pair)}
            for first in sorted({key[0] for key in differing}):
                own = [key for key in differing if key[0] == first]
                found.append(TableChange(name, table, first, min(np.datetime64(key[1]) for key in own), len(own)))
    return found


@dataclass(frozen=True)
class ChangedRow:
    """One row of a table that differs."""

    key: tuple[str, str, str]
    """What it is about: the first column of ORDER, its date, and the rest of ORDER."""
    old: str | None
    """What it said, such as `last_date 2020-06-01, known_at 2019-06-03`; None where there was none."""
    new: str | None
    """What it says; None where there is none."""


def changed_rows(before: DatedTable | None, after: DatedTable | None) -> list[ChangedRow]:
    """Return the rows in which two states of a table differ, sorted; None is a table without rows."""
    old, new = ({} if each is None else _rows(each) for each in (before, after))
    keys = sorted(key for key in old.keys() | new.keys() if _same(old.get(key)) != _same(new.get(key)))
    return [ChangedRow(key, _said(old.get(key)), _said(new.get(key))) for key in keys]


def _same(place: tuple[DatedTable, int] | None) -> str | None:
    return None if place is None else row_text(*place)


def _said(place: tuple[DatedTable, int] | None) -> str | None:
    """Return what a row says beyond what it is about."""
    if place is None:
        return None
    table, row = place
    about = (ORDER[table.name][0], _dated(table))
    said = {name: _cell(table, name, row) for name in COLUMNS[table.name] if name not in about}
    return ", ".join(f"{name} {text}" for name, text in said.items() if text not in ("", "NaT", "nan")) or "nothing"


def _rows(table: DatedTable) -> dict[tuple[str, str, str], tuple[DatedTable, int]]:
    """Return (first column, date, the rest of its order) -> the row's place."""
    order = ORDER[table.name]
    first, dates = table.texts(order[0]), _dated(table)
    rest = [name for name in order[1:] if name != dates]
    found = {}
    for row in range(len(table)):
        key = (first.values[first.codes[row]], str(table.numbers(dates)[row]))
        found[(*key, "|".join(_cell(table, name, row) for name in rest))] = (table, row)
    return found


def _dated(table: DatedTable) -> str:
    """Return the column that dates a row."""
    return next(name for name in ORDER[table.name] if COLUMNS[table.name][name] == DATE)


def _cell(table: DatedTable, name: str, row: int) -> str:
    if COLUMNS[table.name][name] != TEXT:
        return str(table.numbers(name)[row].item() if COLUMNS[table.name][name] == NUMBER else table.numbers(name)[row])
    column = table.texts(name)
    return "" if column.codes[row] < 0 else column.values[column.codes[row]]


def reads_table(spec: Mapping[str, Any], change: TableChange) -> bool:
    """Return whether a sleeve of a resolved spec, as it is recorded, reads what changed."""
    if change.table == "rates":
        base = spec.get("currency")
        exchanged = base is not None and base in (change.first[3:6], change.first[6:9])  # fx:EURUSD
        hedged = spec.get("hedged")
        abroad = (
            change.first.isalpha() and len(change.first) == 3 if hedged is True else change.first in _values(hedged)
        )
        return exchanged or abroad or spec.get("cash", {}).get("rate") == change.first
    if change.table == "schedules":
        stated = spec.get("schedule")
        return isinstance(stated, Mapping) and stated.get("dates") == change.first
    if change.table == "costs" and "universe" not in spec:
        return True  # a meta sleeve trades what is beneath it
    if change.dataset != spec.get("dataset"):
        return False
    if change.table == "signals":
        return bool(spec.get("signal") == change.first)
    if change.table == "members":
        return (spec.get("drawn") or {}).get("members") == change.first
    of_hedge = bool(spec.get("hedged")) and change.table == "costs" and change.first.startswith("fx:")
    return of_hedge or change.first in (*spec["universe"], EVERY)


def _values(stated: Mapping[str, Any] | None) -> list[Any]:
    return [] if not stated else list(stated.values())


def told_tables(changes: Iterable[TableChange]) -> list[str]:
    """Return a line for each dataset and table that differs."""
    groups: dict[tuple[str, str], list[TableChange]] = {}
    for change in changes:
        groups.setdefault((change.dataset, change.table), []).append(change)
    lines = []
    for (dataset, table), own in groups.items():
        named = [f"{each.first} from {each.date}" for each in own[:SHOWN]]
        more = [f"and {len(own) - SHOWN} more"] if len(own) > SHOWN else []
        count = plural(sum(each.rows for each in own), "row")
        lines.append(f"table {table} of {dataset}: {count} ({', '.join([*named, *more])})")
    return lines
