"""Optimum: how flat it is around the best configuration.

A neighbour of the best differs from it in one key alone: by one step up or down, among what was tried with all else
equal, where the values of the key are numbers, and by any other value where they are words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from metabt.report.section import Facts, Section
from metabt.report.sweep.tried import Tried, told
from metabt.values.overrides import are_numbers


@dataclass(frozen=True)
class Neighbour:
    """A configuration next to the best one."""

    key: str
    """The one key in which they differ."""
    place: int
    """Its place in the sweep."""
    less: float
    """Its Sharpe ratio less that of the best, at most 0."""


def neighbours(tried: Tried) -> list[Neighbour]:
    """Return the neighbours of the best configuration, key by key; none where nothing has a Sharpe ratio."""
    if not len(tried.done):
        return []
    best = int(tried.done[0])
    codes = np.array([*tried.places.values()]).reshape(len(tried.places), -1)
    apart = codes != codes[:, [best]]
    alone = tried.done[apart[:, tried.done].sum(axis=0) == 1]
    return [
        Neighbour(key, place, float(tried.score[place] - tried.score[best]))
        for number, key in enumerate(tried.places)
        for place in _beside(codes[number], alone, best, are_numbers(tried.values[key]))
    ]


def _beside(codes: np.ndarray, alone: np.ndarray, best: int, numbers: bool) -> Iterator[int]:
    """Yield the places next to the best, by `codes`, (n,), of one key, among those that differ in one key alone."""
    own = alone[codes[alone] != codes[best]]
    if not numbers:
        yield from own.tolist()
        return
    below, above = own[codes[own] < codes[best]], own[codes[own] > codes[best]]
    if len(below):
        yield int(below[np.argmax(codes[below])])
    if len(above):
        yield int(above[np.argmin(codes[above])])


def optimum(tried: Tried) -> Section | None:
    """Return the table of the best configuration's neighbours; None where it has none."""
    found = neighbours(tried)
    if not found:
        return None
    best = int(tried.done[0])
    rows = [
        (
            tried.keys[it.key],
            told(tried.settings[best].get(it.key)),
            told(tried.settings[it.place].get(it.key)),
            f"{tried.score[it.place]:.2f}",
            f"{it.less:.2f}".replace("-", "\N{MINUS SIGN}"),
        )
        for it in found
    ]
    lost = -float(np.mean([it.less for it in found]))
    note = (
        f"The best, run {tried.run_ids[best][:12]}, has a Sharpe ratio of {tried.score[best]:.2f}; one step away in a "
        f"single key it is {lost:.2f} less on average. Where the neighbours fall far below it, it is a spike, and more "
        "likely found by chance than a broad hill."
    )
    headings = ("Key", "Best", "Neighbour", "Sharpe there", "Less the best")
    return Section("optimum", "How flat the optimum is", tables=[Facts(headings, rows, note)])
