"""Digests of stored prices, which keys of cached results are made of; ingestion keeps them up to date.

1. A partition's digest covers its own observations and the price each symbol entered it with, so a correction may
   change the digest of a later partition: every partition of a touched symbol is digested anew.
2. Whether a dataset has volume decides which fields are digested: when that changes, every symbol is touched.
3. Only the rows of `digests` that differ are written.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from metabt.lakehouse.catalog.schema import SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.prices.price_panels import read_prices

Row = tuple[str, str, str, str]


def replace_digests(con: duckdb.DuckDBPyConnection, dataset: str, touched: set[str]) -> None:
    """Recompute the digests of the touched symbols from the stored prices, and write those that differ."""
    stored = _stored(con, dataset)
    fresh = _computed(con, dataset, touched)
    untouched = {row[0] for row in stored} - touched
    if untouched and _has_volume(stored) != _has_volume(fresh):
        touched = touched | untouched
        fresh = _computed(con, dataset, touched)
    _delete(con, dataset, {row for row in stored if row[0] in touched} - fresh)
    _append(con, dataset, fresh - stored)


def _computed(con: duckdb.DuckDBPyConnection, dataset: str, symbols: set[str]) -> set[Row]:
    return set(read_prices(con, dataset, tuple(sorted(symbols))).digests())


def _stored(con: duckdb.DuckDBPyConnection, dataset: str) -> set[Row]:
    sql = "SELECT symbol, partition, field, digest FROM digests WHERE dataset = $1"
    return set(execute(con, sql, dataset).fetchall())


def _has_volume(rows: set[Row]) -> bool:
    return any(field == "volume" for _, _, field, _ in rows)


def _delete(con: duckdb.DuckDBPyConnection, dataset: str, rows: set[Row]) -> None:
    if rows:
        con.register("outdated", _table(dataset, rows))
        sql = (
            "DELETE FROM digests WHERE dataset = $1 "
            "AND (symbol, partition, field) IN (SELECT (symbol, partition, field) FROM outdated)"
        )
        execute(con, sql, dataset)
        con.unregister("outdated")


def _append(con: duckdb.DuckDBPyConnection, dataset: str, rows: set[Row]) -> None:
    if rows:
        insert(con, "digests", _table(dataset, rows))


def _table(dataset: str, rows: set[Row]) -> pa.Table:
    columns = zip(*((dataset, *row) for row in sorted(rows)), strict=True)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=list(SCHEMA["digests"]))
