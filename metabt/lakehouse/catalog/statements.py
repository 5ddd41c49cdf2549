"""Statements: SQL with values in it, each of them written as a literal.

1. `literal` writes a value down; text is quoted, and within quotes nothing but a quote means anything to DuckDB.
2. `execute` puts the literals in place of ``$1``, ``$2``, ..., and runs the statement.

Values that are bound instead make DuckDB import pandas, only to see whether they are its own: a tenth of a second.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_PLACE = re.compile(r"\$(\d+)")
"""A place for a value: its number, from 1."""


def execute(con: duckdb.DuckDBPyConnection, sql: str, *values: object) -> duckdb.DuckDBPyConnection:
    """Run a statement with values in it.

    Parameters
    ----------
    con : connection
        Any DuckDB connection.
    sql : str
        The statement, in which ``$1`` stands where the first value goes, and so on.
    *values
        None, bool, int, text, dates and lists of these; TypeError for anything else.

    Returns
    -------
    duckdb.DuckDBPyConnection
        The connection, with the answer to fetch.
    """
    return con.execute(_PLACE.sub(lambda place: literal(values[int(place[1]) - 1]), sql))


def literal(value: object) -> str:
    """Return a value as a SQL literal.

    Raises
    ------
    TypeError
        For anything but None, bool, int, text, dates and lists of these.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return f"({value})"  # a minus binds less than the cast that may follow
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, datetime):
        return f"TIMESTAMP {quoted(value.isoformat(' '))}"
    if isinstance(value, date):
        return f"DATE {quoted(value.isoformat())}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    raise TypeError(f"no literal for {type(value).__name__} {value!r}; wanted None, bool, int, text, a date or a list")


def quoted(text: str) -> str:
    """Return `text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
