"""Left out: the assets that were ineligible at most decisions of their leaf, by cause, so that a cure can be named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metabt.analysis.coverage import Coverage, coverage_of
from metabt.analysis.decision_counts import DecisionCounts
from metabt.data.dataset import Dataset

CALENDAR, COVERAGE, SESSIONS, LIFE = CAUSES = ("calendar", "coverage", "sessions", "life")
"""Causes: other trading days than the dataset has, too little observed, no price in most sessions of decisions, priced
for a part of the time only."""
MEASURED = 40
"""Assets of a leaf whose coverage is measured, at most: those that were ineligible most often."""
LEAVES = 12
"""Leaves of which assets are measured, at most."""


@dataclass(frozen=True)
class LeftOut:
    """Assets of one leaf that were ineligible at most of its decisions, from one cause."""

    path: str
    """The leaf."""
    dataset: str
    """What it draws its universe from."""
    symbols: tuple[str, ...]
    """The assets, those that were left out most often first."""
    times: int
    """Decisions at which the first of them was ineligible."""
    of: int
    """Decisions of the leaf."""
    n_assets: int
    """Assets of the leaf."""
    cause: str
    """One of CAUSES."""
    share: float
    """Least share, among them, of the lookback's returns that were observed at the median decision while they lived;
    NaN where none of them ever had a full window."""
    wanted: float
    """The leaf's `min_coverage`."""
    first: np.datetime64
    """First price of the first of them; NaT where it has none."""
    last: np.datetime64
    """Its last price."""


def left_out(
    counts: DecisionCounts, specs: Mapping[str, Mapping[str, Any]], datasets: Mapping[str, Dataset]
) -> list[LeftOut]:
    """Return the assets that were ineligible at most decisions of their leaf, by leaf and cause.

    Parameters
    ----------
    counts : the run's decisions
    specs : path -> resolved spec of every sleeve
    datasets : datasets by name; a leaf over another one, as a flat baseline may be, is passed over
    """
    found: list[LeftOut] = []
    counted = counts.ineligible()
    for path in _worst_first(counts, counted):
        spec, decisions = specs.get(path, {}), counts.of(path)
        often = {item: times for item, times in counted[path].items() if times > len(decisions) / 2}
        if often and spec.get("dataset") in datasets and len(found) < LEAVES:
            dataset = datasets[spec["dataset"]]
            found += measured(path, spec, dataset, often, counts.dates[decisions])
    return in_order(found)


def measured(
    path: str, spec: Mapping[str, Any], dataset: Dataset, often: Mapping[str, int], sessions: np.ndarray
) -> list[LeftOut]:
    """Return assets of one leaf by cause; `often` is symbol -> decisions, of those at `sessions`, without it."""
    symbols = sorted(often, key=lambda symbol: (-often[symbol], symbol))[:MEASURED]
    found = coverage_of(dataset, symbols, sessions, spec["lookback"])
    causes = dict(zip(found.symbols, causes_of(found, spec["min_coverage"]), strict=True))
    groups = {cause: [symbol for symbol in symbols if causes[symbol] == cause] for cause in CAUSES}
    return [_left_out(path, spec, group, often, found, cause) for cause, group in groups.items() if group]


def in_order(found: Sequence[LeftOut]) -> list[LeftOut]:
    """Return them in the order of CAUSES, and of those the ones first that were left out most often."""
    return sorted(found, key=lambda it: (CAUSES.index(it.cause), -it.times / it.of, it.path))


def causes_of(found: Coverage, min_coverage: float) -> list[str]:
    """Return why each of some assets was ineligible, one of CAUSES."""
    unpriced = (found.lived & ~found.priced).sum(axis=0) > found.lived.sum(axis=0) / 2
    lacking = [~found.lacking(min_coverage), found.elsewhere, unpriced]
    return np.select(lacking, [LIFE, CALENDAR, SESSIONS], COVERAGE).tolist()


def _worst_first(counts: DecisionCounts, counted: Mapping[str, Mapping[str, int]]) -> list[str]:
    return sorted(counted, key=lambda path: -max(counted[path].values()) / len(counts.of(path)))


def _left_out(
    path: str, spec: Mapping[str, Any], symbols: Sequence[str], often: Mapping[str, int], found: Coverage, cause: str
) -> LeftOut:
    places = [found.symbols.index(symbol) for symbol in symbols]
    shares = found.share[places]
    return LeftOut(
        path,
        spec["dataset"],
        tuple(symbols),
        often[symbols[0]],
        len(found.seen),
        len(spec["universe"]),
        cause,
        float(np.nanmin(shares)) if np.isfinite(shares).any() else np.nan,
        float(spec["min_coverage"]),
        found.first[places[0]],
        found.last[places[0]],
    )
