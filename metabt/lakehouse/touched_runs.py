"""Touched runs: stored runs that read what has changed between two snapshots.

1. A run read the symbols of its leaves and its benchmark, what their assets turn into (a merger, a spin-off), and the
   tables that its sleeves read, of its own snapshot.
2. Of a run whose snapshot is not after the first of the two, everything that changed counts; of one in between, what
   still differs from its own snapshot to the second. Where its own has expired, everything does.
3. What is dated after its last session does not count: its end, or its datasets' last session then.

A run that is named may well give the same numbers again: what it read changed, not necessarily what came out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from metabt.data.point_in_time.lives import Lives
from metabt.data.point_in_time.tables import PointInTime
from metabt.data.point_in_time.with_events import turned_into
from metabt.errors import StoreError
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.data_difference import Changes, observation_changes
from metabt.lakehouse.point_in_time.loading import load_point_in_time
from metabt.lakehouse.point_in_time.table_changes import TableChange, reads_table, table_changes
from metabt.lakehouse.prices.dataset_facts import dataset_symbols, datasets_with, read_datasets
from metabt.lakehouse.runs.run_seals import sound_runs

Con = duckdb.DuckDBPyConnection
ALWAYS = np.datetime64("0001-01-01", "D")
"""Date of what changed as a whole."""
EVER = np.datetime64("9999-12-31", "D")
"""Last session of what has no end."""


@dataclass(frozen=True)
class TouchedRun:
    """A stored run that read what has changed since."""

    run_id: str
    """Its identity."""
    portfolio: str
    """Name of its root."""
    snapshot: int
    """Number of the snapshot that it read."""
    since: np.datetime64
    """The earliest date of what changed, datetime64[D]."""
    by: tuple[str, ...]
    """What changed that it read: `DATASET SYMBOL`, or `TABLE of DATASET: NAME`; sorted."""


@dataclass(frozen=True)
class _Touching:
    """Things that changed, each with its earliest date."""

    symbols: Mapping[tuple[str, str], np.datetime64]
    """Dataset and symbol -> the earliest date."""
    tables: tuple[TableChange, ...]
    """What tables say of one thing each."""
    wholes: Mapping[str, str]
    """Dataset -> the fact of it that every reader reads."""


@reported
def touched_runs(con: Con, changes: Changes, before: int, after: int) -> list[TouchedRun]:
    """Return the stored runs that read what differs between two snapshots, those first that were made last.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    changes : Changes
        What `data_changes` returned of the two.
    before, after : int
        Numbers of the earlier and the later snapshot.

    Raises
    ------
    StoreError
        For data or runs that are not those that were stored.
    """
    everything = _touching(changes)
    rows = [row for row in sound_runs(con) if row["status"] == "ok" and row["snapshot"] < after]
    configs, known = _configs(con), _known(con, after)
    still: dict[int, _Touching] = {}
    lasts: dict[int, dict[str, np.datetime64]] = {}
    found = []
    for row in rows:
        own, config = int(row["snapshot"]), configs[row["run_id"]]
        at = max(own, before)
        if at not in still:
            still[at] = everything if at == before else _still(con, everything, at, after)
        if own not in lasts:
            lasts[own] = _lasts(con, own, before)
        hits = sorted(_hits(config, still[at], lasts[own], _symbols(config, known)))
        if hits:
            by = tuple(sorted({text for _, text in hits}))
            found.append(TouchedRun(row["run_id"], row["portfolio"], own, hits[0][0], by))
    return found


def _configs(con: Con) -> dict[str, dict[str, Any]]:
    rows = execute(con, "SELECT run_id, config FROM runs WHERE status = 'ok'").fetchall()
    return {run_id: json.loads(text) for run_id, text in rows}


def _touching(changes: Changes) -> _Touching:
    symbols: dict[tuple[str, str], np.datetime64] = {}
    for each in changes.prices:
        place = (each.dataset, each.symbol)
        symbols[place] = min(symbols.get(place, each.dates[0]), each.dates[0])
    tables: dict[tuple[str, str, str], TableChange] = {}
    for own in changes.tables:
        for row in own.rows:
            key, day = (own.dataset, own.table, row.key[0]), np.datetime64(row.key[1], "D")
            known = tables.get(key)
            first, count = (day, 0) if known is None else (min(known.date, day), known.rows)
            tables[key] = TableChange(*key, first, count + 1)
    wholes = {
        it.dataset: f"{it.dataset}: {'the dataset is gone' if it.new is None else it.fact}"
        for it in changes.stated
        if it.fact in ("panel", "adjusted") or it.new is None
    }
    return _Touching(symbols, tuple(tables.values()), wholes)


def _still(con: Con, everything: _Touching, at: int, after: int) -> _Touching:
    """Return what of it differs from a snapshot in between, too."""
    names = sorted({name for name, _ in everything.symbols} | {each.dataset for each in everything.tables})
    try:
        there = [name for name in names if name in dataset_symbols(con, at)]
        wanted = {name: tuple(symbol for owner, symbol in everything.symbols if owner == name) for name in there}
        own = [it for name in there for it in observation_changes(con, name, wanted[name], at, after) if wanted[name]]
        cells = {(it.dataset, it.symbol) for it in own}
        rows = {(it.dataset, it.table, it.first) for it in table_changes(con, there, at, after)}
    except StoreError:  # it has expired: nobody can tell
        return everything
    symbols = {place: day for place, day in everything.symbols.items() if place in cells}
    tables = tuple(it for it in everything.tables if (it.dataset, it.table, it.first) in rows)
    return _Touching(symbols, tables, everything.wholes)


def _lasts(con: Con, at: int, otherwise: int) -> dict[str, np.datetime64]:
    """Return dataset -> its last session at a snapshot, or, where that has expired, at another one."""
    for each in (at, otherwise):
        try:
            rows = read_datasets(con, list(dataset_symbols(con, each)), each)
        except StoreError:
            continue
        return {name: np.datetime64(str(row["last_date"]), "D") for name, row in rows.items()}
    return {}


def _known(con: Con, at: int) -> dict[str, PointInTime]:
    """Return dataset -> what is dated beside its prices, of those in which an asset is more than its symbol."""
    names = sorted({name for table in ("assets", "actions") for name in datasets_with(con, table, at)})
    return load_point_in_time(con, names, at)


def _symbols(config: Mapping[str, Any], known: Mapping[str, PointInTime]) -> dict[str, tuple[str, ...]]:
    """Return dataset -> the symbols of its prices that a run reads."""
    wanted: dict[str, set[str]] = {}
    for leaf in _leaves(config["portfolio"]):
        wanted.setdefault(leaf["dataset"], set()).update(leaf["universe"])
    if "benchmark" in config:
        name, _, symbol = str(config["benchmark"]["name"]).partition(":")
        wanted.setdefault(name, set()).add(symbol)
    for name in wanted.keys() & known.keys():
        assets = turned_into(known[name], tuple(sorted(wanted[name])))
        wanted[name] |= {*assets, *Lives.of(assets, known[name].tables.get("assets")).symbols_of(assets)}
    return {name: tuple(sorted(symbols)) for name, symbols in wanted.items()}


def _hits(
    config: Mapping[str, Any],
    changed: _Touching,
    lasts: Mapping[str, np.datetime64],
    symbols: Mapping[str, tuple[str, ...]],
) -> Iterator[tuple[np.datetime64, str]]:
    """Yield the earliest date and the name of each thing that changed and that a run reads."""
    stated = EVER if config["end"] is None else np.datetime64(config["end"], "D")
    ends = {name: min(stated, lasts.get(name, EVER)) for name in symbols}
    for name, own in symbols.items():
        if name in changed.wholes:
            yield ALWAYS, changed.wholes[name]
        for symbol in own:
            day = changed.symbols.get((name, symbol))
            if day is not None and day <= ends[name]:
                yield day, f"{name} {symbol}"
    specs = [*_sleeves(config["portfolio"])]
    for each in changed.tables:
        read = [spec for spec in specs if "universe" in spec or each.table in ("rates", "schedules")]
        if each.date <= max(ends.values()) and any(reads_table(spec, each) for spec in read):
            yield each.date, f"{each.table} of {each.dataset}: {each.first}"


def _sleeves(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("children", ()):
        yield from _sleeves(child)


def _leaves(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (sleeve for sleeve in _sleeves(node) if "children" not in sleeve)
