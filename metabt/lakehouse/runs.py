"""Runs in the lakehouse: a run appears whole or not at all, and is found again by its identity.

1. `commit_run` turns every table into Arrow, then appends all of them and the row in `runs` in one transaction.
2. A run that is already there is left alone: its identity is the digest of all that it depends on.
3. `load_run` returns the tables in the order in which they were handed over.
4. `resolve_run` understands "latest", a portfolio's name and any unique beginning of a run's identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from metabt.errors import ConfigError, StoreError, nearest
from metabt.lakehouse.tables import ARROW, RUN_TABLES, SCHEMA, from_arrow, insert, to_arrow
from metabt.lakehouse.transaction import transact
from metabt.tables import Table


def commit_run(
    path: str | Path,
    run: Mapping[str, object],
    tables: Mapping[str, Table],
    reader: duckdb.DuckDBPyConnection | None = None,
) -> bool:
    """Store a run; return False where it was there already.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    run : mapping
        The columns of `runs`.
    tables : mapping
        Table name -> columns without `run_id`. NaN is stored as NULL.
    reader : connection, optional
        One that has read the lakehouse and is no longer needed; it is used for writing and closed.

    Raises
    ------
    StoreError
        When the lakehouse cannot be written; nothing of the run is then visible.
    """
    run_id = str(run["run_id"])
    for name in set(tables) - set(RUN_TABLES):
        raise ValueError(f"table '{name}': a run cannot write it; it writes {', '.join(RUN_TABLES)}")
    ready = {name: to_arrow(name, table, {"run_id": run_id}) for name, table in tables.items() if table}
    ready["runs"] = _run_row(run)

    def work(con: duckdb.DuckDBPyConnection) -> bool:
        if find_run(con, run_id):
            return False
        for name, rows in ready.items():
            insert(con, name, rows)
        return True

    return transact(path, work, reader=reader)


def find_run(con: duckdb.DuckDBPyConnection, run_id: str) -> bool:
    """Return whether the run is stored."""
    return bool(con.execute("SELECT count(*) FROM runs WHERE run_id = $1", [run_id]).fetchall()[0][0])


def load_run(con: duckdb.DuckDBPyConnection, run_id: str) -> tuple[dict[str, object], dict[str, Table]]:
    """Return a run's row and its tables without `run_id`, rows in the order in which they were stored.

    Raises
    ------
    StoreError
        When there is no such run.
    """
    found = con.execute("SELECT * FROM runs WHERE run_id = $1", [run_id]).to_arrow_table().to_pylist()
    if not found:
        raise StoreError(f"no run '{run_id}' in the lakehouse; `metabt runs` lists what there is")
    return found[0], {name: _load_table(con, name, run_id) for name in RUN_TABLES}


def list_runs(con: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
    """Return the rows of `runs`, newest first."""
    return con.execute("SELECT * FROM runs ORDER BY started_at DESC, run_id").to_arrow_table().to_pylist()


def resolve_run(con: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return the identity of the run that `name` means.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    name : str
        "latest", a portfolio's name (its newest run), or a unique beginning of a run's identity.

    Raises
    ------
    ConfigError
        When it means no run, or several.
    """
    runs = list_runs(con)
    if not runs:
        raise ConfigError("the lakehouse holds no run yet; `metabt backtest` makes one")
    if name == "latest":
        return str(runs[0]["run_id"])
    named = [str(run["run_id"]) for run in runs if name in (run["portfolio"], run["run_id"])]
    if named:
        return named[0]
    started = [str(run["run_id"]) for run in runs if name and str(run["run_id"]).startswith(name)]
    if len(started) == 1:
        return started[0]
    if started:
        some = ", ".join(started[:5])
        raise ConfigError(f"'{name}' begins {len(started)} runs ({some}); give more of the one you mean")
    raise ConfigError(f"no run or portfolio '{name}' in the lakehouse{nearest(name, _names(runs))}")


def snapshot(con: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the lakehouse's current snapshot."""
    return int(con.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()[0][0])


def _run_row(run: Mapping[str, object]) -> pa.Table:
    if set(run) != set(SCHEMA["runs"]):
        raise ValueError(f"run: columns {sorted(set(run) ^ set(SCHEMA['runs']))} are missing or unknown")
    return pa.table({name: pa.array([run[name]], ARROW[kind]) for name, kind in SCHEMA["runs"].items()})


def _load_table(con: duckdb.DuckDBPyConnection, name: str, run_id: str) -> Table:
    columns = ", ".join(f'"{column}"' for column in SCHEMA[name] if column != "run_id")
    # rowid follows the order of insertion, across files and rows that are kept in the catalogue
    rows = con.execute(f"SELECT {columns} FROM {name} WHERE run_id = $1 ORDER BY rowid", [run_id])
    return from_arrow(name, rows.to_arrow_table())


def _names(runs: list[dict[str, object]]) -> set[str]:
    return {str(run["portfolio"]) for run in runs} | {"latest"}
