"""Members of a sweep: which configurations it asked for, and what they were set to, as `asked` has them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import duckdb

from metabt.errors import ConfigError
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.runs.run_seals import check_names

LISTED = 10
"""Sweeps that a message lists at most."""
SHORT = 12
"""Characters of an identity that a message shows."""


@dataclass(frozen=True)
class Member:
    """One configuration of a sweep."""

    run_id: str
    """Identity of its run; of one that could not be resolved, the digest of what was asked."""
    portfolio: str
    """Name of its root; empty where its run is not stored any more."""
    overrides: tuple[str, ...]
    """Its overrides."""
    status: str
    """ok, failed, or forgotten where its run is not stored any more."""
    error: str | None
    """Message of the error that ended it."""
    at: datetime
    """When it was asked for last, UTC."""


@reported
def resolve_sweep(con: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """Return the identity of the one sweep whose identity begins with `name`; None where none does.

    Raises
    ------
    ConfigError
        Where several do.
    """
    check_names(con)
    sql = 'SELECT sweep_id, max("at") FROM asked WHERE starts_with(sweep_id, $1) GROUP BY sweep_id ORDER BY 2 DESC'
    found = [row[0] for row in execute(con, sql, name).fetchall()] if name else []
    if len(found) > 1 and name not in found:
        digits = max(SHORT, len(name) + 4)
        some = ", ".join(sweep_id[:digits] for sweep_id in found[:LISTED])
        raise ConfigError(f"'{name}' begins {len(found)} sweeps ({some}); give more of the one you mean")
    return (name if name in found else found[0]) if found else None


@reported
def sweep_members(con: duckdb.DuckDBPyConnection, sweep_id: str) -> list[Member]:
    """Return the configurations of a sweep in the order in which they were asked for, each as it was asked for last."""
    check_names(con)
    sql = (
        "SELECT a.run_id, coalesce(r.portfolio, ''), a.overrides, coalesce(r.status, 'forgotten'), r.error, a.\"at\" "
        "FROM asked a LEFT JOIN runs r USING (run_id) WHERE a.sweep_id = $1 "
        'QUALIFY row_number() OVER (PARTITION BY a.run_id, a.overrides ORDER BY a."at" DESC) = 1 ORDER BY a."at"'
    )
    return [
        Member(run_id, portfolio, tuple(json.loads(overrides or "[]")), status, error, at)
        for run_id, portfolio, overrides, status, error, at in execute(con, sql, sweep_id).fetchall()
    ]
