"""Retirement: damaged files are taken out of the catalogue, so that what they held can be written anew.

1. A file that is not as it was recorded cannot be read row by row, nor can DuckDB delete rows of it.
2. A new snapshot ends it, by the statements that DuckLake's specification has for that; earlier snapshots keep it, and
   it stays on disk.
3. Rows of others in the same file are gone as well: their digests say so when they are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from metabt.errors import StoreError, passing
from metabt.lakehouse.catalog.attachment import attach_lake
from metabt.lakehouse.catalog.catalog_location import require
from metabt.lakehouse.catalog.connection_loss import close, may_pass, whole
from metabt.lakehouse.catalog.connections import opened
from metabt.lakehouse.catalog.file_records import fault_of, listed, recorded
from metabt.lakehouse.catalog.statements import execute, quoted
from metabt.lakehouse.folder.orphans import META


def retire(path: str | Path, tables: Iterable[str]) -> int:
    """Take the damaged files of some tables out of the catalogue, each table in a commit of its own; return how many.

    Raises
    ------
    StoreError
        When the catalogue cannot be written.
    """
    where = require(path)
    con = opened(where.extensions)
    try:
        with where.writer_lock(con):
            attach_lake(con, where)
            return sum(_retire_from(con, table) for table in tables)
    except duckdb.Error as error:
        said = StoreError(f"lakehouse '{where.root}': {where.unwritten(str(error))}")
        raise passing(said, may_pass(str(error))) from error
    finally:
        close(con)


def _retire_from(con: duckdb.DuckDBPyConnection, table: str) -> int:
    known = recorded(con)
    bad = [name for name, file in listed(con, table).items() if fault_of(con, file, name, known)]
    if bad:
        with whole(con):
            _end(con, table, [name.removeprefix(f"main/{table}/") for name in bad])
    return len(bad)


def _end(con: duckdb.DuckDBPyConnection, table: str, names: list[str]) -> None:
    sql = f"SELECT table_id FROM {META}.ducklake_table WHERE table_name = $1 AND end_snapshot IS NULL"
    table_id = int(execute(con, sql, table).fetchall()[0][0])
    number = int(con.execute(f"SELECT max(snapshot_id) FROM {META}.ducklake_snapshot").fetchall()[0][0]) + 1
    con.execute(
        f"INSERT INTO {META}.ducklake_snapshot SELECT {number}, now(), schema_version, next_catalog_id, next_file_id "
        f"FROM {META}.ducklake_snapshot WHERE snapshot_id = {number - 1}"
    )
    change = quoted(f"deleted_from_table:{table_id}")
    con.execute(f"INSERT INTO {META}.ducklake_snapshot_changes (snapshot_id, changes_made) SELECT {number}, {change}")
    # of a file whose list of deleted rows is damaged no row can be told from a deleted one
    whose = (
        f"(SELECT data_file_id FROM {META}.ducklake_data_file WHERE table_id = {table_id} "
        "AND list_contains($1::VARCHAR[], path) UNION ALL "
        f"SELECT data_file_id FROM {META}.ducklake_delete_file WHERE table_id = {table_id} "
        "AND list_contains($1::VARCHAR[], path))"
    )
    for kind in ("delete", "data"):
        execute(
            con,
            f"UPDATE {META}.ducklake_{kind}_file SET end_snapshot = {number} "
            f"WHERE end_snapshot IS NULL AND data_file_id IN {whose}",
            names,
        )
