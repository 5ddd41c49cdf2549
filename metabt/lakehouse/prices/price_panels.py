"""Prices out of the lakehouse: long rows become panels of sessions x assets.

1. The calendar is the dataset's own, whichever symbols are wanted; consecutive partitions may be chosen from it.
2. Symbols are joined to dense codes in SQL, dates become rows through a table of days.
3. The values are scattered into matrices, so rows may come in any order and with any gaps.
4. What each symbol enters the chosen partitions with is its last price in the last partition before them in which its
   digests say that it has one: no other file is opened.
5. What to read is worked out first, as a value that carries one digest of it all: it is small, and other processes can
   read it.
6. Whoever reads compares what came with that digest, which is of what ingestion recorded. A date that is no session, a
   price that is none, or any other bit is refused, with symbol, year and file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from metabt.data.dataset import FIELDS, Names
from metabt.data.facts import Facts, digest_of_prices, digests_of
from metabt.data.prices import Prices, observed_digests, partitions
from metabt.errors import DataError
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.damage import COPY, Damaged, damage
from metabt.lakehouse.prices.calendars import read_calendars
from metabt.lakehouse.prices.dataset_facts import Wanted, load_facts, read_digests
from metabt.lakehouse.prices.seals import BARS, INPUTS
from metabt.lakehouse.prices.snapshots import read_at
from metabt.values.buffers import to_numpy

Years = tuple[int, int]
"""First and last year to read."""

CODES = "(SELECT unnest($2::VARCHAR[]) AS symbol, generate_subscripts($2::VARCHAR[], 1) - 1 AS code)"
"""The wanted symbols and their positions."""
IN_YEARS = " AND date BETWEEN make_date($3, 1, 1) AND make_date($4, 12, 31)"
"""A condition on dates: the files of other years are not opened."""
WITH_BARS = f" AND ({' OR '.join(f'{field} IS NOT NULL' for field in BARS)})"
"""A condition on rows: most datasets have neither open, high nor low, and none of their rows is read then."""


@reported
def load_prices(con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None) -> dict[str, Prices]:
    """Return the prices of some datasets, all of their calendars.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    wanted : mapping
        Dataset -> symbols, or None for all that it has.
    at : int, optional
        Number of the snapshot to read; None is the current one.

    Returns
    -------
    dict of str to Prices
        By dataset, in the order of `wanted`.

    Raises
    ------
    ConfigError
        For a dataset or a symbol that the lakehouse does not have.
    StoreError
        For a snapshot that it does not have.
    """
    facts = load_facts(con, wanted, at)
    return {name: read_rows(con, known, slice(0, len(known.dates)), at) for name, known in facts.items()}


@reported
def read_rows(con: duckdb.DuckDBPyConnection, known: Facts, rows: slice, at: int | None = None) -> Prices:
    """Return a dataset's prices in some rows of its calendar.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    known : Facts
        What `load_facts` returned of the dataset, at the same snapshot.
    rows : slice
        Rows of its calendar that are whole partitions (calendar years).
    at : int, optional
        Number of the snapshot to read; None is the current one.

    Returns
    -------
    Prices
        The symbols of the facts, volumes where there are any, and the prices that symbols enter the rows with.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have.
    """
    return read_selection(con, selection(known, rows, known.symbols, FIELDS), at)


@dataclass(frozen=True)
class Selection:
    """What is to be read of a dataset, and which files hold it; nothing else is needed to read it."""

    dataset: str
    """The dataset's name."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D], whole partitions."""
    symbols: tuple[str, ...]
    """(n_assets,) sorted."""
    volume: bool
    """Whether volumes are read."""
    closed: bool
    """True when no more data will ever come."""
    years: Years | None
    """First and last year of the partitions; None for all there are."""
    entered: Mapping[int, np.ndarray]
    """Year before them -> positions of the symbols whose last price before them is in it."""
    digest: str | None
    """One digest of all that is selected, from what ingestion recorded; None reads unverified."""


def selection(known: Facts, rows: slice, symbols: Names, fields: Names) -> Selection:
    """Return what reads some rows of a dataset's calendar, whole partitions.

    Parameters
    ----------
    known : Facts
        What is known of the dataset.
    rows : slice
        Rows of its calendar.
    symbols : tuple
        Some of its symbols, sorted.
    fields : tuple
        Of close, which is always read; volume, where there is any; and returns. What the symbols enter the partitions
        with, which is in files before them, is always read: the digests cover it.
    """
    volume = "volume" in fields and known.has_volume
    dates = known.dates[rows]
    digest = known.digest_of(symbols, slice(*rows.indices(len(known.dates))), _digested(volume))
    if len(dates) == len(known.dates):
        return Selection(known.name, dates, symbols, volume, known.closed, None, {}, digest)
    first, last = (int(str(date)[:4]) for date in dates[[0, -1]])
    entered = _entered(known, symbols, first)
    return Selection(known.name, dates, symbols, volume, known.closed, (first, last), entered, digest)


@reported
def read_selection(con: duckdb.DuckDBPyConnection, chosen: Selection, at: int | None = None) -> Prices:
    """Return the selected prices, compared with their digest; columns and files that hold none of them are not read.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have, and for prices that are not those that were ingested.
    """
    fields = ("close", "volume") if chosen.volume else ("close",)
    rows = _observations(con, chosen.dataset, chosen.symbols, fields, at, chosen.years)
    placed = _positions(chosen.dates, rows["date"])
    if placed is None:
        raise different_prices(con, chosen, None, at)
    where = (placed, to_numpy(rows["code"]))
    shape = (len(chosen.dates), len(chosen.symbols))
    close = _scatter(shape, where, rows["close"])
    volume = _scatter(shape, where, rows["volume"]) if chosen.volume else None
    entry, entered = (None, None) if chosen.years is None else _entries(con, chosen, at)
    known = (chosen.dataset, chosen.dates, chosen.symbols, close, volume, chosen.closed)
    try:
        found = Prices(*known, entry, entered=entered)
    except DataError as error:  # ingestion refuses such prices
        raise different_prices(con, chosen, None, at) from error
    if chosen.digest is not None and chosen.digest != _digest(found):
        raise different_prices(con, chosen, found, at)
    return found


def _digest(found: Prices) -> str:
    return digest_of_prices(found, _digested(found.volume is not None))


def _digested(volume: bool) -> Names:
    return INPUTS if volume else INPUTS[:1]


def different_prices(
    con: duckdb.DuckDBPyConnection, chosen: Selection, found: Prices | None, at: int | None
) -> Damaged:
    """Return the error for prices that are not those that were ingested, `found`, or None where they are no prices."""
    cells: list[tuple[str, str, str]] = []
    if found is not None:
        recorded, own = read_digests(con, {chosen.dataset: chosen.symbols}, at)[chosen.dataset], digests_of(found)
        years, fields = {label for label, _ in partitions(found.dates)}, _digested(chosen.volume)
        covered = {cell for cell in recorded if cell[1] in years and cell[2] in fields} | set(own)
        cells = sorted(cell for cell in covered if recorded.get(cell) != own.get(cell))
    where = f", symbol {cells[0][0]}, {cells[0][1]}, {cells[0][2]}" if cells else ""
    more = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
    what = f"dataset '{chosen.dataset}'{where}{more}: the stored prices are not those that were ingested"
    return damage(con, what, ["prices"], COPY, at)


def read_prices(
    con: duckdb.DuckDBPyConnection, dataset: str, symbols: tuple[str, ...], at: int | None = None
) -> Prices:
    """Return the prices of some symbols, sorted, on the whole calendar.

    Digests are not read: ingestion writes them from these prices. The symbols must be in the dataset.
    """
    dates = read_calendars(con, [dataset], at)[dataset]
    closed = read_at(con, "SELECT closed FROM datasets{at} WHERE dataset = $1", at, dataset).fetchall() == [(True,)]
    volumes = read_at(con, "SELECT count(volume) FROM prices{at} WHERE dataset = $1", at, dataset).fetchall()
    return read_selection(con, Selection(dataset, dates, symbols, volumes != [(0,)], closed, None, {}, None), at)


def bar_digests(
    con: duckdb.DuckDBPyConnection, dataset: str, dates: np.ndarray, symbols: tuple[str, ...], at: int | None = None
) -> Iterator[tuple[str, str, str, str]]:
    """Yield symbol, partition, field and digest of what is stored of open, high and low on the whole calendar."""
    rows = _observations(con, dataset, symbols, BARS, at, None, WITH_BARS)
    placed = _positions(dates, rows["date"])
    for field in BARS:
        if placed is not None and rows[field].null_count < len(placed):
            values = _scatter((len(dates), len(symbols)), (placed, to_numpy(rows["code"])), rows[field])
            for label, column, digest in observed_digests(dates, values):
                yield symbols[column], label, field, digest


def _entered(known: Facts, symbols: tuple[str, ...], year: int) -> dict[int, np.ndarray]:
    """Return year -> positions of the symbols whose last price before `year` is in it."""
    newest: dict[str, int] = {}
    for symbol, partition, field in known.digests:
        if field == "close" and int(partition) < year:
            newest[symbol] = max(newest.get(symbol, 0), int(partition))
    seen = np.array([newest.get(symbol, 0) for symbol in symbols])
    return {year: np.flatnonzero(seen == year) for year in np.unique(seen[seen > 0]).tolist()}


def _entries(con: duckdb.DuckDBPyConnection, chosen: Selection, at: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return each symbol's last price before the selected years, and its date, (n_assets,); NaN, NaT without one."""
    entries, dates = np.full(len(chosen.symbols), np.nan), np.full(len(chosen.symbols), "NaT", "datetime64[D]")
    for year, codes in chosen.entered.items():
        symbols = tuple(chosen.symbols[code] for code in codes)
        rows = _observations(con, chosen.dataset, symbols, ("close",), at, (year, year))
        days = to_numpy(rows["date"])
        order = np.argsort(days, kind="stable")
        code, close = to_numpy(rows["code"])[order], to_numpy(rows["close"])[order]
        entries[codes[code]], dates[codes[code]] = close, days[order]  # the newest is written last
    return entries, dates


def _observations(
    con: duckdb.DuckDBPyConnection,
    dataset: str,
    symbols: tuple[str, ...],
    fields: tuple[str, ...],
    at: int | None,
    years: Years | None,
    more: str = "",
) -> pa.Table:
    columns = ", ".join(("date", "code", *fields))
    sql = f"SELECT {columns} FROM prices{{at}} JOIN {CODES} USING (symbol) WHERE dataset = $1"
    sql += IN_YEARS * (years is not None) + more
    return read_at(con, sql, at, dataset, symbols, *(years or ())).to_arrow_table()


def _positions(dates: np.ndarray, column: pa.ChunkedArray) -> np.ndarray | None:
    """Return the rows of the calendar on which dates are; None where one is no session."""
    days = to_numpy(column).astype(np.int64)
    if not len(dates) or not len(days):
        return None if len(days) else days
    calendar = dates.astype(np.int64)
    rows = np.full(int(calendar[-1] - calendar[0]) + 1, -1)
    rows[calendar - calendar[0]] = np.arange(len(calendar))
    if days.min() < calendar[0] or days.max() > calendar[-1]:
        return None
    found = rows[days - calendar[0]]
    return None if found.min() < 0 else found


def _scatter(shape: tuple[int, int], where: tuple[np.ndarray, np.ndarray], column: pa.ChunkedArray) -> np.ndarray:
    matrix = np.full(shape, np.nan)
    matrix[where] = to_numpy(column)
    return matrix
