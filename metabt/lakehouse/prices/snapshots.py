"""Snapshots: the lakehouse as it was after each commit, so that what was read can be read again."""

from __future__ import annotations

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.connection_loss import is_outage, reported
from metabt.lakehouse.catalog.damage import Damaged
from metabt.lakehouse.catalog.statements import execute

LAST = (
    "SELECT (SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot), "
    "(SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot_changes)"
)
"""What asks DuckLake's own tables for the last snapshot: both are written by every commit."""


ATTEMPTS = 3
"""Times that it is asked: a commit may come in between the two."""


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
    for _ in range(ATTEMPTS):
        recorded, changed = con.execute(LAST).fetchall()[0]
        if recorded == changed:
            return int(recorded)
    raise Damaged(
        f"the catalogue's snapshots end at {recorded}, what they changed at {changed}: it is damaged, or was "
        "written by another program; restore it from a copy, nothing was computed from it"
    )


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
        if at is None or is_outage(str(error)) or not _is_lost(error):
            raise
        reason = str(error).partition("\n")[0]
        raise StoreError(f"snapshot {at} cannot be read: {reason}; use a later one") from error


def _is_lost(error: duckdb.Error) -> bool:
    """Return whether it is the snapshot that is not there, and no file of it that is damaged."""
    return isinstance(error, duckdb.CatalogException | duckdb.BinderException) or "snapshot" in str(error).lower()
