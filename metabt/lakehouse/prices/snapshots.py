"""Snapshots: the lakehouse as it was after each commit, so that what was read can be read again."""

from __future__ import annotations

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.connection_loss import is_outage, reported
from metabt.lakehouse.catalog.statements import execute


@reported
def snapshot(con: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the lakehouse's current snapshot.

    Parameters
    ----------
    con : connection
        An attached lakehouse.

    Returns
    -------
    int
        Every commit makes the next number.
    """
    return int(con.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()[0][0])


def read_at(con: duckdb.DuckDBPyConnection, sql: str, at: int | None, *values: object) -> duckdb.DuckDBPyConnection:
    """Return the answer to `sql` as of snapshot `at`; None is now. In `sql`, ``{at}`` follows the name of each table.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have, or in which a table did not exist yet.
    """
    version = "" if at is None else f" AT (VERSION => {int(at)})"
    try:
        return execute(con, sql.replace("{at}", version), *values)
    except duckdb.Error as error:
        if at is None or is_outage(str(error)):
            raise
        reason = str(error).partition("\n")[0]
        raise StoreError(f"snapshot {at} cannot be read: {reason}; use a later one") from error
