"""Admission: which statements may be asked, as DuckDB's own parser reads them.

1. The text is one statement: `duckdb.extract_statements` counts them.
2. It is a SELECT in one of its spellings, or an EXPLAIN of one: nothing else has a syntax tree in `json_serialize_sql`.
3. Table functions are admitted by name. Some read files behind DuckDB's back (`sqlite_scan` opens any SQLite file even
   where external access is off), and some of DuckLake's write.
4. An EXPLAIN ANALYZE runs what it explains; only the command line, which checks what that is, admits it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.statements import execute

TABLE_FUNCTIONS = ("generate_series", "range", "unnest", "json_each", "json_tree", "ducklake_snapshots")
"""Table functions that a query may use; none of them reads a file of its own choosing, and none writes."""
REFUSED = ("json_serialize_plan", "write_log")
"""Scalar functions that plan another statement, or write a log."""
COMMAND = "metabt sql is read-only"
"""How a refusal begins on the command line."""
CONNECTION = "this connection is read-only"
"""How a refusal begins in Python."""
EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?", re.IGNORECASE)
"""How an EXPLAIN begins; not with a comment, whose end this pattern and DuckDB might see in different places."""


class Refused(StoreError, duckdb.Error):
    """A statement that is not admitted: an error of metabt, and one of DuckDB for those who expect its own."""


def admit(con: duckdb.DuckDBPyConnection, sql: str, door: str = COMMAND, *, analyze: bool = True) -> None:
    """Raise Refused unless `sql` is one statement that only reads, in tables alone; DuckDB's error if it is no SQL."""
    statements = duckdb.extract_statements(sql)
    if not statements:
        raise Refused(f"{door}: it takes one SELECT, found none; use SELECT, FROM, WITH, DESCRIBE, SHOW or SUMMARIZE")
    if len(statements) != 1:
        raise Refused(
            f"{door}: it takes one SELECT, found {len(statements)} statements; pass one at a time "
            "(a PIVOT must list its values: PIVOT ... IN (...))"
        )
    kind = sql.split(maxsplit=1)[0].upper()
    explained = EXPLAIN.match(sql) if statements[0].type == duckdb.StatementType.EXPLAIN else None
    if explained and explained[1] and not analyze:
        raise Refused(f"{door}: EXPLAIN ANALYZE is refused, for it runs the statement; use EXPLAIN, or `metabt sql`")
    tree = _syntax(con, sql[explained.end() :] if explained else sql)
    if tree is None and statements[0].type == duckdb.StatementType.EXPLAIN:
        raise Refused(
            f"{door}: this EXPLAIN is refused; use SELECT, or EXPLAIN and a SELECT, without options in brackets and "
            "without a comment before it"
        )
    if tree is None:
        raise Refused(f"{door}: {kind} is refused; use SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN")
    for of_table, function in _functions(tree):
        if (of_table and function not in TABLE_FUNCTIONS) or function in REFUSED:
            cure = f"those that are not are {', '.join(TABLE_FUNCTIONS)}" if of_table else "take it out"
            raise Refused(
                f"{door} and reads the lakehouse's tables alone: the {'table ' * of_table}function '{function}' is "
                f"refused; {cure}, and `metabt ingest` brings in prices of files"
            )


def _syntax(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Return the syntax tree of one SELECT, or None where it is something else."""
    parsed = json.loads(execute(con, "SELECT json_serialize_sql($1)", sql).fetchall()[0][0])
    return None if parsed["error"] or len(parsed["statements"]) != 1 else parsed["statements"]


def _functions(tree: Any) -> Iterator[tuple[bool, str]]:
    """Yield whether it is a table function, and its name, of every function in a syntax tree."""
    if isinstance(tree, dict):
        if tree.get("type") == "TABLE_FUNCTION":
            yield True, str(tree["function"]["function_name"]).lower()
        elif "function_name" in tree:
            yield False, str(tree["function_name"]).lower()
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from _functions(branch)
