"""Runs into the lakehouse: any number of them at once, each whole or not at all.

1. The tables of all runs become one stream each, ordered by run, so that a run's rows lie together in few files. They
   are asked for run by run, and some of them at a time are in memory. Those of a sweep lie in files already, which are
   made part of the lakehouse (metabt.lakehouse.runs.run_files).
2. Within one transaction: leave out the runs that are stored as they should be, delete what the others replace,
   append what is left with one INSERT per table.
3. A run is stored as it should be once it is ok and at least as whole as the new one. A failed run may be mended, and a
   run of which a sweep kept the summary may be kept whole: it stays the run that it was, with its start, engine, sweep
   and overrides. One that is damaged is replaced where the caller says so, after the damaged files have been taken out
   of the catalogue (metabt.lakehouse.catalog.retirement).
4. Digests of the run and of each of its tables are recorded with it (metabt.lakehouse.runs.run_digests).
5. Who asked for which run is written in the same transaction (metabt.lakehouse.runs.askings), and which trials they
   are before that (metabt.lakehouse.ledger): every run records its trial's key, and the head of the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.retirement import retire
from metabt.lakehouse.catalog.schema import ARROW, NUMPY, RUN_TABLES, SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.ledger.chain import head_text
from metabt.lakehouse.ledger.noting import note
from metabt.lakehouse.ledger.trial import Trial
from metabt.lakehouse.runs.askings import Asked, append, write
from metabt.lakehouse.runs.root_streams import keep_streams, stream_facts
from metabt.lakehouse.runs.run_digests import Measured, digests_text, row_digest
from metabt.lakehouse.runs.run_files import RunFiles, Staged
from metabt.lakehouse.runs.run_files import append as append_files
from metabt.lakehouse.runs.run_rows import Gathered, check_tables
from metabt.lakehouse.runs.run_seals import LISTED, OF_DIGESTS, seal_runs
from metabt.values.buffers import from_numpy, from_texts
from metabt.values.tables import Table

Tables = Mapping[str, Table] | Staged
"""Table name -> columns without `run_id`, or where they lie as files."""
Run = tuple[Mapping[str, object], Tables]
"""The columns of `runs`, and the run's tables."""

DEFAULTS: dict[str, object] = {"keep": "all", "overrides": None, "error": None}
"""Columns of `runs` that need not be given."""
GIVEN = tuple(column for column in SCHEMA["runs"] if column not in OF_DIGESTS)
"""Columns of `runs` that a caller states."""
WHOLE = ("ok", "all")
"""Status and keep of a run that nothing replaces."""
ROWS = 256
"""Rows of `runs` that are made ready at a time."""
ORIGIN = ("sweep_id", "engine", "started_at", "overrides")
"""Columns of `runs` that a run keeps when it is replaced by more of itself."""


def commit_run(
    path: str | Path,
    run: Mapping[str, object],
    tables: Mapping[str, Table],
    reader: duckdb.DuckDBPyConnection | None = None,
    asked: Sequence[Asked] = (),
    *,
    mend: bool = False,
    trials: Sequence[Trial] = (),
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
    mend : bool
        Replace the run if it is stored, since it is damaged.
    trials : sequence of Trial
        What it is a try of, which is noted whether the run is stored already or not.

    Returns
    -------
    bool
        False where the run was stored already, at least as whole as this one.

    Raises
    ------
    StoreError
        When the lakehouse cannot be written; nothing of the run is then visible.
    """
    return (
        commit_runs(path, [(run, tables)], reader, asked, mend=[str(run["run_id"])] if mend else (), trials=trials) == 1
    )


def commit_runs(
    path: str | Path,
    runs: Sequence[Run],
    reader: duckdb.DuckDBPyConnection | None = None,
    asked: Sequence[Asked] = (),
    *,
    mend: Collection[str] = (),
    trials: Sequence[Trial] = (),
) -> int:
    """Store runs in one transaction.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    runs : sequence of (mapping, mapping)
        The columns of `runs` (ValueError where one is missing or unknown), and table name -> column name -> column,
        without `run_id`, or the Staged files that they lie in. NaN is stored as NULL. Of two runs with the same
        identity the first is taken.
    reader : connection, optional
        One that has read the lakehouse and is no longer needed; it is used for writing and closed. None opens one.
    asked : sequence of (run_id, sweep_id, at, overrides)
        Rows of `asked`, in the order in which they count as asked for; they are added whatever is stored already.
    mend : collection of str
        Identities of runs that are replaced if they are stored, since they are damaged.
    trials : sequence of Trial
        What the runs are tries of, in the order in which they count; those that are new are noted in the ledger.

    Returns
    -------
    int
        Runs that were written; those that were stored already, at least as whole, are left as they are.

    Raises
    ------
    StoreError
        When the lakehouse cannot be written; nothing of any run is then visible.
    """
    given: dict[str, Run] = {str(run["run_id"]): ({**DEFAULTS, **run}, tables) for run, tables in reversed(runs)}
    measured = {name: _measured(*given[name]) for name in sorted(given)}
    streams = stream_facts(measured)
    given = _recorded({name: given[name] for name in measured}, measured)
    if mend:
        retire(path, ("runs", *RUN_TABLES))

    def work(con: duckdb.DuckDBPyConnection) -> int:
        keys = note(con, trials, streams, lambda run_ids: keep_streams(con, [_root(given[name]) for name in run_ids]))
        stored = _stored(con, list(given))
        wanted = [
            name
            for name, (run, _) in given.items()
            if name in mend or name not in stored or _replaces(run, *stored[name][:2])
        ]
        kept = _origins(con, [name for name in wanted if name in stored and stored[name][0] == "ok"])
        _delete(con, [name for name in wanted if name in stored or name in mend])
        left = {name: given[name] for name in wanted}
        left |= _as_read({name: ({**given[name][0], **kept[name]}, given[name][1]) for name in kept})
        left = _with_head(left, keys, head_text(con) if left else "")
        for name in RUN_TABLES:
            _append(con, name, left)
        append_files(con, _files(left))
        if left:
            insert(con, "runs", _rows([run for run, _ in left.values()]))
        gone = [stored[name][2] for name in wanted if name in stored]
        seal_runs(con, None if mend else gone, [str(run["digest"]) for run, _ in left.values()])
        append(con, asked)
        return len(wanted)

    return write(path, work, reader)


def _root(run: Run) -> tuple[str, str, Tables]:
    row, tables = run
    return str(row["run_id"]), str(row["portfolio"]), tables


def _check(run: Mapping[str, object]) -> None:
    if set(run) != set(GIVEN):
        raise ValueError(f"run: columns {sorted(set(run) ^ set(GIVEN))} are missing or unknown")
    status, keep, error = run["status"], run["keep"], run["error"]
    if status not in ("ok", "failed") or keep not in ("all", "summary"):
        raise ValueError(f"run: got status {status!r}, keep {keep!r}; wanted ok or failed, all or summary")
    if (error is None) != (status == "ok"):
        raise ValueError(f"run: got error {error!r}, status {status!r}; a failed run has an error, no other has")


def _measured(run: Mapping[str, object], tables: Tables) -> Measured:
    """Return what is recorded of a run's tables, once they are found to be what can be stored."""
    if isinstance(tables, Staged):
        return tables.measured
    check_tables(run["run_id"], tables)
    return Measured.of(str(run["portfolio"]), tables)


def _recorded(given: Mapping[str, Run], measured: Mapping[str, Measured]) -> dict[str, Run]:
    """Return runs, once they are found to be what can be stored, with the digests of their tables."""
    found: dict[str, Run] = {}
    for name, (run, tables) in given.items():
        _check(run)
        found[name] = {**run, "digests": digests_text(run, measured[name])}, tables
    return _as_read(found)


def _as_read(runs: Mapping[str, Run]) -> dict[str, Run]:
    """Return runs with their columns as they will be read back."""
    names = [name for name in GIVEN if SCHEMA["runs"][name] != "VARCHAR"]  # a text is read back as it is
    columns = {name: _column([run[name] for run, _ in runs.values()], SCHEMA["runs"][name]) for name in names}
    rows = pa.table(columns).to_pylist() if runs else []
    return {name: ({**run, **read}, tables) for (name, (run, tables)), read in zip(runs.items(), rows, strict=True)}


def _with_head(runs: Mapping[str, Run], keys: Mapping[str, str], head: str) -> dict[str, Run]:
    """Return runs with their trials, the head of the ledger, and the digest of their columns among these."""
    found: dict[str, Run] = {}
    for name, (run, tables) in runs.items():
        row = {**run, "trial": keys.get(name), "ledger_head": head}
        found[name] = {**row, "digest": row_digest(row)}, tables
    return found


def _append(con: duckdb.DuckDBPyConnection, name: str, runs: Mapping[str, Run]) -> None:
    """Append one table of all runs, as a stream that asks for it run by run."""
    parts = _parts(name, runs)
    first = next(parts, None)
    if first is not None:
        insert(con, name, pa.RecordBatchReader.from_batches(first.schema, chain([first], parts)))


def _parts(name: str, runs: Mapping[str, Run]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one table, of some runs at a time."""
    gathered = Gathered(name)
    for run_id, (_, tables) in runs.items():
        if not isinstance(tables, Staged):
            gathered.add(run_id, tables.get(name))
        if gathered.enough:
            yield from _batches(gathered)
    yield from _batches(gathered)


def _batches(gathered: Gathered) -> list[pa.RecordBatch]:
    rows = gathered.taken()
    return [] if rows is None else rows.to_batches()


def _files(runs: Mapping[str, Run]) -> dict[RunFiles, list[str]]:
    """Return the files in which tables of runs lie, and of each the runs whose rows are taken from there."""
    found: dict[RunFiles, list[str]] = {}
    for run_id, (_, tables) in runs.items():
        if isinstance(tables, Staged):
            found.setdefault(tables.files, []).append(run_id)
    return found


def _rows(runs: Sequence[Mapping[str, object]]) -> pa.RecordBatchReader:
    """Return rows of `runs` as a stream: what is large is there twice of some of them at a time."""
    kinds = SCHEMA["runs"].items()
    schema = pa.schema({name: pa.large_string() if kind == "VARCHAR" else ARROW[kind] for name, kind in kinds})

    def batches() -> Iterator[pa.RecordBatch]:
        for first in range(0, len(runs), ROWS):
            some = runs[first : first + ROWS]
            columns = {name: _column([run[name] for run in some], kind) for name, kind in kinds}
            yield from pa.table(columns, schema=schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _column(values: Sequence[Any], kind: str) -> pa.Array:
    return from_texts(values, large=True) if kind == "VARCHAR" else from_numpy(np.array(values, NUMPY[kind]))


def _stored(con: duckdb.DuckDBPyConnection, run_ids: list[str]) -> dict[str, tuple[str, str, str]]:
    """Return run_id -> status, keep and digest of those runs that are stored."""
    sql = "SELECT run_id, status, keep, digest FROM runs WHERE run_id IN (SELECT unnest($1::VARCHAR[]))"
    return {run_id: (status, keep, text) for run_id, status, keep, text in execute(con, sql, run_ids).fetchall()}


def _origins(con: duckdb.DuckDBPyConnection, run_ids: list[str]) -> dict[str, dict[str, object]]:
    """Return run_id -> what runs keep when more of them is stored; nothing of one whose row is damaged."""
    if not run_ids:
        return {}
    sql = f"SELECT {', '.join((*LISTED, *OF_DIGESTS))} FROM runs WHERE list_contains($1::VARCHAR[], run_id)"
    rows = execute(con, sql, run_ids).to_arrow_table().to_pylist()
    return {row["run_id"]: {name: row[name] for name in ORIGIN} for row in rows if row["digest"] == row_digest(row)}


def _replaces(run: Mapping[str, object], status: str, keep: str) -> bool:
    return status == "failed" or ((status, keep) != WHOLE and (run["status"], run["keep"]) == WHOLE)


def _delete(con: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    for name in ("runs", *RUN_TABLES) if run_ids else ():
        execute(con, f"DELETE FROM {name} WHERE run_id IN (SELECT unnest($1::VARCHAR[]))", run_ids)
