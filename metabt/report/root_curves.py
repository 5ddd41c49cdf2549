"""Curves of the roots of stored runs, which every run keeps, however little is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metabt.report.reading import numbers, where
from metabt.report.sweep.tried import Curve
from metabt.values.tables import Coded

if TYPE_CHECKING:
    import duckdb


def root_curves(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> dict[str, Curve]:
    """Return run_id -> sessions and net asset value of its root, of runs that did not fail."""
    from metabt.lakehouse import load_tables

    found = {}
    for run_id, table in load_tables(connection, run_ids, "returns"):
        paths = table["path"]
        assert isinstance(paths, Coded)
        own = where(table, "path", min(paths.values, key=lambda path: path.count("/")))
        found[run_id] = numbers(own, "date"), numbers(own, "nav")
    return found
