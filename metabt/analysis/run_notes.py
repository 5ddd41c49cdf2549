"""Run notes: what whoever reads a run's numbers must know of them, as values.

1. The run and its period, and the settings in which it differs from the portfolio's file.
2. The dataset that ends it: a tree goes on no longer than each of its datasets that is not closed.
3. The sleeves whose decisions were made by a fallback, how many of how many, and why.
4. The assets that were ineligible at most decisions of their leaf (`left_out`).
5. The holdings that were closed because their asset ended, and those that a stale closing spared that (`ended`).
6. The currencies whose rates of exchange were old or missing; several that are held by a tree which states none
   (metabt.build.dated.currencies).
7. The signals with dates that were never decided, because a newer date was known by then.
8. The sessions in which cash earned nothing because the rate that it earns had no row yet.
9. The warnings that estimators of other packages gave, by sleeve.

All of it comes from a run's tables, the dates of its datasets and, only where assets were ineligible, their closes.
`note_lines` has the words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metabt.analysis.decision_counts import DecisionCounts, code_of, coded
from metabt.analysis.ended import Ended, ended, escaped
from metabt.analysis.left_out import LeftOut, left_out
from metabt.build.dated.currencies import Holder, OldExchange, mixed_currencies, old_exchanges
from metabt.build.dated.named_rates import cash_rate
from metabt.data.dataset import Dataset
from metabt.data.point_in_time.accrual import idle_returns
from metabt.errors import ConfigError
from metabt.values.tables import Table, texts

WEEK = np.timedelta64(7, "D")
"""Datasets that end within a week of each other end together: some trade at weekends."""


@dataclass(frozen=True)
class EarlyEnd:
    """A dataset that ends a tree before its other data end."""

    dataset: str
    """The dataset that holds it."""
    last: np.datetime64
    """Its last session, which is the tree's."""
    longest: str
    """The dataset that goes on longest."""
    until: np.datetime64
    """The last session of that one."""


@dataclass(frozen=True)
class FellBack:
    """A sleeve whose decisions were made by a fallback."""

    path: str
    """The sleeve."""
    times: int
    """Decisions that fell back."""
    of: int
    """Decisions in all."""
    methods: tuple[str, ...]
    """Fallbacks that made them, the most frequent first."""
    why: str
    """Why the sleeve's own optimizer gave no weights, as far as its settings and items tell."""


@dataclass(frozen=True)
class Passed:
    """A sleeve whose signal has dates that were never decided: a newer one began to count no later."""

    path: str
    """The sleeve."""
    signal: str
    """Its signal."""
    first: np.datetime64
    """The first of these dates."""
    times: int
    """How many they are."""


@dataclass(frozen=True)
class Warned:
    """A warning that foreign code gave while a sleeve decided."""

    path: str
    """The sleeve."""
    text: str
    """Kind and message."""
    session: str
    """Session of the first decision with it, an ISO date; empty where it is not known."""
    times: int
    """How often it was given."""


@dataclass(frozen=True)
class Unpaid:
    """Sessions in which cash earned nothing because its rate had no row yet."""

    rate: str
    """Name of the rate."""
    sessions: int
    """Their number."""
    first: np.datetime64
    """Date of the rate's first row."""


@dataclass(frozen=True)
class Circumstances:
    """What a run's tables do not say of it."""

    datasets: Mapping[str, Dataset]
    """Datasets that its tree reads, unread; of a stored run, those of its snapshot."""
    end: str | None = None
    """Last session that was asked for, an ISO date; None is the tree's own."""
    settings: tuple[str, ...] = ()
    """Settings in which it differs from its portfolio's file, as KEY=VALUE."""
    warned: tuple[Warned, ...] = ()
    """Warnings of foreign code while it was computed; what was found in a cache gave none."""
    as_of: str = ""
    """The snapshot of the past that somebody asked for, and when it was committed; empty where nobody did."""


@dataclass(frozen=True)
class RunNotes:
    """What must be known of one run."""

    run_id: str
    """Its identity."""
    portfolio: str
    """Name of its root."""
    first: np.datetime64
    """First session of the root's stream."""
    last: np.datetime64
    """Last session of it."""
    settings: tuple[str, ...] = ()
    """Settings in which it differs from its portfolio's file."""
    early_end: EarlyEnd | None = None
    """What ends it before its other data; None where nothing does, or an earlier end was asked for."""
    fell_back: tuple[FellBack, ...] = ()
    """Sleeves with fallbacks, those first that fell back most often."""
    left_out: tuple[LeftOut, ...] = ()
    """Assets that were ineligible at most decisions, by leaf and cause; what can be cured comes first."""
    ended: tuple[Ended, ...] = ()
    """Holdings of the root that were closed because their asset ended, the largest first."""
    passed: tuple[Passed, ...] = ()
    """Sleeves whose signals have dates that were never decided, the most first."""
    warned: tuple[Warned, ...] = ()
    """Warnings of foreign code, the most frequent first."""
    exchanges: tuple[OldExchange, ...] = ()
    """Currencies whose rates of exchange were old or missing, by leaf, those first in most sessions."""
    mixed: tuple[str, ...] = ()
    """Currencies that are held beside each other by a tree that states none: their returns are not converted."""
    escaped: tuple[Ended, ...] = ()
    """Holdings of the root that were closed after going stale before their asset ended, the largest first."""
    unpaid: Unpaid | None = None
    """Sessions in which cash earned nothing before the first row of its rate; None where there are none."""
    as_of: str = ""
    """The snapshot of the past that its data are of, and when it was committed; empty where nobody asked for one."""


def run_notes(run_id: str, tables: Mapping[str, Table], around: Circumstances) -> RunNotes:
    """Return the notes of one run.

    Parameters
    ----------
    run_id : the run's identity
    tables : its tables; `sleeves`, `returns`, `decisions` and, where it is there, `weights` are read
    around : what its tables do not say of it

    Raises
    ------
    StoreError
        If assets were ineligible, and their prices can no longer be read.
    """
    specs = _specs(tables["sleeves"])
    root = next(iter(specs))
    paths = coded(tables["returns"], "path")
    dates = np.asarray(tables["returns"]["date"])[np.asarray(paths.codes) == code_of(paths, root)]
    counts = DecisionCounts(tables["decisions"])
    return RunNotes(
        run_id,
        root,
        dates.min(),
        dates.max(),
        around.settings,
        early_end(around.datasets, around.end),
        tuple(fell_back(counts, specs)),
        tuple(left_out(counts, specs, around.datasets)),
        tuple(ended(tables, specs, around.datasets)),
        tuple(passed(specs, around.datasets)),
        tuple(sorted(around.warned, key=lambda it: -it.times)),
        *_currencies(specs, around.datasets, dates.min(), dates.max()),
        tuple(escaped(tables, specs, around.datasets)),
        unpaid(np.sort(dates), specs[root], around.datasets),
        around.as_of,
    )


def _currencies(
    specs: Mapping[str, Mapping[str, Any]],
    datasets: Mapping[str, Dataset],
    first: np.datetime64,
    last: np.datetime64,
) -> tuple[tuple[OldExchange, ...], tuple[str, ...]]:
    """Return what is noted of rates of exchange, and of currencies that are not converted."""
    base = next(iter(specs.values())).get("currency")
    holders = [
        Holder(path, spec["dataset"], tuple(spec["universe"]), spec["stale_after"])
        for path, spec in specs.items()
        if "universe" in spec
    ]
    if base is None:
        return (), mixed_currencies(holders, datasets)
    return tuple(sorted(old_exchanges(holders, base, datasets, first, last), key=lambda it: -it.old - it.unknown)), ()


def early_end(datasets: Mapping[str, Dataset], end: str | None = None) -> EarlyEnd | None:
    """Return the dataset that ends a tree over `datasets`; None where all end together, or `end` comes first."""
    lasts = {name: dataset.facts.dates[-1] for name, dataset in datasets.items()}
    held = {name: lasts[name] for name, dataset in datasets.items() if not dataset.facts.closed}
    if not held:
        return None
    first, longest = min(held, key=held.__getitem__), max(lasts, key=lasts.__getitem__)
    if lasts[longest] - lasts[first] <= WEEK or (end is not None and np.datetime64(end) <= lasts[first]):
        return None
    return EarlyEnd(first, lasts[first], longest, lasts[longest])


def passed(specs: Mapping[str, Mapping[str, Any]], datasets: Mapping[str, Dataset]) -> list[Passed]:
    """Return the sleeves whose signals have dates that were never decided, those first that have most of them."""
    found = []
    for path, spec in specs.items():
        if spec.get("signal") is not None and spec["dataset"] in datasets:
            facts = datasets[spec["dataset"]].facts
            dates = facts.signal(spec["signal"], tuple(spec["universe"]), spec["start"]).passed
            found += [Passed(path, spec["signal"], dates.min(), len(dates))] if len(dates) else []
    return sorted(found, key=lambda it: (-it.times, it.path))


def unpaid(sessions: np.ndarray, spec: Mapping[str, Any], datasets: Mapping[str, Dataset]) -> Unpaid | None:
    """Return in how many sessions of a root's stream cash earned nothing before the first row of its rate.

    Parameters
    ----------
    sessions : (n_sessions,) datetime64[D], ascending
    spec : the root's resolved spec
    datasets : datasets by name, unread; a rate that none of them has is passed over
    """
    name = spec.get("cash", {}).get("rate")
    if not isinstance(name, str) or not datasets:
        return None
    try:
        rate = cash_rate(name, datasets, datasets)
    except ConfigError:  # it is of another dataset of the forest
        return None
    before = [each.facts.dates[each.facts.dates < sessions[0]][-1:] for each in datasets.values()]
    previous = max((days[0].astype("datetime64[D]") for days in before if len(days)), default=None)
    count = idle_returns(sessions.astype("datetime64[D]"), previous, rate).unknown
    return Unpaid(name, count, rate.dates[0]) if count else None


def fell_back(counts: DecisionCounts, specs: Mapping[str, Mapping[str, Any]]) -> list[FellBack]:
    """Return the sleeves with decisions that fell back, those first that did so most often."""
    found = []
    for path in counts.fallen_paths():
        decisions = counts.of(path)
        mine = decisions[counts.fallen[decisions]]
        why = _why(specs.get(path, {}).get("optimizer", {}), counts.given[mine])
        found.append(FellBack(path, len(mine), len(decisions), counts.fallbacks(mine), why))
    return sorted(found, key=lambda it: (-it.times / it.of, -it.times, it.path))


def _why(optimizer: Mapping[str, Any], given: np.ndarray) -> str:
    """Return why an optimizer gave no weights at decisions in which it was given so many items."""
    name = str(optimizer.get("name", "its optimizer"))
    least, most = optimizer.get("min_weight", 0.0), optimizer.get("max_weight", 1.0)
    if most * given.max() < 1 - 1e-9:
        return f"max_weight {most:g} of {given.max()} items is below 1"
    if least * given.min() > 1 + 1e-9:
        return f"min_weight {least:g} of {given.min()} items is above 1"
    return f"{name}: {'no mean return above 0' if name == 'max_sharpe' else 'no solution'}"


def _specs(sleeves: Table) -> dict[str, Mapping[str, Any]]:
    """Return path -> resolved spec, the root first."""
    return {path: json.loads(spec) for path, spec in zip(*map(texts, (sleeves["path"], sleeves["spec"])), strict=True)}
