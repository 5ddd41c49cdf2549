"""Measured: metrics of both runs and their differences, of the roots and of every sleeve that both have."""

from __future__ import annotations

import math
from collections.abc import Sequence

from metabt.report.comparison.pair import LETTERS, Pair
from metabt.report.run import Run
from metabt.report.section import Facts, Section
from metabt.report.sections.tree import columns, heading, number

FIRST = ("cagr", "volatility", "sharpe", "max_drawdown", "turnover", "cost")
"""Metrics of sleeves."""
WITHOUT = (
    "On the sessions that both have; what is measured against a benchmark is known of a run's own sessions alone and "
    "left out."
)
"""Note beneath metrics where sessions are not the same."""


def measured(pair: Pair) -> Section:
    """Return metrics of the roots, of common sleeves, and which sleeves only one of the runs has."""
    tables = [_roots(pair), sleeves(pair)]
    lonely = alone(pair)
    return Section("metrics", "Metrics", tables=[*tables, *([lonely] if lonely.rows else [])])


def _roots(pair: Pair) -> Facts:
    one, other = pair.metrics("")
    names = [name for name in dict.fromkeys([*columns(pair.one), *columns(pair.other)]) if name in {**one, **other}]
    rows = [(heading(name), *_cells(name, one, other)) for name in names]
    note = "B less A; percentages differ by percentage points." + ("" if pair.common.same else f" {WITHOUT}")
    return Facts(("Portfolio", *LETTERS, "Difference"), rows, note)


def sleeves(pair: Pair) -> Facts:
    """Return the main metrics of every sleeve that both have: A, B and their difference."""
    rows = []
    for place in pair.both:
        one, other = pair.metrics(place)
        name = " " * place.count("/") + pair.one.label(pair.one.root + place)
        rows.append((name, *(cell for metric in FIRST for cell in _cells(metric, one, other))))
    headings = [f"{heading(name)} {what}" for name in FIRST for what in (*LETTERS, "difference")]
    same = all(shared.same for shared in pair.both.values())
    note = "The same sleeve is one with the same name in the same place." + (
        "" if same else " Where its sessions are not the same in both, its metrics are those of the sessions that are."
    )
    return Facts(("Sleeve", *headings), rows, note, "Sleeves that both have")


def alone(pair: Pair) -> Facts:
    """Return the sleeves that only one of the runs has."""
    rows = []
    for letter, run, mine, others in zip(LETTERS, pair.runs, pair.places, pair.places[::-1], strict=True):
        known = set(others)
        rows += [_lonely(run, place, letter) for place in mine if place not in known]
    note = "Each over all of its own sessions."
    return Facts(("Sleeve", "Only in", "Kind", "CAGR", "Sharpe"), rows, note, "Sleeves of one alone", "words")


def _lonely(run: Run, place: str, letter: str) -> tuple[str, ...]:
    path = run.root + place
    values = run.metrics.get(path, {})
    kind = str(run.specs[path]["kind"])
    return path, letter, kind, number("cagr", values.get("cagr")), number("sharpe", values.get("sharpe"))


def _cells(name: str, one: dict[str, float], other: dict[str, float]) -> Sequence[str]:
    """Return a metric of both and its difference."""
    before, after = one.get(name, math.nan), other.get(name, math.nan)
    difference = number(name, after - before)
    rises = after > before and difference != number(name, 0.0)
    return number(name, before), number(name, after), f"+{difference}" if rises else difference
