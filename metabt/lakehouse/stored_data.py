"""Stored data: which datasets there are, what is odd about them, and how they and runs are taken away again.

1. `list_datasets`, `list_checks` and `count_checks` only read.
2. `drop` deletes prices of a dataset, or of some of its symbols, with their sessions, digests and checks.
3. `forget` deletes a run, or all runs of a sweep, from every table.
4. Both are one transaction. Earlier snapshots of the lakehouse still have what was deleted, and stored runs keep the
   tables that were computed from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from metabt.errors import ConfigError, nearest
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.schema import RUN_TABLES
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.prices.dataset_facts import chosen, dataset_symbols

DATASET_COLUMNS = ("dataset", "symbols", "sessions", "first_date", "last_date", "closed", "checks")
CHECK_COLUMNS = ("symbol", "date", "kind", "value")
KIND_COLUMNS = ("dataset", "kind", "count")
Rows = list[tuple[Any, ...]]
Con = duckdb.DuckDBPyConnection


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
        Name, numbers of symbols and sessions, first and last session, whether it is closed, how much odd was noted.
    """
    sql = (
        "SELECT dataset, symbols, sessions, first_date, last_date, closed, "
        "(SELECT count(*) FROM checks c WHERE c.dataset = d.dataset) FROM datasets d ORDER BY dataset"
    )
    return con.execute(sql).fetchall()


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


def forget(path: str | Path, name: str) -> list[str]:
    """Delete a run, or all runs of a sweep, from every table.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    name : str
        The identity of a run or of a sweep, or a beginning of at least 4 characters that only one of them has.

    Returns
    -------
    list of str
        The runs that were deleted.

    Raises
    ------
    ConfigError
        For a name that means nothing, or several runs.
    StoreError
        For a lakehouse that is not there, or cannot be written.
    """
    return transact(path, lambda con: _forget(con, name))


def _drop(con: Con, dataset: str, symbols: tuple[str, ...]) -> tuple[int, int]:
    from metabt.lakehouse.ingestion.anomalies import note_anomalies
    from metabt.lakehouse.ingestion.ingestion import drop_empty_sessions, record_extent
    from metabt.lakehouse.prices.price_digests import replace_digests

    known = dataset_symbols(con)
    gone = chosen(known, dataset, symbols or None)
    which = "dataset = $1 AND list_contains($2::VARCHAR[], symbol)"
    n_prices = int(execute(con, f"SELECT count(*) FROM prices WHERE {which}", dataset, gone).fetchall()[0][0])
    if len(gone) == len(known[dataset]):
        for table in ("prices", "digests", "calendars", "datasets", "checks"):
            execute(con, f"DELETE FROM {table} WHERE dataset = $1", dataset)
        return n_prices, 0
    execute(con, f"DELETE FROM prices WHERE {which}", dataset, gone)
    drop_empty_sessions(con, dataset)
    replace_digests(con, dataset, set(gone))
    record_extent(con, dataset)
    note_anomalies(con, dataset)
    return n_prices, len(known[dataset]) - len(gone)


def _forget(con: Con, name: str) -> list[str]:
    runs = con.execute("SELECT run_id, sweep_id FROM runs").fetchall()
    whole = {run for run, _ in runs} | {sweep for _, sweep in runs if sweep}
    fitting = {one for one in whole if one == name or (len(name) >= 4 and one.startswith(name))}
    if name in fitting:
        fitting = {name}
    if len(fitting) != 1:
        if fitting:
            raise ConfigError(
                f"'{name}' is the beginning of {len(fitting)} runs and sweeps: {_shown(fitting)}; say more of it"
            )
        raise ConfigError(
            f"no run or sweep '{name}'{nearest(name, whole) if len(name) > 4 else ''}; "
            "say its run_id or sweep_id, or 4 characters of its beginning; `metabt runs` lists them"
        )
    (found,) = fitting
    gone = sorted(run for run, sweep in runs if found in (run, sweep))
    for table in ("runs", *RUN_TABLES):
        execute(con, f"DELETE FROM {table} WHERE list_contains($1::VARCHAR[], run_id)", gone)
    return gone


def _shown(names: set[str]) -> str:
    return ", ".join(name[:12] for name in sorted(names)[:6])
