"""Prices out of the lakehouse: long rows become panels of sessions x assets.

1. The calendar is the dataset's own, whichever symbols are wanted.
2. Symbols are joined to dense codes in SQL, dates become rows through a table of days.
3. The values are scattered into matrices, so rows may come in any order and with any gaps.
4. `stored_digests` answers from the digests that ingestion wrote, without reading a price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from metabt.errors import ConfigError, StoreError, nearest
from metabt.panel import Panel, combine_digests

Wanted = Mapping[str, tuple[str, ...] | None]


def load_panels(con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None) -> dict[str, Panel]:
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
    known = dataset_symbols(con, at)
    return {name: read_panel(con, name, chosen(known, name, symbols), at) for name, symbols in wanted.items()}


def dataset_symbols(con: duckdb.DuckDBPyConnection, at: int | None = None) -> dict[str, tuple[str, ...]]:
    """Return dataset -> its symbols, sorted."""
    found: dict[str, list[str]] = {}
    for dataset, symbol in _read(con, "SELECT DISTINCT dataset, symbol FROM digests{at}", at).fetchall():
        found.setdefault(dataset, []).append(symbol)
    return {dataset: tuple(sorted(symbols)) for dataset, symbols in sorted(found.items())}


def stored_digests(con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None) -> dict[str, str]:
    """Return dataset -> the digest that `panel_digest` gives of its panel, from what ingestion wrote."""
    known = dataset_symbols(con, at)
    return {name: _stored(con, name, chosen(known, name, symbols), at) for name, symbols in wanted.items()}


def chosen(known: Mapping[str, Sequence[str]], dataset: str, symbols: Iterable[str] | None) -> tuple[str, ...]:
    """Return the wanted symbols of a dataset, sorted, each once.

    Raises
    ------
    ConfigError
        For an unknown dataset or symbol, with the nearest known one.
    """
    if dataset not in known:
        cure = nearest(dataset, known) or "; `metabt ingest` adds one"
        raise ConfigError(f"no dataset '{dataset}' in the lakehouse{cure}")
    if symbols is None:
        return tuple(known[dataset])
    missing = sorted(set(symbols) - set(known[dataset]))
    if missing:
        others = f" (and {len(missing) - 1} more unknown ones)" if len(missing) > 1 else ""
        cure = nearest(missing[0], known[dataset])
        raise ConfigError(f"dataset '{dataset}' has no symbol '{missing[0]}'{others}{cure}")
    return tuple(sorted(set(symbols)))


def read_panel(con: duckdb.DuckDBPyConnection, dataset: str, symbols: tuple[str, ...], at: int | None = None) -> Panel:
    """Return the panel of known symbols, sorted, on the dataset's whole calendar."""
    dates = _calendar(con, dataset, at)
    rows = _observations(con, dataset, symbols, at)
    where = (_positions(dates, _days(rows["date"])), rows["code"].to_numpy())
    shape = (len(dates), len(symbols))
    close = _scatter(shape, where, rows["close"])
    volume = _scatter(shape, where, rows["volume"]) if _has_volume(con, dataset, at) else None
    return Panel(dataset, dates, symbols, close, volume, _is_closed(con, dataset, at))


def _stored(con: duckdb.DuckDBPyConnection, dataset: str, symbols: tuple[str, ...], at: int | None) -> str:
    rows = _read(con, "SELECT symbol, partition, field, digest FROM digests{at} WHERE dataset = $1", at, dataset)
    wanted = set(symbols)
    kept = [row for row in rows.fetchall() if row[0] in wanted]
    return combine_digests(_calendar(con, dataset, at), _is_closed(con, dataset, at), kept)


def _calendar(con: duckdb.DuckDBPyConnection, dataset: str, at: int | None) -> np.ndarray:
    rows = _read(con, "SELECT DISTINCT date FROM prices{at} WHERE dataset = $1", at, dataset).to_arrow_table()
    return np.sort(_days(rows["date"])).astype("datetime64[D]")


def _is_closed(con: duckdb.DuckDBPyConnection, dataset: str, at: int | None) -> bool:
    return bool(_read(con, "SELECT closed FROM datasets{at} WHERE dataset = $1", at, dataset).fetchall() == [(True,)])


def _has_volume(con: duckdb.DuckDBPyConnection, dataset: str, at: int | None) -> bool:
    # of the whole dataset, so that a panel of some symbols has the fields that the panel of all has
    found = _read(con, "SELECT count(volume) FROM prices{at} WHERE dataset = $1", at, dataset).fetchall()
    return bool(found[0][0])


def _observations(con: duckdb.DuckDBPyConnection, dataset: str, symbols: tuple[str, ...], at: int | None) -> pa.Table:
    codes = pa.table({"symbol": pa.array(symbols, pa.string()), "code": np.arange(len(symbols), dtype=np.int32)})
    con.register("wanted_symbols", codes)
    sql = "SELECT date, code, close, volume FROM prices{at} JOIN wanted_symbols USING (symbol) WHERE dataset = $1"
    rows = _read(con, sql, at, dataset).to_arrow_table()
    con.unregister("wanted_symbols")
    return rows


def _read(con: duckdb.DuckDBPyConnection, sql: str, at: int | None, *parameters: str) -> duckdb.DuckDBPyConnection:
    version = "" if at is None else f" AT (VERSION => {int(at)})"
    try:
        return con.execute(sql.replace("{at}", version), list(parameters))
    except duckdb.Error as error:
        if at is None:
            raise
        reason = str(error).partition("\n")[0]
        raise StoreError(f"snapshot {at} cannot be read: {reason}; use a later one") from error


def _days(column: pa.ChunkedArray) -> np.ndarray:
    return column.combine_chunks().cast(pa.int32()).to_numpy(zero_copy_only=False)


def _positions(dates: np.ndarray, days: np.ndarray) -> np.ndarray:
    calendar = dates.astype(np.int64)
    rows = np.zeros(int(calendar[-1] - calendar[0]) + 1, np.int64)
    rows[calendar - calendar[0]] = np.arange(len(calendar))
    return rows[days - calendar[0]]


def _scatter(shape: tuple[int, int], where: tuple[np.ndarray, np.ndarray], column: pa.ChunkedArray) -> np.ndarray:
    matrix = np.full(shape, np.nan)
    matrix[where] = column.combine_chunks().to_numpy(zero_copy_only=False)
    return matrix
