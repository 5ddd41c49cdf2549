"""Stored notes: what must be known of a run that is read back, from its tables and the data that it read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from metabt.analysis.run_notes import Circumstances, RunNotes, run_notes
from metabt.errors import StoreError
from metabt.lakehouse.price_source import Lakehouse
from metabt.runs.record import Record

READ = ("sleeves", "returns", "decisions")
"""Tables that notes are made of."""
PLACES = ("portfolio", "lakehouse", "catalog", "cache", "engine", "local", "cluster", "hydra")
"""Keys, or beginnings of keys, of overrides that say which tree it is and where it is computed, not what comes out."""


def stored_notes(source: Lakehouse, run: Record) -> RunNotes:
    """Return the notes of a stored run; of one of which a summary is kept, those of its root alone."""
    from metabt.lakehouse import load_run

    _, tables = load_run(source.connection, run.run_id, READ)
    return run_notes(run.run_id, tables, circumstances(source, run))


def circumstances(source: Lakehouse, run: Record) -> Circumstances:
    """Return what a stored run's tables do not say of it; without datasets where its snapshot is gone."""
    view = source.at(run.snapshot)
    try:
        datasets = view.lasting(view.wanted(run.wanted))
    except StoreError:
        datasets = {}
    return Circumstances(datasets, run.config["end"], settings_of(run), as_of=told_as_of(source, run))


def told_as_of(source: Lakehouse, run: Record) -> str:
    """Return the snapshot of the past that a stored run was asked for as of; empty where none was."""
    from metabt.lakehouse.catalog.asking import AS_OF
    from metabt.lakehouse.prices.as_of import AsOf, snapshot_times

    asked = [text.lstrip("+") for text in json.loads(str(run.row.get("overrides") or "[]"))]
    stated = [text.removeprefix(AS_OF) for text in asked if text.startswith(AS_OF)]
    if not stated:
        return ""
    committed = snapshot_times(source.connection).get(run.snapshot)
    return f"snapshot {run.snapshot}" if committed is None else str(AsOf(run.snapshot, committed, stated[0]))


def settings_of(run: Record) -> tuple[str, ...]:
    """Return the settings in which a stored run differs from its portfolio's file, as far as they were recorded."""
    if run.row.get("overrides"):
        return told_settings(json.loads(str(run.row["overrides"])))
    return beside_tree(run.config)


def beside_tree(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the settings of a run that are none of its tree, from its configuration as it is recorded."""
    stated = {
        "end": config["end"],
        "is_meta_backtest": "false" if config["flat"] else None,
        "benchmark": config["benchmark"]["name"] if "benchmark" in config else None,
    }
    return tuple(f"{key}={value}" for key, value in stated.items() if value is not None)


def told_settings(overrides: Sequence[str]) -> tuple[str, ...]:
    """Return those overrides that change what comes out.

    >>> told_settings(["portfolio=demo", "portfolio.optimizer=hrp", "engine=ray", "~portfolio.sleeves.hedge"])
    ('portfolio.optimizer=hrp', '~portfolio.sleeves.hedge')
    """
    return tuple(text for text in overrides if not _is_place(text.partition("=")[0].lstrip("+~")))


def _is_place(key: str) -> bool:
    return key in PLACES or key.split(".")[0].split("/")[0] in PLACES[1:]
