"""Read-only SQL: statements that read the lakehouse, and nothing else.

1. `reading` attaches read-only; afterwards no other file can be reached and no setting changed.
2. `connect` puts a proxy before it that passes what only reads (metabt.lakehouse.sql.reading_connection).
3. `query` takes exactly one statement (metabt.lakehouse.sql.admission) and returns its answer.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.attachment import attach
from metabt.lakehouse.catalog.catalog_location import located
from metabt.lakehouse.catalog.connection_loss import is_outage, is_store_outage, lost, store_lost
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA
from metabt.lakehouse.catalog.statements import execute, quoted
from metabt.lakehouse.folder.lost_catalogue import DATA
from metabt.lakehouse.sql.admission import COMMAND, admit
from metabt.lakehouse.sql.reading_connection import ReadingConnection
from metabt.lakehouse.sql.result_set import QueryResult
from metabt.lakehouse.storage.place import storage_of


def connect(path: str | Path, run_id: str | None = None) -> ReadingConnection:
    """Return a read-only connection to a lakehouse, in which every table is reachable by its name.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    run_id : str, optional
        The whole identity of a run: the tables of runs have its rows alone, those of all are `lake.weights` and so on.

    Returns
    -------
    ReadingConnection
        ``con.sql("select * from weights").df()`` is a frame. It passes what reads, and nothing else: no other file can
        be read through it, nothing written, and no setting changed. The caller closes it; it is a context manager.

    Raises
    ------
    StoreError
        When there is no lakehouse at `path`, or it cannot be opened.
    """
    con = reading(path, run_id)

    def another() -> duckdb.DuckDBPyConnection:
        cursor = con.cursor()
        _use(cursor, run_id)
        return cursor

    return ReadingConnection(con, another)


def reading(path: str | Path, run_id: str | None = None, memory: int | None = None) -> duckdb.DuckDBPyConnection:
    """Return DuckDB's own connection, as `connect` does: what it is given must be admitted first.

    `memory` is the number of bytes that it may take; None is DuckDB's own limit.
    """
    con = attach(path, read_only=True)
    _use(con, run_id)
    directories = quoted(storage_of(located(path) / DATA).beneath)
    con.execute(f"SET allowed_directories = [{directories}]")
    for setting in ("enable_external_access", "autoload_known_extensions"):
        con.execute(f"SET {setting} = false")
    con.execute("RESET threads")  # a question may be about millions of rows
    if memory is not None:
        con.execute(f"SET memory_limit = '{memory} bytes'")
    con.execute("SET lock_configuration = true")
    return con


def _use(con: duckdb.DuckDBPyConnection, run_id: str | None) -> None:
    con.execute("USE lake")
    for name in () if run_id is None else ("runs", "asked", *RUN_TABLES):
        # what is temporary is found before what is in the lakehouse
        execute(con, f"CREATE TEMP VIEW {name} AS SELECT * FROM lake.main.{name} WHERE run_id = $1", run_id)


def query(path: str | Path, sql: str, run_id: str | None = None) -> QueryResult:
    """Return the answer to one reading statement.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    sql : str
        One SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN over the lakehouse's tables.
    run_id : str, optional
        The one run whose rows there are, as for `connect`.

    Returns
    -------
    QueryResult
        Columns, types and all rows, in memory.

    Raises
    ------
    StoreError
        For a statement that is not one, writes, reaches for files, or that DuckDB refuses.
    """
    with reading(path, run_id) as con:
        return ask(con, sql)


def ask(con: duckdb.DuckDBPyConnection, sql: str) -> QueryResult:
    """Return the answer to one reading statement on a connection that `reading` made."""
    try:
        admit(con, sql)
        answer = con.execute(sql)
        columns = tuple(column[0] for column in answer.description or ())
        kinds = tuple(str(column[1]) for column in answer.description or ())
        return QueryResult(columns, kinds, tuple(answer.fetchall()))
    except StoreError:
        raise
    except duckdb.Error as error:
        raise StoreError(explained(error)) from error


def explained(error: duckdb.Error) -> str:
    """Return the message for DuckDB's error."""
    message = f"SQL: {error}"
    if is_outage(message):
        return lost(message)
    if is_store_outage(str(error)):
        return store_lost(str(error))
    if "read-only" in message:
        return f"{COMMAND}: {message}"
    if isinstance(error, duckdb.CatalogException) and "Table with name" in message:
        names = sorted({*SCHEMA, "sweep_parameters", "trials"})
        message += f"\ntables: {', '.join(names)}; those of runs are in schema latest too"
    return message
