"""Prices out of the lakehouse: long rows become panels of sessions x assets.

1. The calendar is the dataset's own, whichever symbols are wanted; whole years may be chosen from it.
2. Symbols are joined to dense codes in SQL, dates become rows through a table of days.
3. The values are scattered into matrices, so rows may come in any order and with any gaps.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.calendars import read_calendars
from metabt.lakehouse.facts import Facts, Wanted, load_facts
from metabt.lakehouse.outages import reported
from metabt.lakehouse.snapshots import read_at
from metabt.prices import Prices

Years = tuple[int, int]
"""First and last year to read."""

IN_YEARS = " AND date BETWEEN make_date($2, 1, 1) AND make_date($3, 12, 31)"
"""A condition on dates: the files of other years are not opened."""


@reported
def load_prices(
    con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None, years: Years | None = None
) -> dict[str, Prices]:
    """Return the panel of every wanted dataset.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    wanted : mapping
        Dataset -> symbols, or None for all that it has.
    at : int, optional
        Snapshot to read; the current one by default.
    years : (int, int), optional
        First and last year of the panels; all by default. What came before them is as if it had never been.

    Raises
    ------
    ConfigError
        For a dataset or a symbol that the lakehouse does not have.
    StoreError
        For a snapshot that it does not have.
    """
    # every symbol of a dataset with volume has a digest of it, so that a panel of some has the fields of all
    return {
        name: _panel(con, known, any(field == "volume" for _, _, field in known.digests), at, years)
        for name, known in load_facts(con, wanted, at).items()
    }


def read_prices(
    con: duckdb.DuckDBPyConnection,
    dataset: str,
    symbols: tuple[str, ...],
    at: int | None = None,
    years: Years | None = None,
) -> Prices:
    """Return the panel of known symbols, sorted, without asking digests: ingestion writes them from this panel."""
    dates = read_calendars(con, [dataset], at)[dataset]
    closed = read_at(con, "SELECT closed FROM datasets{at} WHERE dataset = $1", at, [dataset]).fetchall() == [(True,)]
    volumes = read_at(con, "SELECT count(volume) FROM prices{at} WHERE dataset = $1", at, [dataset]).fetchall()
    return _panel(con, Facts(dataset, dates, symbols, closed, {}), volumes != [(0,)], at, years)


def _panel(
    con: duckdb.DuckDBPyConnection, known: Facts, has_volume: bool, at: int | None, years: Years | None
) -> Prices:
    dates = known.dates if years is None else _within(known.dates, years)
    rows = _observations(con, known.name, known.symbols, at, years)
    where = (_positions(dates, rows["date"]), rows["code"].to_numpy())
    shape = (len(dates), len(known.symbols))
    close = _scatter(shape, where, rows["close"])
    volume = _scatter(shape, where, rows["volume"]) if has_volume else None
    return Prices(known.name, dates, known.symbols, close, volume, known.closed)


def _within(dates: np.ndarray, years: Years) -> np.ndarray:
    year = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    return dates[(year >= years[0]) & (year <= years[1])]


def _observations(
    con: duckdb.DuckDBPyConnection, dataset: str, symbols: tuple[str, ...], at: int | None, years: Years | None
) -> pa.Table:
    codes = pa.table({"symbol": pa.array(symbols, pa.string()), "code": np.arange(len(symbols), dtype=np.int32)})
    con.register("wanted_symbols", codes)
    sql = "SELECT date, code, close, volume FROM prices{at} JOIN wanted_symbols USING (symbol) WHERE dataset = $1"
    rows = read_at(con, sql + IN_YEARS * (years is not None), at, [dataset, *(years or ())]).to_arrow_table()
    con.unregister("wanted_symbols")
    return rows


def _positions(dates: np.ndarray, column: pa.ChunkedArray) -> np.ndarray:
    if not len(dates):
        return np.zeros(0, np.int64)
    calendar = dates.astype(np.int64)
    rows = np.zeros(int(calendar[-1] - calendar[0]) + 1, np.int64)
    rows[calendar - calendar[0]] = np.arange(len(calendar))
    return rows[column.combine_chunks().cast(pa.int32()).to_numpy(zero_copy_only=False) - calendar[0]]


def _scatter(shape: tuple[int, int], where: tuple[np.ndarray, np.ndarray], column: pa.ChunkedArray) -> np.ndarray:
    matrix = np.full(shape, np.nan)
    matrix[where] = column.combine_chunks().to_numpy(zero_copy_only=False)
    return matrix
