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
"""Where a value goes."""


def execute(con: duckdb.DuckDBPyConnection, sql: str, *values: object) -> duckdb.DuckDBPyConnection:
    """Return the answer to a statement in which ``$1`` is the first of the values, and so on."""
    return con.execute(_PLACE.sub(lambda place: literal(values[int(place[1]) - 1]), sql))


def literal(value: object) -> str:
    """Return a value as SQL.

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
