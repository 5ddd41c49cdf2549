"""Runs out of the lakehouse: found by their identity, listed, and read back whole.

1. `find_runs` says which are stored and done; a failed run is listed, but not found: it is to be run again.
2. `load_run` returns a run's tables, rows in the order in which they were stored.
3. `list_runs` leaves out what is large: configurations and versions, one run at a time in `run_row`.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA, from_arrow
from metabt.lakehouse.catalog.statements import execute
from metabt.values.tables import Table

LARGE = ("config", "versions")
"""Columns of `runs` that `list_runs` leaves out."""
LISTED = tuple(column for column in SCHEMA["runs"] if column not in LARGE)
"""Columns of `runs` that `list_runs` returns."""


def find_run(con: duckdb.DuckDBPyConnection, run_id: str, keep: str | None = None) -> bool:
    """Return whether a run is stored and did not fail.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_id : str
        Its whole identity.
    keep : {"all", "summary"}, optional
        Count it only if so much of it was kept; None is either.

    Returns
    -------
    bool
    """
    return run_id in find_runs(con, [run_id], keep)


@reported
def find_runs(con: duckdb.DuckDBPyConnection, run_ids: Iterable[str], keep: str | None = None) -> set[str]:
    """Return which of some runs are stored and did not fail.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_ids : iterable of str
        Whole identities.
    keep : {"all", "summary"}, optional
        Only those of which so much was kept; None is either.

    Returns
    -------
    set of str
        Identities.
    """
    sql = (
        "SELECT run_id FROM runs WHERE run_id IN (SELECT unnest($1::VARCHAR[])) AND status = 'ok' "
        "AND keep = coalesce($2, keep)"
    )
    return {row[0] for row in execute(con, sql, list(run_ids), keep).fetchall()}


@reported
def run_row(con: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, object]:
    """Return a run's row of the table `runs`.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_id : str
        Its whole identity; `resolve_run` finds it.

    Returns
    -------
    dict
        Column -> value; `config` and `versions` are JSON texts, `started_at` is a datetime, UTC.

    Raises
    ------
    StoreError
        When there is no such run.
    """
    found = execute(con, "SELECT * FROM runs WHERE run_id = $1", run_id).to_arrow_table().to_pylist()
    if not found:
        raise StoreError(f"no run '{run_id}' in the lakehouse; `metabt runs` lists what there is")
    return found[0]


@reported
def load_run(con: duckdb.DuckDBPyConnection, run_id: str) -> tuple[dict[str, object], dict[str, Table]]:
    """Return a run's row and its tables.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_id : str
        Its whole identity; `resolve_run` finds it.

    Returns
    -------
    row : dict
        As `run_row` returns it.
    tables : dict of str to dict
        Table name -> column name -> column, without `run_id`, rows in the order in which they were stored. Numbers,
        flags and dates are NumPy arrays, (n_rows,); a text column has `codes` into its distinct `values`, -1 for NULL.

    Raises
    ------
    StoreError
        When there is no such run.
    """
    return run_row(con, run_id), {name: _load_table(con, name, run_id) for name in RUN_TABLES}


@reported
def list_runs(
    con: duckdb.DuckDBPyConnection, portfolio: str | None = None, limit: int | None = None
) -> list[dict[str, object]]:
    """Return the rows of the table `runs`, newest first, without configurations and versions.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    portfolio : str, optional
        Runs of one portfolio alone; None is all.
    limit : int, optional
        How many rows at most; None is all.

    Returns
    -------
    list of dict
        Column -> value of each run, failed ones included.
    """
    sql = (
        f"SELECT {', '.join(LISTED)} FROM runs WHERE portfolio = coalesce($1, portfolio) "
        "ORDER BY started_at DESC, run_id LIMIT $2"
    )
    return execute(con, sql, portfolio, limit).to_arrow_table().to_pylist()


def _load_table(con: duckdb.DuckDBPyConnection, name: str, run_id: str) -> Table:
    columns = ", ".join(f'"{column}"' for column in SCHEMA[name] if column != "run_id")
    # rowid follows the order of insertion, across files and rows that are kept in the catalogue
    rows = execute(con, f"SELECT {columns} FROM {name} WHERE run_id = $1 ORDER BY rowid", run_id)
    return from_arrow(name, rows.to_arrow_table())


@reported
def root_metrics(con: duckdb.DuckDBPyConnection, run_ids: Iterable[str]) -> dict[str, dict[str, float]]:
    """Return the metrics of the roots of some runs.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_ids : iterable of str
        Whole identities.

    Returns
    -------
    dict of str to dict of str to float
        run_id -> metric -> value, NaN where it has none. Runs that are not stored, or failed, are left out.
    """
    sql = (
        "SELECT run_id, metric, coalesce(value, 'nan') FROM metrics m JOIN runs r USING (run_id) "
        "WHERE m.path = r.portfolio AND run_id IN (SELECT unnest($1::VARCHAR[]))"
    )
    found: dict[str, dict[str, float]] = {}
    for run_id, metric, value in execute(con, sql, list(run_ids)).fetchall():
        found.setdefault(run_id, {})[metric] = value
    return found
