"""Table changes: which rows of what is dated beside prices differ between two snapshots, and who reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from metabt.data.point_in_time.cost_rates import EVERY
from metabt.data.point_in_time.event_digests import row_text
from metabt.data.point_in_time.tables import COLUMNS, DATE, ORDER, DatedTable
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
            old, new = ({} if each is None else _rows(each) for each in pair)
            differing = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
            for first in sorted({key[0] for key in differing}):
                own = [key for key in differing if key[0] == first]
                found.append(TableChange(name, table, first, min(np.datetime64(key[1]) for key in own), len(own)))
    return found


def _rows(table: DatedTable) -> dict[tuple[str, str, str], str]:
    """Return (first column, date, the rest of its order) -> the row as text."""
    order = ORDER[table.name]
    first, dates = table.texts(order[0]), next(name for name in order if COLUMNS[table.name][name] == DATE)
    rest = [name for name in order[1:] if name != dates]
    found = {}
    for row in range(len(table)):
        key = (first.values[first.codes[row]], str(table.numbers(dates)[row]))
        found[(*key, "|".join(_cell(table, name, row) for name in rest))] = row_text(table, row)
    return found


def _cell(table: DatedTable, name: str, row: int) -> str:
    if COLUMNS[table.name][name] == DATE:
        return str(table.numbers(name)[row])
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
    if change.table == "costs" and "universe" not in spec:
        return True  # a meta sleeve trades what is beneath it
    if change.dataset != spec.get("dataset"):
        return False
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
