"""Soundness: everything that a lakehouse stores is read from disk and compared with what was recorded of it.

1. Files: the SHA-256 of every data file, those of earlier snapshots of data included; of runs the current ones.
2. Data: calendars, symbols and digests with their seals, all prices with their digests, and what is dated beside them.
3. Runs: their rows and askings with the seals of all, and every table of each.
4. The ledger of trials: its chain, and the stream of every trial.

What is found is said and gone on from; the catalogue itself, if it cannot be opened, is an error at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog.attachment import DATA, attach
from metabt.lakehouse.catalog.catalog_location import located
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.damage import AGAIN, COPY
from metabt.lakehouse.catalog.file_records import fault_of, listed, recorded
from metabt.lakehouse.catalog.retirement import META
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA
from metabt.lakehouse.ledger.chain import read_chain
from metabt.lakehouse.ledger.trial import KIND, noted_trials
from metabt.lakehouse.ledger.trial_streams import Column, columns
from metabt.lakehouse.point_in_time.loading import load_point_in_time, stray_rows
from metabt.lakehouse.prices.dataset_facts import dataset_symbols, load_facts, read_digests
from metabt.lakehouse.prices.price_panels import bar_digests, read_rows
from metabt.lakehouse.prices.seals import BARS
from metabt.lakehouse.prices.snapshots import snapshot
from metabt.lakehouse.runs.run_seals import check_askings
from metabt.lakehouse.runs.stored_runs import list_runs, load_run
from metabt.lakehouse.storage.port import Root

OF_RUNS = ("runs", "asked", "seals", *RUN_TABLES)
"""Tables of runs."""
OF_TRIALS = ("ledger", "trial_returns", "trial_cash")
"""Tables of what was tried."""
PRESENT = (*OF_RUNS, *OF_TRIALS)
"""Tables that are read as they are now alone."""
KEPT = "restore it from a copy; runs go on, and rankings say that the ledger is not whole"
"""What mends the ledger of trials: nothing but a copy."""
REFERRED = (
    f"SELECT t.table_name, f.path FROM {META}.ducklake_data_file f JOIN {META}.ducklake_table t USING (table_id) "
    f"UNION SELECT t.table_name, f.path FROM {META}.ducklake_delete_file f JOIN {META}.ducklake_table t "
    "USING (table_id)"
)
"""What asks DuckLake's own tables for every file of every snapshot."""


@dataclass
class Soundness:
    """What was gone over, and what is wrong with it."""

    counts: dict[str, int] = field(default_factory=dict)
    """files, datasets, symbols, sessions, rows of what is dated, runs and trials that were read."""
    faults: list[str] = field(default_factory=list)
    """What is damaged, what that means and the cure, a sentence each."""

    def count(self, what: str, number: int) -> None:
        """Add to a count."""
        self.counts[what] = self.counts.get(what, 0) + number


def check_lakehouse(path: str | Path) -> Soundness:
    """Read everything that a lakehouse stores, but for its cache, and return what is wrong.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.

    Returns
    -------
    Soundness
        What was read, counted, and what is damaged.

    Raises
    ------
    StoreError
        When there is no lakehouse at `path`, or its catalogue cannot be opened.
    """
    found = Soundness()
    with attach(path, read_only=True) as con:
        snapshot(con)
        _attempt(found, lambda: _check_files(con, located(path), found))
        _attempt(found, lambda: _check_data(con, found))
        _attempt(found, lambda: _check_runs(con, found))
        _attempt(found, lambda: _check_trials(con, found))
    return found


def check_files(path: str | Path) -> None:
    """Compare every data file with what was recorded of it; what the catalogue itself holds is not asked.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.

    Raises
    ------
    StoreError
        For a file that differs, and where there is no lakehouse at `path`.
    """
    found = Soundness()
    with attach(path, read_only=True) as con:
        _check_files(con, located(path), found)
    if found.faults:
        raise StoreError("; ".join(found.faults))


def _attempt(found: Soundness, check: Callable[[], object]) -> None:
    try:
        check()
    except StoreError as error:
        found.faults.append(str(error))


@reported
def _check_files(con: duckdb.DuckDBPyConnection, root: Root, found: Soundness) -> None:
    known = recorded(con)
    for table, name, path in _files(con, root):
        found.count("files", 1)
        fault = fault_of(con, path, name, known)
        if fault:
            found.faults.append(f"{fault}: {_means(table)}")


def _means(table: str) -> str:
    """Return what a damaged file of a table means, and the cure."""
    if table in OF_TRIALS:
        return f"trials in it cannot be read; {KEPT}"
    return f"runs in it cannot be read; {AGAIN}" if table in OF_RUNS else f"what is in it is refused when read; {COPY}"


def _files(con: duckdb.DuckDBPyConnection, root: Root) -> Iterator[tuple[str, str, Root]]:
    """Yield table, recorded name and place of every file that an answer may come from."""
    for table in SCHEMA:
        for name, path in listed(con, table).items() if table in PRESENT else ():
            yield table, name, path
    for table, path in sorted(con.execute(REFERRED).fetchall()):
        if table in SCHEMA and table not in PRESENT:
            yield table, f"main/{table}/{path}", root / f"{DATA}/main/{table}/{path}"


@reported
def _check_data(con: duckdb.DuckDBPyConnection, found: Soundness) -> None:
    for name, symbols in dataset_symbols(con).items():
        found.count("datasets", 1)
        found.count("symbols", len(symbols))
        _attempt(found, partial(_check_dataset, con, name, found))
        _attempt(found, partial(_check_tables, con, name, found))
    found.faults.extend(stray_rows(con))


def _check_dataset(con: duckdb.DuckDBPyConnection, name: str, found: Soundness) -> None:
    known = load_facts(con, {name: None})[name]
    found.count("sessions", len(known.dates))
    read_rows(con, known, slice(0, len(known.dates)))
    cells = read_digests(con, {name: None}, fields=BARS)[name]
    bars = bar_digests(con, name, known.dates, known.symbols)
    if {(symbol, label, field): text for symbol, label, field, text in bars} != cells:
        raise StoreError(f"dataset '{name}': open, high or low are not what was ingested; {COPY}")


def _check_tables(con: duckdb.DuckDBPyConnection, name: str, found: Soundness) -> None:
    for table in load_point_in_time(con, [name])[name].tables.values():
        found.count("dated rows", len(table))


@reported
def _check_runs(con: duckdb.DuckDBPyConnection, found: Soundness) -> None:
    _attempt(found, lambda: check_askings(con))
    for row in list_runs(con):
        found.count("runs", 1)
        _attempt(found, partial(load_run, con, str(row["run_id"])))


@reported
def _check_trials(con: duckdb.DuckDBPyConnection, found: Soundness) -> None:
    chain = read_chain(con)
    found.faults.extend([] if chain.fault is None else [chain.fault])
    trials = noted_trials((link.key, link.ordinal, link.content) for link in chain.links if link.kind == KIND)
    found.count("trials", len(trials))
    for stream in columns(con, [trial for trial in trials.values() if trial.content["stream"] is not None]):
        if not isinstance(stream, Column):
            found.faults.append(f"trial {stream.key[:12]}: its stream is not what was stored; {KEPT}")
