"""Runs out of the lakehouse: found by their identity, listed, and read back whole.

1. `find_runs` says which are stored and done; a failed run is listed, but not found: it is to be run again.
2. `load_run` returns a run's tables, rows in the order in which they were stored; `load_table` one of them.
3. `list_runs` leaves out what is large: configurations and versions, one run at a time in `run_row`.
4. What is read is compared with the digests that the commit recorded (metabt.lakehouse.runs.run_digests); what differs
   is refused, with run, table and file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import duckdb
import numpy as np

from metabt.analysis.summary import metrics_by_path
from metabt.errors import StoreError
from metabt.lakehouse.catalog.connection_loss import UNREADABLE, is_outage, reported
from metabt.lakehouse.catalog.damage import AGAIN, damage, unreadable
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA, from_arrow
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.runs.run_digests import (
    NOTHING,
    Recorded,
    large_are_sound,
    recorded_of,
    row_digest,
    size_of,
    span_of,
    table_digest,
)
from metabt.lakehouse.runs.run_seals import LISTED, OF_DIGESTS, SOUND, check_row, sound_runs
from metabt.lakehouse.runs.streamed_table import ROWID, ROWS, streamed
from metabt.values.tables import Table

BATCH = 64
"""Runs of which a table is read at once."""


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
def load_run(
    con: duckdb.DuckDBPyConnection, run_id: str, names: Sequence[str] = RUN_TABLES
) -> tuple[dict[str, object], dict[str, Table]]:
    """Return a run's row and its tables.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_id : str
        Its whole identity; `resolve_run` finds it.
    names : sequence of str
        Those tables that are wanted; others are not read.

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
        When there is no such run, or its row or a table is not what was stored.
    """
    row = _sound_row(con, run_id)
    recorded = recorded_of(row)
    tables = {name: _sound_table(con, run_id, name, recorded) for name in names}
    return {name: value for name, value in row.items() if name not in OF_DIGESTS}, tables


def load_table(con: duckdb.DuckDBPyConnection, run_id: str, name: str) -> Table:
    """Return one table of a run, as `load_run` does.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_id : str
        The whole identity.
    name : str
        The table.

    Returns
    -------
    dict
        Column -> values.

    Raises
    ------
    StoreError
        For a run that is not stored, or a table that is not what was stored.
    """
    return load_run(con, run_id, [name])[1][name]


@reported
def load_tables(con: duckdb.DuckDBPyConnection, run_ids: Iterable[str], name: str) -> Iterator[tuple[str, Table]]:
    """Return an iterator over one table of many runs, which reads BATCH runs at a time.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    run_ids : iterable of str
        Whole identities. Runs that are not stored, or failed, are left out.
    name : str
        The table.

    Returns
    -------
    iterator of (str, dict)
        A run's identity, and the table as `load_run` returns it; StoreError where it is not what was stored.
    """
    return _batches(con, name, _done_rows(con, run_ids))


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
    rows = [row for row in sound_runs(con) if portfolio is None or row["portfolio"] == portfolio]
    return [{name: row[name] for name in LISTED} for row in rows[:limit]]


def _sound_row(con: duckdb.DuckDBPyConnection, run_id: str) -> dict[str, Any]:
    """Return a run's row, compared with its digests."""
    found = execute(con, "SELECT * FROM runs WHERE run_id = $1", run_id).to_arrow_table().to_pylist()
    if not found:
        raise StoreError(f"no run '{run_id}' in the lakehouse; `metabt runs` lists what there is")
    row: dict[str, Any] = found[0]
    check_row(con, run_id, len(found) == 1 and row["digest"] == row_digest(row) and large_are_sound(row))
    return row


def _load(con: duckdb.DuckDBPyConnection, name: str, run_ids: Sequence[str], expected: int) -> dict[str, Table]:
    """Return run_id -> one of its tables; of a single run, which may be large, `expected` says how many rows."""
    columns = ", ".join(f'"{column}"' for column in SCHEMA[name] if column != "run_id")
    # rowid follows the order of insertion, across files and rows that are kept in the catalogue
    one, many = (
        f"SELECT {columns} FROM {name} WHERE run_id = $1 ORDER BY rowid",
        (f"SELECT run_id, {columns} FROM {name} WHERE list_contains($1::VARCHAR[], run_id) ORDER BY run_id, rowid"),
    )
    if len(run_ids) == 1:
        # in the order in which they lie, which is that of insertion but for files that were merged
        lying = f"SELECT rowid AS {ROWID}, {columns} FROM {name} WHERE run_id = $1"
        table = streamed(name, execute(con, lying, run_ids[0]).to_arrow_reader(ROWS), expected)
        return {run_ids[0]: table or from_arrow(name, execute(con, one, run_ids[0]).to_arrow_table())}
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
    table = _read(con, name, [run_id], recorded.get(name, NOTHING)[0])[run_id]
    _check_table(con, run_id, name, table, recorded)
    return table


def _check_table(con: duckdb.DuckDBPyConnection, run_id: str, name: str, table: Table, recorded: Recorded) -> None:
    rows, digest = recorded.get(name, NOTHING)
    found = size_of(table)
    if found == rows and (not rows or table_digest(table) == digest):
        return
    what = f"it has {found:,} rows, {rows:,} were stored" if found != rows else "it is not what was stored"
    raise damage(con, f"run {run_id[:12]}, table {name}: {what}", [name], AGAIN)


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
    rows = _done_rows(con, run_ids)
    return {
        run_id: metrics_by_path(table).get(str(rows[run_id]["portfolio"]), {})
        for run_id, table in _batches(con, "metrics", rows)
    }


@reported
def root_spans(con: duckdb.DuckDBPyConnection, run_ids: Iterable[str]) -> dict[str, tuple[date, date]]:
    """Return run_id -> first and last date of the root's returns, of those that have any."""
    spans = {run_id: span_of(row) for run_id, row in _done_rows(con, run_ids).items()}
    return {run_id: span for run_id, span in spans.items() if span is not None}


@reported
def root_trials(con: duckdb.DuckDBPyConnection, run_ids: Iterable[str]) -> dict[str, str]:
    """Return run_id -> key of the trial that it is a try of, of runs that did not fail and are one."""
    rows = _done_rows(con, run_ids)
    return {run_id: str(row["trial"]) for run_id, row in rows.items() if row["trial"] is not None}


def _done_rows(con: duckdb.DuckDBPyConnection, run_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return run_id -> row, without what is large, of those runs that did not fail, compared with their digests."""
    wanted = list(run_ids)
    sql = f"SELECT {', '.join((*LISTED, *OF_DIGESTS, SOUND))} FROM runs WHERE list_contains($1::VARCHAR[], run_id)"
    rows = execute(con, sql, wanted).to_arrow_table().to_pylist() if wanted else []
    for row in rows:
        check_row(con, row["run_id"], row.pop("sound"))
    return {row["run_id"]: row for row in rows if row["status"] == "ok"}


def _batches(
    con: duckdb.DuckDBPyConnection, name: str, rows: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Table]]:
    """Yield run_id and one table, compared with the digests in the runs' rows."""
    names = sorted(rows)
    for first in range(0, len(names), BATCH):
        tables = _read(con, name, names[first : first + BATCH])
        for run_id, table in tables.items():
            _check_table(con, run_id, name, table, recorded_of(rows[run_id]))
            yield run_id, table


def _read(con: duckdb.DuckDBPyConnection, name: str, run_ids: Sequence[str], expected: int = 0) -> dict[str, Table]:
    """Return run_id -> one of its tables; StoreError where it cannot be read."""
    try:
        return _load(con, name, run_ids, expected)
    except (duckdb.Error, *UNREADABLE) as error:
        if is_outage(str(error)):
            raise
        whose = f"run {run_ids[0][:12]}" if len(run_ids) == 1 else f"{len(run_ids)} runs"
        raise unreadable(con, error, f"{whose}, table {name}") from error
