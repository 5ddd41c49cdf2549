"""Prices out of the lakehouse: long rows become panels of sessions x assets.

1. The calendar is the dataset's own, whichever symbols are wanted; consecutive partitions may be chosen from it.
2. Symbols are joined to dense codes in SQL, dates become rows through a table of days.
3. The values are scattered into matrices, so rows may come in any order and with any gaps.
4. What each symbol enters the chosen partitions with is its last price in the last partition before them in which its
   digests say that it has one: no other file is opened.
"""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from metabt.buffers import to_numpy
from metabt.lakehouse.calendars import read_calendars
from metabt.lakehouse.facts import Facts, Wanted, load_facts
from metabt.lakehouse.snapshots import read_at
from metabt.prices import Prices

Years = tuple[int, int]
"""First and last year to read."""

OF_SYMBOLS = (
    "SELECT date, code, close, volume FROM prices{at} JOIN "
    "(SELECT unnest($2::VARCHAR[]) AS symbol, generate_subscripts($2::VARCHAR[], 1) - 1 AS code) "
    "USING (symbol) WHERE dataset = $1"
)
IN_YEARS = " AND date BETWEEN make_date($3, 1, 1) AND make_date($4, 12, 31)"
"""A condition on dates: the files of other years are not opened."""


def load_prices(con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None) -> dict[str, Prices]:
    """Return the panel of every wanted dataset.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    wanted : mapping
        Dataset -> symbols, or None for all that it has.
    at : int, optional
        Snapshot to read; the current one by default.

    Raises
    ------
    ConfigError
        For a dataset or a symbol that the lakehouse does not have.
    StoreError
        For a snapshot that it does not have.
    """
    facts = load_facts(con, wanted, at)
    return {name: read_rows(con, known, slice(0, len(known.dates)), at) for name, known in facts.items()}


def read_rows(con: duckdb.DuckDBPyConnection, known: Facts, rows: slice, at: int | None = None) -> Prices:
    """Return a dataset's prices in some rows of its calendar, whole partitions, with what its symbols enter them with.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have.
    """
    # every symbol of a dataset with volume has a digest of it, so that a panel of some has the fields of all
    has_volume = any(field == "volume" for _, _, field in known.digests)
    if rows == slice(0, len(known.dates)):
        return _panel(con, known, has_volume, at)
    dates = known.dates[rows]
    first, last = (int(str(date)[:4]) for date in dates[[0, -1]])
    some = replace(known, dates=dates)
    return replace(_panel(con, some, has_volume, at, (first, last)), entry=_entries(con, known, first, at))


def read_prices(
    con: duckdb.DuckDBPyConnection, dataset: str, symbols: tuple[str, ...], at: int | None = None
) -> Prices:
    """Return the panel of known symbols, sorted, without asking digests: ingestion writes them from this panel."""
    dates = read_calendars(con, [dataset], at)[dataset]
    closed = read_at(con, "SELECT closed FROM datasets{at} WHERE dataset = $1", at, dataset).fetchall() == [(True,)]
    volumes = read_at(con, "SELECT count(volume) FROM prices{at} WHERE dataset = $1", at, dataset).fetchall()
    return _panel(con, Facts(dataset, dates, symbols, closed, {}), volumes != [(0,)], at)


def _entries(con: duckdb.DuckDBPyConnection, known: Facts, year: int, at: int | None) -> np.ndarray:
    """Return each symbol's last price before a year, (n_assets,), NaN where it had none."""
    newest: dict[str, int] = {}
    for symbol, partition, field in known.digests:
        if field == "close" and int(partition) < year:
            newest[symbol] = max(newest.get(symbol, 0), int(partition))
    by_year: dict[int, list[int]] = {}
    for code, symbol in enumerate(known.symbols):
        if symbol in newest:
            by_year.setdefault(newest[symbol], []).append(code)
    entries = np.full(len(known.symbols), np.nan)
    for seen, codes in by_year.items():
        symbols = tuple(known.symbols[code] for code in codes)
        rows = _observations(con, known.name, symbols, at, (seen, seen))
        order = np.argsort(to_numpy(rows["date"]), kind="stable")
        seen_of, close = to_numpy(rows["code"])[order], to_numpy(rows["close"])[order]
        entries[np.array(codes)[seen_of]] = close  # the newest is written last
    return entries


def _panel(
    con: duckdb.DuckDBPyConnection, known: Facts, has_volume: bool, at: int | None, years: Years | None = None
) -> Prices:
    rows = _observations(con, known.name, known.symbols, at, years)
    where = (_positions(known.dates, rows["date"]), to_numpy(rows["code"]))
    shape = (len(known.dates), len(known.symbols))
    close = _scatter(shape, where, rows["close"])
    volume = _scatter(shape, where, rows["volume"]) if has_volume else None
    return Prices(known.name, known.dates, known.symbols, close, volume, known.closed)


def _observations(
    con: duckdb.DuckDBPyConnection, dataset: str, symbols: tuple[str, ...], at: int | None, years: Years | None
) -> pa.Table:
    sql = OF_SYMBOLS + IN_YEARS * (years is not None)
    return read_at(con, sql, at, dataset, symbols, *(years or ())).to_arrow_table()


def _positions(dates: np.ndarray, column: pa.ChunkedArray) -> np.ndarray:
    if not len(dates):
        return np.zeros(0, np.int64)
    calendar = dates.astype(np.int64)
    rows = np.zeros(int(calendar[-1] - calendar[0]) + 1, np.int64)
    rows[calendar - calendar[0]] = np.arange(len(calendar))
    return rows[to_numpy(column).astype(np.int64) - calendar[0]]


def _scatter(shape: tuple[int, int], where: tuple[np.ndarray, np.ndarray], column: pa.ChunkedArray) -> np.ndarray:
    matrix = np.full(shape, np.nan)
    matrix[where] = to_numpy(column)
    return matrix
