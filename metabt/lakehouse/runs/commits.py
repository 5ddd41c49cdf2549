"""Runs into the lakehouse: any number of them at once, each whole or not at all.

1. The tables of all runs become one table each, ordered by run, so that a run's rows lie together in few files.
2. Within one transaction: leave out the runs that are stored as they should be, delete what the others replace,
   append what is left with one INSERT per table.
3. A run is stored as it should be once it is ok and at least as whole as the new one. A failed run may be mended, and a
   run of which a sweep kept the summary may be kept whole: it stays the run that it was, with its start, engine, sweep
   and overrides.
4. Who asked for which run is written in the same transaction (metabt.lakehouse.runs.askings).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import NUMPY, RUN_TABLES, SCHEMA, insert, to_arrow
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.runs.askings import Asked, append
from metabt.values.buffers import from_numpy, from_texts
from metabt.values.tables import Coded, Table, concat

Run = tuple[Mapping[str, object], Mapping[str, Table]]
"""The columns of `runs`, and table name -> columns without `run_id`."""

DEFAULTS: dict[str, object] = {"keep": "all", "overrides": None, "error": None}
"""Columns of `runs` that need not be given."""
WHOLE = ("ok", "all")
"""Status and keep of a run that nothing replaces."""
ORIGIN = ("sweep_id", "engine", "started_at", "overrides")
"""Columns of `runs` that a run keeps when it is replaced by more of itself."""


def commit_run(
    path: str | Path,
    run: Mapping[str, object],
    tables: Mapping[str, Table],
    reader: duckdb.DuckDBPyConnection | None = None,
    asked: Sequence[Asked] = (),
) -> bool:
    """Store one run, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    run : mapping
        The columns of `runs`; ValueError where one is missing or unknown.
    tables : mapping
        Table name -> column name -> column, without `run_id`. NaN is stored as NULL.
    reader : connection, optional
        One that has read the lakehouse and is no longer needed; it is used for writing and closed. None opens one.
    asked : sequence of (run_id, sweep_id, at, overrides)
        Rows of `asked`, which are added whether the run is stored already or not.

    Returns
    -------
    bool
        False where the run was stored already, at least as whole as this one.

    Raises
    ------
    StoreError
        When the lakehouse cannot be written; nothing of the run is then visible.
    """
    return commit_runs(path, [(run, tables)], reader, asked) == 1


def commit_runs(
    path: str | Path,
    runs: Sequence[Run],
    reader: duckdb.DuckDBPyConnection | None = None,
    asked: Sequence[Asked] = (),
) -> int:
    """Store runs in one transaction.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    runs : sequence of (mapping, mapping)
        The columns of `runs` (ValueError where one is missing or unknown), and table name -> column name -> column,
        without `run_id`. NaN is stored as NULL. Of two runs with the same identity the first is taken.
    reader : connection, optional
        One that has read the lakehouse and is no longer needed; it is used for writing and closed. None opens one.
    asked : sequence of (run_id, sweep_id, at, overrides)
        Rows of `asked`, in the order in which they count as asked for; they are added whatever is stored already.

    Returns
    -------
    int
        Runs that were written; those that were stored already, at least as whole, are left as they are.

    Raises
    ------
    StoreError
        When the lakehouse cannot be written; nothing of any run is then visible.
    """
    given = {str(run["run_id"]): ({**DEFAULTS, **run}, tables) for run, tables in reversed(runs)}
    given = dict(sorted(given.items()))
    for run, tables in given.values():
        _check(run, tables)
    ready = _ready(given)

    def work(con: duckdb.DuckDBPyConnection) -> int:
        stored = _stored(con, list(given))
        wanted = [name for name, (run, _) in given.items() if name not in stored or _replaces(run, *stored[name])]
        kept = _origins(con, [name for name in wanted if name in stored and stored[name][0] == "ok"])
        _delete(con, [name for name in wanted if name in stored])
        left = {name: ({**given[name][0], **kept.get(name, {})}, given[name][1]) for name in wanted}
        for name, rows in (ready if len(wanted) == len(given) and not kept else _ready(left)).items():
            _append(con, name, rows)
        append(con, asked)
        return len(wanted)

    return transact(path, work, reader=reader)


def _check(run: Mapping[str, object], tables: Mapping[str, Table]) -> None:
    if set(run) != set(SCHEMA["runs"]):
        raise ValueError(f"run: columns {sorted(set(run) ^ set(SCHEMA['runs']))} are missing or unknown")
    status, keep, error = run["status"], run["keep"], run["error"]
    if status not in ("ok", "failed") or keep not in ("all", "summary"):
        raise ValueError(f"run: got status {status!r}, keep {keep!r}; wanted ok or failed, all or summary")
    if (error is None) != (status == "ok"):
        raise ValueError(f"run: got error {error!r}, status {status!r}; a failed run has an error, no other has")
    for name in set(tables) - set(RUN_TABLES):
        raise ValueError(f"table '{name}': a run cannot write it; it writes {', '.join(RUN_TABLES)}")
    for name, table in tables.items():
        differing = sorted((set(table) | {"run_id"}) ^ set(SCHEMA[name])) if table else []
        if differing:
            raise ValueError(f"table '{name}': columns {differing} are missing or unknown; wanted {list(SCHEMA[name])}")
        lengths = {column: len(values) for column, values in table.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"table '{name}' of run '{run['run_id']}': columns differ in their rows: {lengths}")


def _ready(runs: Mapping[str, Run]) -> dict[str, pa.Table]:
    """Return table name -> the rows of all runs, of the tables that have any."""
    written = [name for name in RUN_TABLES if any(tables.get(name) for _, tables in runs.values())]
    return {name: _joined(name, runs) for name in written} | {"runs": _rows([run for run, _ in runs.values()])}


def _joined(name: str, runs: Mapping[str, Run]) -> pa.Table:
    parts = {run_id: tables[name] for run_id, (_, tables) in runs.items() if tables.get(name)}
    lengths = [len(next(iter(table.values()))) for table in parts.values()]
    owner = Coded(np.repeat(np.arange(len(parts), dtype=np.int32), lengths), tuple(parts))
    return to_arrow(name, {"run_id": owner, **concat(list(parts.values()))}, {})


def _rows(runs: Sequence[Mapping[str, object]]) -> pa.Table:
    return pa.table({name: _column([run[name] for run in runs], kind) for name, kind in SCHEMA["runs"].items()})


def _column(values: Sequence[Any], kind: str) -> pa.Array:
    return from_texts(values) if kind == "VARCHAR" else from_numpy(np.array(values, NUMPY[kind]))


def _stored(con: duckdb.DuckDBPyConnection, run_ids: list[str]) -> dict[str, tuple[str, str]]:
    """Return run_id -> status and keep of those runs that are stored."""
    sql = "SELECT run_id, status, keep FROM runs WHERE run_id IN (SELECT unnest($1::VARCHAR[]))"
    return {run_id: (status, keep) for run_id, status, keep in execute(con, sql, run_ids).fetchall()}


def _origins(con: duckdb.DuckDBPyConnection, run_ids: list[str]) -> dict[str, dict[str, object]]:
    """Return run_id -> what runs keep when more of them is stored."""
    if not run_ids:
        return {}
    sql = f"SELECT run_id, {', '.join(ORIGIN)} FROM runs WHERE run_id IN (SELECT unnest($1::VARCHAR[]))"
    return {run_id: dict(zip(ORIGIN, row, strict=True)) for run_id, *row in execute(con, sql, run_ids).fetchall()}


def _replaces(run: Mapping[str, object], status: str, keep: str) -> bool:
    return status == "failed" or ((status, keep) != WHOLE and (run["status"], run["keep"]) == WHOLE)


def _delete(con: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    for name in ("runs", *RUN_TABLES) if run_ids else ():
        execute(con, f"DELETE FROM {name} WHERE run_id IN (SELECT unnest($1::VARCHAR[]))", run_ids)


def _append(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    if rows.num_rows:
        insert(con, name, rows)
