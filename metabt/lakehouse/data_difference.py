"""Data difference: what became of the data between two snapshots, observation by observation and row by row.

1. Datasets that came or went, and facts of them that were stated anew.
2. Closes and volumes of the symbols whose digests differ: `corrected`, `filled in` or `taken away`, with the value
   before and after. Both sides are compared with what ingestion recorded.
3. Sessions after the last one there was are an append: they are counted, not listed.
4. Rows of what is dated beside prices: `row added`, `row gone` or `row changed`.
5. The stored runs that read what has changed since (metabt.lakehouse.touched_runs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from metabt.data.point_in_time.tables import COLUMNS
from metabt.data.prices import Prices
from metabt.errors import ConfigError
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.point_in_time.loading import load_point_in_time
from metabt.lakehouse.point_in_time.table_changes import ChangedRow, changed_rows
from metabt.lakehouse.prices.as_of import AsOf, as_of, snapshot_times
from metabt.lakehouse.prices.calendars import read_calendars
from metabt.lakehouse.prices.dataset_facts import chosen, dataset_symbols, read_datasets
from metabt.lakehouse.prices.price_panels import load_prices
from metabt.lakehouse.prices.snapshot_difference import changed_inputs
from metabt.lakehouse.prices.snapshots import snapshot
from metabt.values.ranges import plural

AT_ONCE = 256
"""Symbols whose prices are read at once."""
FACTS = ("closed", "panel", "adjusted")
"""What is stated of a dataset as a whole."""
DIFFERENCE_COLUMNS = ("what", "dataset", "name", "date", "field", "old", "new")
"""Columns of a difference as rows."""
Row = tuple[Any, ...]


@dataclass(frozen=True)
class PriceRows:
    """Observations of one symbol in one field that differ in one way."""

    dataset: str
    """The dataset's name."""
    symbol: str
    """The symbol."""
    field: str
    """close or volume."""
    kind: str
    """corrected, filled in or taken away."""
    dates: np.ndarray
    """(n,) datetime64[D], ascending."""
    old: np.ndarray
    """(n,) float64 before; NaN where there was none."""
    new: np.ndarray
    """(n,) float64 after; NaN where there is none."""


@dataclass(frozen=True)
class TableRows:
    """Rows of one table of one dataset that differ."""

    dataset: str
    """The dataset's name."""
    table: str
    """Which table."""
    rows: tuple[ChangedRow, ...]
    """The rows, sorted."""


@dataclass(frozen=True)
class Appended:
    """Sessions that a dataset went on for."""

    dataset: str
    """The dataset's name."""
    dates: np.ndarray
    """(n,) datetime64[D], ascending."""


@dataclass(frozen=True)
class StatedAnew:
    """A dataset that came or went, or a fact of it."""

    dataset: str
    """The dataset's name."""
    fact: str
    """dataset, closed, panel or adjusted."""
    old: str | None
    """What it was; None where there was none."""
    new: str | None
    """What it is; None where there is none."""


@dataclass(frozen=True)
class Changes:
    """What differs between the data of two snapshots."""

    stated: tuple[StatedAnew, ...]
    """Datasets as a whole."""
    appended: tuple[Appended, ...]
    """Sessions after the last there was, by dataset."""
    prices: tuple[PriceRows, ...]
    """Observations up to then, by dataset, symbol, field and kind."""
    tables: tuple[TableRows, ...]
    """Rows beside them, by dataset and table."""

    def rows(self) -> Iterator[Row]:
        """Yield a row under DIFFERENCE_COLUMNS for each thing that differs; of an append one for each dataset."""
        for fact in self.stated:
            yield "dataset", fact.dataset, None, None, fact.fact, fact.old, fact.new
        for more in self.appended:
            yield "appended", more.dataset, None, more.dates[0].item(), "sessions", None, len(more.dates)
        yield from self.price_rows()
        yield from self.table_rows()

    def price_rows(self) -> Iterator[Row]:
        """Yield those of observations."""
        for each in self.prices:
            for day, old, new in zip(each.dates.tolist(), each.old.tolist(), each.new.tolist(), strict=True):
                yield each.kind, each.dataset, each.symbol, day, each.field, _number(old), _number(new)

    def table_rows(self) -> Iterator[Row]:
        """Yield those of what is dated beside prices."""
        for each in self.tables:
            for row in each.rows:
                kind = "row added" if row.old is None else "row gone" if row.new is None else "row changed"
                day = np.datetime64(row.key[1], "D").item()
                yield kind, each.dataset, row.key[0], day, each.table, row.old, row.new

    def lines(self) -> list[str]:
        """Return what differs in words, counted: datasets, sessions, observations by field and kind, rows by table."""
        found = []
        for fact in self.stated:
            change = f"{fact.fact}: {fact.old} -> {fact.new}"
            if fact.fact == "dataset":
                change = f"is new, {fact.new}" if fact.old is None else f"is gone, {fact.old}"
            found.append(f"{fact.dataset}: {change}")
        for more in self.appended:
            days = f"{more.dates[0]} to {more.dates[-1]}" if len(more.dates) > 1 else f"{more.dates[0]}"
            found.append(f"{more.dataset}: {plural(len(more.dates), 'session')} appended: {days}")
        groups: dict[tuple[str, str, str], list[PriceRows]] = {}
        for each in self.prices:
            groups.setdefault((each.dataset, each.field, each.kind), []).append(each)
        for (dataset, field, kind), own in groups.items():
            count = plural(sum(len(each.dates) for each in own), f"{field} observation")
            first, last = min(each.dates[0] for each in own), max(each.dates[-1] for each in own)
            found.append(f"{dataset}: {count} of {plural(len(own), 'symbol')} {kind}: {first} to {last}")
        for table in self.tables:
            found.append(f"{table.dataset}: {plural(len(table.rows), 'row')} of table {table.table}")
        return found


def endpoints(con: duckdb.DuckDBPyConnection, one: Any, other: Any = None) -> tuple[AsOf, AsOf]:
    """Return the two snapshots that numbers or days mean; None for the second is now.

    Raises
    ------
    ConfigError
        For what means no snapshot, and for two in the wrong order.
    StoreError
        For snapshots that have expired.
    """
    before = as_of(con, one)
    newest = snapshot(con)
    after = AsOf(newest, snapshot_times(con)[newest], "now") if other is None else as_of(con, other)
    if before.snapshot > after.snapshot:
        raise ConfigError(f"{before} is later than {after}; state the earlier one first")
    return before, after


@reported
def data_changes(con: duckdb.DuckDBPyConnection, before: int, after: int, dataset: str | None = None) -> Changes:
    """Return what differs between the data of two snapshots.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    before, after : int
        Numbers of the earlier and the later snapshot.
    dataset : str, optional
        One dataset alone; None is all.

    Raises
    ------
    ConfigError
        For a dataset that neither has.
    StoreError
        For a snapshot that is gone, and data that are not those that were ingested.
    """
    held = [dataset_symbols(con, at) for at in (before, after)]
    if dataset is not None:
        chosen(held[0] | held[1], dataset, None)
        held = [{name: known for name, known in side.items() if name == dataset} for side in held]
    shared = sorted(held[0].keys() & held[1].keys())
    gone, come = (sorted(one.keys() - other.keys()) for one, other in (held, held[::-1]))
    stated = [StatedAnew(name, "dataset", _size(held[0], name), None) for name in gone]
    stated += [StatedAnew(name, "dataset", None, _size(held[1], name)) for name in come]
    rows = [read_datasets(con, shared, at) for at in (before, after)]
    for name in shared:
        old, new = (side[name] for side in rows)
        stated += [StatedAnew(name, key, str(old[key]), str(new[key])) for key in FACTS if old[key] != new[key]]
    appended, prices, tables = list[Appended](), list[PriceRows](), list[TableRows]()
    for name in shared:
        if rows[0][name]["digest"] == rows[1][name]["digest"]:
            continue
        days, later = (read_calendars(con, [name], at)[name] for at in (before, after))
        appended += [Appended(name, later[later > days[-1]])] if later[-1] > days[-1] else []
        prices += observation_changes(con, name, None, before, after)
        one, other = (load_point_in_time(con, [name], at)[name].tables for at in (before, after))
        for table in COLUMNS:
            changed = changed_rows(one.get(table), other.get(table))
            tables += [TableRows(name, table, tuple(changed))] if changed else []
    return Changes(tuple(stated), tuple(appended), tuple(prices), tuple(tables))


def _size(held: Mapping[str, Sequence[str]], name: str) -> str:
    return plural(len(held[name]), "symbol")


def observation_changes(
    con: duckdb.DuckDBPyConnection, name: str, symbols: tuple[str, ...] | None, before: int, after: int
) -> list[PriceRows]:
    """Return which observations of a dataset differ between two snapshots that have it, up to its last session before.

    `symbols` are some of it; None is all.
    """
    last = read_calendars(con, [name], before)[name][-1]
    held = [frozenset(dataset_symbols(con, at)[name]) for at in (before, after)]
    touched = sorted({cell.symbol for cell in changed_inputs(con, {name: symbols}, before, after)})
    found: list[PriceRows] = []
    for start in range(0, len(touched), AT_ONCE):
        some = touched[start : start + AT_ONCE]
        sides = [
            _panel(con, name, tuple(it for it in some if it in own), at)
            for own, at in zip(held, (before, after), strict=True)
        ]
        for symbol in some:
            for field in ("close", "volume"):
                found += _differing(name, symbol, field, [_observed(side, field, symbol, last) for side in sides])
    return found


def _panel(con: duckdb.DuckDBPyConnection, name: str, symbols: tuple[str, ...], at: int) -> Prices | None:
    return load_prices(con, {name: symbols}, at)[name] if symbols else None


def _observed(panel: Prices | None, field: str, symbol: str, last: np.datetime64) -> dict[Any, float]:
    """Return date -> observation of a symbol, up to a last date."""
    values = None if panel is None or symbol not in panel.symbols else getattr(panel, field)
    if panel is None or values is None:
        return {}
    own = values[:, panel.symbols.index(symbol)]
    seen = ~np.isnan(own) & (panel.dates <= last)
    days = panel.dates[seen].astype("datetime64[D]").astype(np.int64)
    return dict(zip(days.tolist(), own[seen].tolist(), strict=True))


def _differing(name: str, symbol: str, field: str, sides: Sequence[dict[Any, float]]) -> list[PriceRows]:
    old, new = sides
    days: dict[str, list[int]] = {
        "corrected": sorted(day for day in old.keys() & new.keys() if old[day] != new[day]),
        "filled in": sorted(new.keys() - old.keys()),
        "taken away": sorted(old.keys() - new.keys()),
    }
    return [
        PriceRows(
            *(name, symbol, field, kind),
            np.array(own, np.int64).astype("datetime64[D]"),
            *(np.array([side.get(day, np.nan) for day in own]) for side in (old, new)),
        )
        for kind, own in days.items()
        if own
    ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
