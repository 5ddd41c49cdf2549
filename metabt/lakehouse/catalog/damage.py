"""Damage: what was read is not what was written; the message says of what, which file it is, and the cure.

1. `damage` is for contents that differ from their digest: it goes over the files of the tables that they came from.
2. `unreadable` is for what DuckDB, Arrow or Python refuse while reading: it goes over those of every table.
3. Where no file differs from its record, the catalogue has changed, or memory.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.file_records import FileFault, faults
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA

COPY = "restore it from a copy, or ingest the prices into a new lakehouse; nothing was computed from it"
"""What mends data."""
AGAIN = "`metabt backtest` of the same portfolio and dates assembles it again from its blocks and replaces it whole"
"""What mends a run."""
ANYTHING = "restore it from a copy; `metabt check --lakehouse PATH` goes over everything that is stored"
"""What mends whatever it is."""
SHOWN = 3
"""Files that a message names."""


class Damaged(StoreError):
    """What was read is not what was written."""


def damage(
    con: duckdb.DuckDBPyConnection, what: str, tables: Iterable[str], cure: str, at: int | None = None
) -> Damaged:
    """Return the error for contents that differ from their digest.

    Parameters
    ----------
    con : connection
        The attached lakehouse that they were read from.
    what : str
        A sentence of what differs, such as ``dataset 'd', symbol A, 2020: close is not what was ingested``.
    tables : iterable of str
        The tables that they come from.
    cure : str
        What mends it.
    at : int, optional
        Number of the snapshot that was read; None is the current one.
    """
    return Damaged(f"{what}: {_where(_faults(con, tables, at))}; {cure}")


def unreadable(con: duckdb.DuckDBPyConnection, error: Exception, what: str = "the lakehouse") -> Damaged:
    """Return the error for what could not even be read."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    small = [name for name in SCHEMA if name != "prices"]
    found = _faults(con, small, None) or _faults(con, ["prices"], None)
    of_runs = found and all(fault.path.parent.name in RUN_TABLES for fault in found)
    return Damaged(f"{what} cannot be read ({reason}): {_where(found)}; {AGAIN if of_runs else ANYTHING}")


def _faults(con: duckdb.DuckDBPyConnection, tables: Iterable[str], at: int | None) -> list[FileFault]:
    try:
        return faults(con, tables, at)
    except (duckdb.Error, ValueError, OSError):  # the catalogue, or the connection, cannot even list them
        return []


def _where(found: list[FileFault]) -> str:
    if not found:
        return "no data file differs from its record, so it is the catalogue that is damaged"
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(map(str, found[:SHOWN])) + more
