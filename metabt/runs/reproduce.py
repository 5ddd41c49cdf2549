"""Reproduce a run: compute it again from what it recorded, and compare every byte.

1. The tree comes from the recorded configuration, the prices from the recorded snapshot.
2. It is walked without any cache, and assembled as it was kept.
3. Every table but `stages`, which has times, is compared row by row and column by column; NaN is NaN.
4. Where bytes differ, so should an input: code, libraries, platform, data. Which one is said.

`origin` is another use of a recorded run: it is walked again for what its tables do not hold.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metabt.build.cache import NoCache
from metabt.build.ports import Cache, Progress
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.local import Local
from metabt.errors import MetabtError, StoreError
from metabt.lakehouse.price_source import Lakehouse
from metabt.runs.input_differences import Difference, version_differences
from metabt.runs.record import Record, read_record
from metabt.runs.replay import Origin
from metabt.runs.request import Request, benchmark_of, request, stored_tree
from metabt.values.tables import Coded, Column, Table, texts

TIMED = "stages"
"""The table of times and cache hits, which no second run repeats."""


@dataclass(frozen=True)
class Reproduction:
    """A run, computed again."""

    run: Record
    """The run."""
    tables: int
    """Tables that have the same bytes, of those before the first that has not."""
    rows: int
    """Their rows."""
    differs: str | None
    """Table, row and column of the first byte that differs; None where none does."""
    inputs: tuple[Difference, ...]
    """What differs between the inputs then and now."""


def reproduce(lakehouse: str | Path, run_id: str, progress: Progress | None = None) -> Reproduction:
    """Compute a stored run again, without a cache, and return whether it has the same bytes.

    Raises
    ------
    StoreError
        For a run that is not there or failed, or whose snapshot is gone.
    """
    run, source, asked = recorded(lakehouse, run_id)
    stored = _stored_tables(source, run_id)
    inputs = _inputs(run, asked)
    try:
        again = _computed(run, asked, progress)
    except MetabtError as error:
        return Reproduction(run, 0, 0, f"it fails now: {error}", inputs)
    names = [name for name in again if name != TIMED]
    for place, name in enumerate(names):
        difference = first_difference(stored[name], again[name])
        if difference:
            return Reproduction(run, place, _rows(stored, names[:place]), f"table {name}: {difference}", inputs)
    return Reproduction(run, len(names), _rows(stored, names), None, inputs)


def recorded(lakehouse: str | Path, run_id: str) -> tuple[Record, Lakehouse, Request]:
    """Return a run, the lakehouse as the run read it, and the request that the run's configuration makes of it.

    Raises
    ------
    StoreError
        For a run that is not there or failed, or whose snapshot is gone.
    """
    present = Lakehouse(Path(lakehouse))
    run = read_record(present.connection, run_id)
    source, tree = present.at(run.snapshot), stored_tree(run.config)
    try:
        datasets = source.datasets([tree])
        benchmark = benchmark_of(run.benchmark, source, tree, source.symbols() if run.benchmark else {})
    except StoreError as error:
        raise StoreError(
            f"run {run.short}: the lakehouse no longer has snapshot {run.snapshot}, which it read ({error}); an "
            "expired snapshot cannot be brought back, but its run stays as it is stored"
        ) from error
    return run, source, request(tree, datasets, run.config["end"], run.shape, benchmark)


def origin(
    lakehouse: str | Path, run_id: str, cache: Cache | None = None, decided: Callable[[], Table | None] = lambda: None
) -> Origin:
    """Return the request and the cache of a stored run: `cache`, or with None the lakehouse's own.

    `decided` returns its table `decisions` where that has been read: they are not taken again then.

    Raises
    ------
    StoreError
        For a run that is not there or failed, whose snapshot is gone, or which other code has made.
    """
    run, source, asked = recorded(lakehouse, run_id)
    check_same_code(run, asked, "cannot be walked again for what its tables do not hold")
    return Origin(asked, source.cache() if cache is None else cache, decided)


def check_same_code(run: Record, asked: Request, cannot: str) -> None:
    """Raise StoreError, saying what differs, where this code gives the request another run_id than the run has.

    The message is "run ID `cannot`", with the cause.
    """
    if asked.run_id != run.run_id:
        raise StoreError(
            f"run {run.short} {cannot}: {_named(_inputs(run, asked))}, so it would "
            f"be another run; run its configuration again with `{_command(run)}`, or go back to the code that made it"
        )


def _command(run: Record) -> str:
    return shlex.join(["metabt", "backtest", *json.loads(run.row["overrides"] or "[]")])


def first_difference(stored: Table, again: Table) -> str | None:
    """Return the first row and column in which two tables differ to the bit; None where there is none."""
    lengths = [len(next(iter(table.values()))) if table else 0 for table in (stored, again)]
    size = min(lengths)
    places = {name: _first(_cut(stored[name], size), _cut(again[name], size)) for name in again}
    found = {name: row for name, row in places.items() if row is not None}
    if found:
        name = min(found, key=lambda column: found[column])
        values = [_value(table[name], found[name]) for table in (stored, again)]
        return f"row {found[name]}, column {name}: stored {values[0]}, computed {values[1]}"
    return f"{lengths[0]} rows stored, {lengths[1]} computed" if lengths[0] != lengths[1] else None


def _computed(run: Record, asked: Request, progress: Progress | None) -> dict[str, Table]:
    options: dict[str, Any] = {"executor": Local(), "cache": NoCache(), "keep": run.keep, "force": True}
    job = BacktestEngine([asked.tree], asked.datasets, is_meta_backtest=run.shape, **options)
    return job.assemble(job.run(progress), end=asked.end, benchmark=asked.benchmark)


def _stored_tables(source: Lakehouse, run_id: str) -> Mapping[str, Table]:
    from metabt.lakehouse import load_run

    return load_run(source.connection, run_id)[1]


def _inputs(run: Record, asked: Request) -> tuple[Difference, ...]:
    found = version_differences(run.versions, asked.versions)
    data = [name for name, text in asked.digests.items() if run.config["data"].get(name) != text]
    if run.config.get("benchmark") != asked.config.get("benchmark"):
        data.append(f"benchmark {run.benchmark}")
    through = {name: ", read through other steps," for name in asked.steps if any(it.kind == "step" for it in found)}
    told = [f"{name}{through.get(name, '')} is not what its digest says" for name in data]
    return tuple([*found, *(Difference("prices", text) for text in told)])


def _named(inputs: tuple[Difference, ...]) -> str:
    some = "; ".join(f"{cause.kind} {cause.text}" for cause in inputs[:3])
    more = f" and {len(inputs) - 3} more" if len(inputs) > 3 else ""
    return f"what it was made with has changed ({some}{more})" if some else "the code names it otherwise now"


def _rows(tables: Mapping[str, Table], names: list[str]) -> int:
    return sum(len(next(iter(tables[name].values()))) for name in names if tables[name])


def _cut(column: Column, size: int) -> Column:
    return column.take(np.arange(size)) if isinstance(column, Coded) else column[:size]


def _first(one: Column, other: Column) -> int | None:
    """Return the first row in which two columns of one length differ."""
    unequal = texts(one) != texts(other) if isinstance(one, Coded) else ~_same(one, np.asarray(other))
    rows = np.flatnonzero(unequal)
    return int(rows[0]) if len(rows) else None


def _same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    if one.dtype.kind != "f":
        return np.asarray(one == other)
    one, other = (np.ascontiguousarray(values, np.float64) for values in (one, other))
    return (one.view(np.int64) == other.view(np.int64)) | (np.isnan(one) & np.isnan(other))


def _value(column: Column, row: int) -> str:
    if isinstance(column, Coded):
        return str(texts(column)[row])
    return repr(column[row].item()) if column.dtype.kind != "M" else str(column[row])
