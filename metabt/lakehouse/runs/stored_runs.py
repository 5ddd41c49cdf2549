"""Runs out of the lakehouse: found by their identity, listed, and read back whole.

1. `find_runs` says which are stored and done; a failed run is listed, but not found: it is to be run again.
2. `load_run` returns a run's tables, rows in the order in which they were stored; `load_table` one of them.
3. `list_runs` leaves out what is large: configurations and versions, one run at a time in `run_row`.
4. `resolve_run` understands "latest", a portfolio's name and any unique beginning of a run's identity.
5. What is read is compared with the digests that the commit recorded (metabt.lakehouse.runs.run_digests); what differs
   is refused, with run, table and file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import numpy as np

from metabt.analysis.summary import metrics_by_path
from metabt.errors import ConfigError, StoreError, nearest
from metabt.lakehouse.catalog.connection_loss import UNREADABLE, is_outage, reported
from metabt.lakehouse.catalog.damage import AGAIN, ANYTHING, damage, unreadable
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA, from_arrow
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.runs.run_digests import (
    LARGE,
    NOTHING,
    Recorded,
    bitwise_sum,
    large_are_sound,
    recorded_of,
    row_digest,
    size_of,
    table_digest,
)
from metabt.values.tables import Table

OF_DIGESTS = ("digests", "digest")
"""Columns of `runs` that only this module reads."""
LISTED = tuple(column for column in SCHEMA["runs"] if column not in (*LARGE, *OF_DIGESTS))
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
    return {name: value for name, value in _sound_row(con, run_id).items() if name not in OF_DIGESTS}


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
    row = _sound_row(con, run_id)
    recorded = recorded_of(row)
    tables = {name: _sound_table(con, run_id, name, recorded) for name in RUN_TABLES}
    return {name: value for name, value in row.items() if name not in OF_DIGESTS}, tables


@reported
def load_table(con: duckdb.DuckDBPyConnection, run_id: str, name: str) -> Table:
    """Return one table of a run, as `load_run` does.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_id : str
        Its whole identity.
    name : str
        The table.

    Returns
    -------
    dict
        Column name -> column, without `run_id`.

    Raises
    ------
    StoreError
        When there is no such run, or its row or this table is not what was stored.
    """
    return _sound_table(con, run_id, name, recorded_of(_sound_row(con, run_id)))


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
    rows = [row for row in _all_rows(con) if portfolio is None or row["portfolio"] == portfolio]
    return [{name: row[name] for name in LISTED} for row in rows[:limit]]


@reported
def resolve_run(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return the identity of the run that `name` means.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    name : str
        "latest", or a portfolio's name: its newest run that did not fail; or a unique beginning of any run's identity.

    Returns
    -------
    str
        Its whole run_id.

    Raises
    ------
    ConfigError
        When it means no run, or several.
    """
    runs = [(row["run_id"], row["portfolio"], row["status"]) for row in _all_rows(con)]
    done = [(run_id, portfolio) for run_id, portfolio, status in runs if status == "ok"]
    if name == "latest" and done:
        return str(done[0][0])
    named = [run_id for run_id, portfolio in done if name == portfolio] + [row[0] for row in runs if row[0] == name]
    if named:
        return str(named[0])
    started = [row[0] for row in runs if name and row[0].startswith(name)]
    if len(started) == 1:
        return str(started[0])
    raise ConfigError(_unresolved(name, started, runs))


def _sound_row(con: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, Any]:
    """Return a run's row, compared with its digests."""
    found = execute(con, "SELECT * FROM runs WHERE run_id = $1", run_id).to_arrow_table().to_pylist()
    if not found:
        raise StoreError(f"no run '{run_id}' in the lakehouse; `metabt runs` lists what there is")
    row: dict[str, Any] = found[0]
    if len(found) > 1 or row["digest"] != row_digest(row) or not large_are_sound(row):
        raise damage(con, f"run {run_id[:12]}: its row is not what was stored", ["runs"], AGAIN)
    return row


def _all_rows(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return the rows of all runs without what is large, newest first, compared with their digests and the seal."""
    columns = ", ".join((*LISTED, *OF_DIGESTS))
    # one statement: a commit between two would look like damage
    sql = (
        "SELECT n, total, r.* FROM (SELECT 1 AS one, rows AS n, digest AS total FROM seals WHERE name = 'runs') "
        f"FULL JOIN (SELECT 1 AS one, {columns} FROM runs) r USING (one) ORDER BY started_at DESC, run_id"
    )
    rows = con.execute(sql).to_arrow_table().to_pylist()
    if not rows:
        return []
    n, total = rows[0]["n"], rows[0]["total"]
    found = [{name: row[name] for name in (*LISTED, *OF_DIGESTS)} for row in rows if row["run_id"] is not None]
    for row in found:
        if row["digest"] != row_digest(row):
            raise damage(con, f"run {row['run_id'][:12]}: its row is not what was stored", ["runs"], AGAIN)
    if len(found) != n or bitwise_sum(row["digest"] for row in found) != total:
        raise damage(con, f"the lakehouse holds {len(found)} runs, and recorded {n}", ["runs", "seals"], ANYTHING)
    return found


def _load(con: duckdb.DuckDBPyConnection, name: str, run_ids: Sequence[str]) -> dict[str, Table]:
    """Return run_id -> one of its tables."""
    columns = ", ".join(f'"{column}"' for column in SCHEMA[name] if column != "run_id")
    # rowid follows the order of insertion, across files and rows that are kept in the catalogue
    one, many = (
        f"SELECT {columns} FROM {name} WHERE run_id = $1 ORDER BY rowid",
        (f"SELECT run_id, {columns} FROM {name} WHERE list_contains($1::VARCHAR[], run_id) ORDER BY run_id, rowid"),
    )
    if len(run_ids) == 1:
        return {run_ids[0]: from_arrow(name, execute(con, one, run_ids[0]).to_arrow_table())}
    rows = execute(con, many, list(run_ids)).to_arrow_table()
    owner = np.array(rows["run_id"].to_pylist(), np.str_)
    order = np.sort(np.array(run_ids, np.str_))
    ends = [np.searchsorted(owner, order, side=side).tolist() for side in ("left", "right")]
    own = rows.drop_columns("run_id")
    return {
        run_id: from_arrow(name, own.slice(first, stop - first))
        for run_id, first, stop in zip(order.tolist(), *ends, strict=True)
    }


def _sound_table(con: duckdb.DuckDBPyConnection, run_id: str, name: str, recorded: Recorded) -> Table:
    try:
        table = _load(con, name, [run_id])[run_id]
    except (duckdb.Error, *UNREADABLE) as error:
        if is_outage(str(error)):
            raise
        raise unreadable(con, error, f"run {run_id[:12]}, table {name}") from error
    _check_table(con, run_id, name, table, recorded)
    return table


def _check_table(con: duckdb.DuckDBPyConnection, run_id: str, name: str, table: Table, recorded: Recorded) -> None:
    rows, digest = recorded.get(name, NOTHING)
    found = size_of(table)
    if found == rows and (not rows or table_digest(table) == digest):
        return
    what = f"it has {found:,} rows, {rows:,} were stored" if found != rows else "it is not what was stored"
    raise damage(con, f"run {run_id[:12]}, table {name}: {what}", [name], AGAIN)


def _unresolved(name: str, started: list[str], runs: list[tuple[str, str, str]]) -> str:
    if not runs:
        return "the lakehouse holds no run yet; `metabt backtest` makes one"
    if started:
        some = ", ".join(started[:5])
        return f"'{name}' begins {len(started)} runs ({some}); give more of the one you mean"
    portfolios = {portfolio for _, portfolio, _ in runs}
    if name == "latest" or name in portfolios:
        whose = "" if name == "latest" else f" of '{name}'"
        return f"every run{whose} in the lakehouse failed; select run_id, error from runs says why"
    return f"no run or portfolio '{name}' in the lakehouse{nearest(name, portfolios | {'latest'})}"


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
        f"SELECT {', '.join((*LISTED, *OF_DIGESTS))} FROM runs "
        "WHERE list_contains($1::VARCHAR[], run_id) AND status = 'ok'"
    )
    rows = {row["run_id"]: row for row in execute(con, sql, list(run_ids)).to_arrow_table().to_pylist()}
    tables = _load(con, "metrics", list(rows)) if rows else {}
    found: dict[str, dict[str, float]] = {}
    for run_id, row in rows.items():
        if row["digest"] != row_digest(row):
            raise damage(con, f"run {run_id[:12]}: its row is not what was stored", ["runs"], AGAIN)
        _check_table(con, run_id, "metrics", tables[run_id], recorded_of(row))
        found[run_id] = metrics_by_path(tables[run_id]).get(row["portfolio"], {})
    return found
