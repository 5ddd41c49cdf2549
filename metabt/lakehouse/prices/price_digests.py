"""Digests of stored prices, which keys of cached results are made of; ingestion keeps them up to date.

1. A partition's digest covers its own observations and the price each symbol entered it with, so a correction may
   change the digest of a later partition: every partition of a touched symbol is digested anew.
2. Whether a dataset has volume decides which fields are digested: when that changes, every symbol is touched.
3. Open, high and low have digests of the dates and values that were observed.
4. Only the rows of `digests` that differ are written; then `symbols` has a seal of each touched symbol's.
5. What is stored already is compared with its digests first, by `check_stored`, and partitions before the first
   incoming date once more, with those that come out: new digests must not be made of damaged prices.
6. `dataset_seals` are the digests of a dataset's calendar and of its rows in `symbols`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter

import duckdb
import pyarrow as pa

from metabt.lakehouse.catalog.damage import COPY, Damaged, damage
from metabt.lakehouse.catalog.schema import SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.prices.calendars import read_calendars
from metabt.lakehouse.prices.dataset_facts import dataset_symbols, load_facts, read_datasets, sound_calendars
from metabt.lakehouse.prices.price_panels import bar_digests, read_prices, read_rows
from metabt.lakehouse.prices.seals import BARS, INPUTS, calendar_seal, cells_seal, contents_seal
from metabt.values.buffers import from_texts

Row = tuple[str, str, str, str]
FIRST = date(1, 1, 1)
"""What no date is before."""


def check_stored(con: duckdb.DuckDBPyConnection, dataset: str, symbols: Iterable[str], first: date) -> None:
    """Raise StoreError unless what is stored of symbols, from the partition of a date on, is what was ingested."""
    held = dataset_symbols(con).get(dataset, ())
    some = tuple(sorted(set(symbols) & set(held)))
    if not some:
        sound_calendars(con, read_datasets(con, [dataset]))
        return
    known = load_facts(con, {dataset: some})[dataset]
    rows = [part for label, part in known.partitions.items() if label >= _year(first)]
    if rows:
        read_rows(con, known, slice(rows[0].start, rows[-1].stop))
    recorded = {row for row in _stored(con, dataset) if row[0] in some and row[2] in BARS}
    if recorded and recorded != set(bar_digests(con, dataset, known.dates, some)):
        raise _different(con, dataset, "open, high or low")


def replace_digests(con: duckdb.DuckDBPyConnection, dataset: str, touched: set[str], first: date) -> None:
    """Recompute the digests of the touched symbols from the stored prices, and write those that differ.

    Raises
    ------
    StoreError
        Where a digest changes that no price from the date `first` on can have changed.
    """
    stored, given = _stored(con, dataset), touched
    fresh = _computed(con, dataset, touched)
    untouched = {row[0] for row in stored} - touched
    if untouched and _has_volume(stored) != _has_volume(fresh):
        touched = touched | untouched
        fresh = _computed(con, dataset, touched)
    outdated = {row for row in stored if row[0] in touched} - fresh
    if any(row[2] != "volume" and (row[1] < _year(first) or row[0] not in given) for row in outdated):
        raise _different(con, dataset, "prices")
    _delete(con, dataset, outdated)
    _append(con, dataset, fresh - stored)
    _seal(con, dataset, touched, fresh)


def add_digests(con: duckdb.DuckDBPyConnection, dataset: str, rows: Iterable[Row]) -> None:
    """Write the digests of a dataset that has none yet, sorted."""
    fresh = list(rows)
    insert(con, "digests", _table(dataset, fresh))
    seals: dict[str, list[str]] = {"symbol": [], "inputs": [], "bars": []}
    for symbol, own in groupby(fresh, itemgetter(0)):
        cells: dict[bool, list[tuple[str, str, str]]] = {True: [], False: []}
        for _, partition, field, digest in own:
            cells[field in INPUTS].append((partition, field, digest))
        for name, text in zip(seals, (symbol, cells_seal(cells[True]), cells_seal(cells[False])), strict=True):
            seals[name].append(text)
    columns = {"dataset": [dataset] * len(seals["symbol"]), **seals}
    insert(con, "symbols", pa.table({name: from_texts(texts) for name, texts in columns.items()}))


def dataset_seals(con: duckdb.DuckDBPyConnection, dataset: str) -> dict[str, str]:
    """Return the columns `calendar` and `contents` of a dataset's row in `datasets`, from its other tables."""
    rows = execute(con, "SELECT symbol, inputs, bars FROM symbols WHERE dataset = $1", dataset).fetchall()
    contents = contents_seal({symbol: (inputs, bars) for symbol, inputs, bars in rows})
    return {"calendar": calendar_seal(read_calendars(con, [dataset])[dataset]), "contents": contents}


def _computed(con: duckdb.DuckDBPyConnection, dataset: str, symbols: set[str]) -> set[Row]:
    wanted = tuple(sorted(symbols))
    panel = read_prices(con, dataset, wanted)
    return {*panel.digests(), *bar_digests(con, dataset, panel.dates, wanted)}


def _stored(con: duckdb.DuckDBPyConnection, dataset: str) -> set[Row]:
    sql = "SELECT symbol, partition, field, digest FROM digests WHERE dataset = $1"
    return set(execute(con, sql, dataset).fetchall())


def _seal(con: duckdb.DuckDBPyConnection, dataset: str, symbols: set[str], rows: set[Row]) -> None:
    """Write the rows of `symbols`, whose cells are `rows`; a symbol that has none is no longer there."""
    cells: dict[tuple[str, bool], list[tuple[str, str, str]]] = {}
    for symbol, partition, field, digest in rows:
        cells.setdefault((symbol, field in INPUTS), []).append((partition, field, digest))
    held = sorted({row[0] for row in rows} & symbols)
    seals = [[cells_seal(cells.get((symbol, inputs), ())) for symbol in held] for inputs in (True, False)]
    sql = "DELETE FROM symbols WHERE dataset = $1 AND list_contains($2::VARCHAR[], symbol)"
    execute(con, sql, dataset, sorted(symbols))
    columns = {"dataset": [dataset] * len(held), "symbol": held, "inputs": seals[0], "bars": seals[1]}
    if held:
        insert(con, "symbols", pa.table(columns))


def _different(con: duckdb.DuckDBPyConnection, dataset: str, what: str) -> Damaged:
    text = f"dataset '{dataset}': stored {what} are not those that were ingested, nothing was written"
    return damage(con, text, ["prices"], COPY)


def _year(day: date) -> str:
    return f"{day.year:04}"


def _has_volume(rows: set[Row]) -> bool:
    return any(field == "volume" for _, _, field, _ in rows)


def _delete(con: duckdb.DuckDBPyConnection, dataset: str, rows: set[Row]) -> None:
    if rows:
        con.register("outdated", _table(dataset, sorted(rows)))
        sql = (
            "DELETE FROM digests WHERE dataset = $1 "
            "AND (symbol, partition, field) IN (SELECT (symbol, partition, field) FROM outdated)"
        )
        execute(con, sql, dataset)
        con.unregister("outdated")


def _append(con: duckdb.DuckDBPyConnection, dataset: str, rows: set[Row]) -> None:
    if rows:
        insert(con, "digests", _table(dataset, sorted(rows)))


def _table(dataset: str, rows: Sequence[Row]) -> pa.Table:
    columns = ([dataset] * len(rows), *zip(*rows, strict=True))
    return pa.table([from_texts(column) for column in columns], names=list(SCHEMA["digests"]))
