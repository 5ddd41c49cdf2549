"""Stored data: which datasets there are, what is odd about them, and how they and runs are taken away again.

1. `list_datasets`, `list_checks` and `count_checks` only read.
2. `drop` deletes prices of a dataset, or of some of its symbols, with their sessions, digests and checks; with a whole
   dataset go its tables of what is dated beside prices, and one of them goes by itself.
3. `forget` deletes a run, or the runs that a sweep alone asked for, from every table; a name means what it means in
   every command.
4. Both are one transaction. Earlier snapshots of the lakehouse still have what was deleted, and stored runs keep the
   tables that were computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from metabt.data.point_in_time.lives import Lives
from metabt.errors import ConfigError
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.schema import DATED_TABLES, RUN_TABLES
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.point_in_time.loading import load_point_in_time
from metabt.lakehouse.prices.dataset_facts import chosen, dataset_symbols, datasets_with
from metabt.lakehouse.runs.names import LATEST, resolve_run
from metabt.lakehouse.runs.run_seals import check_askings, seal_askings, seal_runs, sound_runs

DATASET_COLUMNS = (
    *("dataset", "symbols", "sessions", "first_date", "last_date", "closed", "panel", "adjusted", "tables", "checks"),
    "assets",
)
CHECK_COLUMNS = ("symbol", "date", "kind", "value")
KIND_COLUMNS = ("dataset", "kind", "count")
Rows = list[tuple[Any, ...]]
Con = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Forgotten:
    """What `forget` did."""

    gone: tuple[str, ...]
    """The runs that were deleted."""
    others: tuple[str, ...] = ()
    """Runs of the sweep that were asked for otherwise too, and stay."""


@reported
def list_datasets(con: Con) -> Rows:
    """Return a row under DATASET_COLUMNS for each dataset, by name.

    Parameters
    ----------
    con : connection
        An attached lakehouse.

    Returns
    -------
    list of tuple
        Name, numbers of symbols and sessions, first and last session, whether it is closed, its steps as JSON or None,
        whether prices are adjusted, which tables of what is dated beside them it has, with their numbers of rows, or
        None, how much odd was noted, and the number of its assets where a table names them, else None.
    """
    from metabt.lakehouse.point_in_time.seals import recorded

    sql = (
        "SELECT dataset, symbols, sessions, first_date, last_date, closed, panel, adjusted, tables, "
        "(SELECT count(*) FROM checks c WHERE c.dataset = d.dataset) FROM datasets d ORDER BY dataset"
    )
    place, assets = DATASET_COLUMNS.index("tables"), _assets(con)
    return [
        (*row[:place], _tables(recorded(row[place])), *row[place + 1 :], assets.get(row[0]))
        for row in con.execute(sql).fetchall()
    ]


def _assets(con: Con) -> dict[str, int]:
    """Return dataset -> how many assets it has, of those with a table that names them."""
    names = datasets_with(con, "assets")
    if not names:
        return {}
    held = dataset_symbols(con)
    known = load_point_in_time(con, names)
    return {name: len(Lives.of(held[name], known[name].tables["assets"]).assets_of(held[name])) for name in names}


def _tables(known: Mapping[str, tuple[int, str]]) -> str | None:
    return ", ".join(f"{name} {n_rows:,}" for name, (n_rows, _) in known.items()) or None


@reported
def list_checks(con: Con, dataset: str) -> Rows:
    """Return a row under CHECK_COLUMNS for all that is odd about a dataset, by kind, symbol and date.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    dataset : str
        Its name.

    Returns
    -------
    list of tuple
        Symbol, date, kind and value: a factor, or a number of sessions (metabt.lakehouse.ingestion.anomalies).

    Raises
    ------
    ConfigError
        For a dataset that the lakehouse does not have.
    """
    chosen(dataset_symbols(con), dataset, None)
    sql = "SELECT symbol, date, kind, value FROM checks WHERE dataset = $1 ORDER BY kind, symbol, date"
    return execute(con, sql, dataset).fetchall()


@reported
def count_checks(con: Con) -> Rows:
    """Return a row under KIND_COLUMNS for each kind of oddity of each dataset.

    Parameters
    ----------
    con : connection
        An attached lakehouse.

    Returns
    -------
    list of tuple
        Dataset, kind, and how often it was noted.
    """
    return con.execute("SELECT dataset, kind, count(*) FROM checks GROUP BY ALL ORDER BY ALL").fetchall()


def drop(path: str | Path, dataset: str, symbols: tuple[str, ...] = ()) -> tuple[int, int]:
    """Delete a dataset, or some of its symbols, from now on.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    dataset : str
        Its name.
    symbols : tuple of str
        Symbols; none is the whole dataset.

    Returns
    -------
    tuple of int
        How many prices were deleted, and how many symbols the dataset has left.

    Raises
    ------
    ConfigError
        For a dataset or a symbol that the lakehouse does not have.
    StoreError
        For a lakehouse that is not there, or cannot be written.
    """
    return transact(path, lambda con: _drop(con, dataset, symbols))


def forget(path: str | Path, name: str, overrides: Sequence[str] = ()) -> Forgotten:
    """Delete a run, or the runs of a sweep, from every table; who asked for them is forgotten too.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    name : str
        What names a run in every command (metabt.lakehouse.runs.names), or the beginning of a sweep_id.
    overrides : sequence of str
        The run of that portfolio that was asked for with these.

    Returns
    -------
    Forgotten
        The runs that were deleted, and those of a sweep that stay.

    Raises
    ------
    ConfigError
        For a name that means nothing, several runs, or a run that is not what it promises.
    StoreError
        For a lakehouse that is not there, or cannot be written.
    """
    return transact(path, lambda con: _forget(con, name, overrides))


def _drop(con: Con, dataset: str, symbols: tuple[str, ...]) -> tuple[int, int]:
    from metabt.lakehouse.ingestion.anomalies import note_anomalies
    from metabt.lakehouse.ingestion.ingestion import drop_empty_sessions
    from metabt.lakehouse.prices.dataset_rows import record_extent
    from metabt.lakehouse.prices.price_digests import FIRST, check_stored, replace_digests

    known = dataset_symbols(con)
    gone = chosen(known, dataset, symbols or None)
    which = "dataset = $1 AND list_contains($2::VARCHAR[], symbol)"
    n_prices = int(execute(con, f"SELECT count(*) FROM prices WHERE {which}", dataset, gone).fetchall()[0][0])
    if len(gone) == len(known[dataset]):
        for table in ("prices", "digests", "calendars", "datasets", "symbols", "checks", *DATED_TABLES):
            execute(con, f"DELETE FROM {table} WHERE dataset = $1", dataset)
        return n_prices, 0
    check_stored(con, dataset, set(known[dataset]) - set(gone), FIRST)
    execute(con, f"DELETE FROM prices WHERE {which}", dataset, gone)
    drop_empty_sessions(con, dataset)
    replace_digests(con, dataset, set(gone), FIRST)
    record_extent(con, dataset)
    note_anomalies(con, dataset)
    return n_prices, len(known[dataset]) - len(gone)


def _forget(con: Con, name: str, overrides: Sequence[str]) -> Forgotten:
    digests = {run["run_id"]: str(run["digest"]) for run in sound_runs(con)}
    check_askings(con)
    sweep = None if overrides else _sweep(con, name)
    others: list[str] = []
    if sweep is None:
        gone = [resolve_run(con, name, overrides, _refuse_another)]
    else:
        gone, others = _members(con, sweep)
        execute(con, "DELETE FROM asked WHERE sweep_id = $1", sweep)
    for table in ("runs", "asked", *RUN_TABLES):
        execute(con, f"DELETE FROM {table} WHERE list_contains($1::VARCHAR[], run_id)", gone)
    seal_runs(con, [digests[run] for run in gone], [])
    seal_askings(con)
    return Forgotten(tuple(gone), tuple(others))


def _refuse_another(said: str) -> None:
    raise ConfigError(f"{said}; to delete that one, say its run_id")


def _sweep(con: Con, name: str) -> str | None:
    """Return the sweep that a name begins; None where it begins none, or is a portfolio's.

    Raises
    ------
    ConfigError
        When it begins several sweeps, or a run too.
    """
    runs: list[tuple[str, str]] = con.execute("SELECT run_id, portfolio FROM runs").fetchall()
    if name == LATEST or not name or any(name == portfolio for _, portfolio in runs):
        return None
    sweeps = {sweep for _, sweep in con.execute(_SWEPT).fetchall()}
    fitting = {one for one in {run for run, _ in runs} | sweeps if one.startswith(name)}
    fitting = {name} if name in fitting else fitting
    if len(fitting) > 1 and fitting & sweeps:
        told = ", ".join(f"{'sweep' if one in sweeps else 'run'} {one[:20]}" for one in sorted(fitting)[:6])
        raise ConfigError(f"'{name}' begins {len(fitting)} runs and sweeps ({told}); give more of the one you mean")
    return next(iter(fitting & sweeps), None)


def _members(con: Con, sweep: str) -> tuple[list[str], list[str]]:
    """Return the runs that a sweep alone asked for, and those that were asked for otherwise too."""
    sql = (
        f"SELECT run_id, bool_and(sweep_id IS NOT DISTINCT FROM $1) FROM ({_ASKED}) a "
        f"WHERE run_id IN (SELECT run_id FROM ({_SWEPT}) s WHERE sweep_id = $1) GROUP BY run_id ORDER BY run_id"
    )
    members: list[tuple[str, bool]] = execute(con, sql, sweep).fetchall()
    return [run for run, alone in members if alone], [run for run, alone in members if not alone]


_ASKED = (
    "SELECT run_id, sweep_id FROM asked UNION ALL "
    "SELECT run_id, sweep_id FROM runs WHERE run_id NOT IN (SELECT run_id FROM asked)"
)
_SWEPT = f"SELECT DISTINCT run_id, sweep_id FROM ({_ASKED}) a WHERE sweep_id IS NOT NULL"
