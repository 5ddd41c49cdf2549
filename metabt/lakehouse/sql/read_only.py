"""Read-only SQL: statements that read the lakehouse, and nothing else.

1. `connect` attaches read-only; afterwards no other file can be reached and no setting changed.
2. `query` takes exactly one statement. DuckDB's own parser says what it is: anything but a SELECT (in its many
   spellings) or an EXPLAIN of one is refused.
3. Table functions are allowed by name. Some read files behind DuckDB's back: `sqlite_scan` opens any SQLite file
   even where external access is off.
4. The answer is written as an aligned table, as CSV or as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.attachment import DATA, attach
from metabt.lakehouse.catalog.catalog_location import located
from metabt.lakehouse.catalog.connection_loss import is_outage, lost
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA
from metabt.lakehouse.catalog.statements import execute, quoted
from metabt.lakehouse.sql.result_set import QueryResult

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_FUNCTIONS = ("generate_series", "range", "unnest", "json_each", "json_tree", "ducklake_snapshots")
"""Table functions that a query may use; none of them reads a file of its own choosing."""
READ_ONLY = "metabt sql is read-only"
EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
"""How an EXPLAIN begins; not with a comment, whose end this pattern and DuckDB might see in different places."""


def connect(path: str | Path, run_id: str | None = None) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to a lakehouse, in which every table is reachable by its name.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    run_id : str, optional
        The whole identity of a run: the tables of runs have its rows alone, those of all are `lake.weights` and so on.

    Returns
    -------
    duckdb.DuckDBPyConnection
        ``con.sql("select * from weights").df()`` is a frame. No other file can be read through it, and no setting
        changed. The caller closes it; it is a context manager.

    Raises
    ------
    StoreError
        When there is no lakehouse at `path`, or it cannot be opened.
    """
    con = attach(path, read_only=True)
    for name in () if run_id is None else ("runs", "asked", *RUN_TABLES):
        # what is temporary is found before what is in the lakehouse
        execute(con, f"CREATE TEMP VIEW {name} AS SELECT * FROM lake.main.{name} WHERE run_id = $1", run_id)
    directories = quoted(str(located(path) / DATA) + "/")
    con.execute(f"SET allowed_directories = [{directories}]")
    for setting in ("enable_external_access", "autoload_known_extensions"):
        con.execute(f"SET {setting} = false")
    con.execute("RESET threads")  # a question may be about millions of rows
    con.execute("SET lock_configuration = true")
    return con


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
    with connect(path, run_id) as con:
        return ask(con, sql)


def ask(con: duckdb.DuckDBPyConnection, sql: str) -> QueryResult:
    """Return the answer to one reading statement on a connection that `connect` made."""
    _check(con, sql)
    try:
        answer = con.execute(sql)
        columns = tuple(column[0] for column in answer.description or ())
        kinds = tuple(str(column[1]) for column in answer.description or ())
        return QueryResult(columns, kinds, tuple(answer.fetchall()))
    except duckdb.Error as error:
        raise StoreError(_explained(con, error)) from error


def stream(con: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    """Return the answer to one reading statement as Arrow, batch by batch, on a connection that `connect` made."""
    _check(con, sql)
    try:
        return con.execute(sql).to_arrow_reader()
    except duckdb.Error as error:
        raise StoreError(_explained(con, error)) from error


def _check(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise StoreError unless `sql` is one statement that only reads, in tables alone."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise StoreError(f"SQL: {error}") from error
    if len(statements) != 1:
        raise StoreError(
            f"{READ_ONLY}: it takes one SELECT, found {len(statements)} statements; pass one at a time "
            "(a PIVOT must list its values: PIVOT ... IN (...))"
        )
    kind = sql.split(maxsplit=1)[0].upper()
    tree = _syntax(con, _explained_part(sql) if statements[0].type == duckdb.StatementType.EXPLAIN else sql)
    if tree is None:
        raise StoreError(
            f"{READ_ONLY}: {kind} is refused; use SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN"
        )
    for function in _table_functions(tree):
        if function not in TABLE_FUNCTIONS:
            raise StoreError(
                f"{READ_ONLY} and reads the lakehouse's tables alone: the table function '{function}' is refused; "
                "`metabt ingest` brings in other data"
            )


def _explained_part(sql: str) -> str:
    begin = EXPLAIN.match(sql)
    return sql[begin.end() :] if begin else sql


def _syntax(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Return the syntax tree of one SELECT, or None where it is something else."""
    parsed = json.loads(execute(con, "SELECT json_serialize_sql($1)", sql).fetchall()[0][0])
    return None if parsed["error"] or len(parsed["statements"]) != 1 else parsed["statements"]


def _table_functions(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if tree.get("type") == "TABLE_FUNCTION":
            yield str(tree["function"]["function_name"]).lower()
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from _table_functions(branch)


def _explained(con: duckdb.DuckDBPyConnection, error: duckdb.Error) -> str:
    message = f"SQL: {error}"
    if is_outage(message):
        return lost(message)
    if "read-only" in message:
        return f"{READ_ONLY}: {message}"
    if isinstance(error, duckdb.CatalogException) and "Table with name" in message:
        message += f"\ntables: {', '.join(sorted(SCHEMA))}, sweep_parameters; those of runs are in schema latest too"
    return message
