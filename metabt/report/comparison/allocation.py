"""Allocation: what each root decided through time, side by side, in the same colours over the same time."""

from __future__ import annotations

import numpy as np

from metabt.report import lines
from metabt.report.comparison.pair import LETTERS, Pair
from metabt.report.decisions import DecisionMatrix, decided, largest
from metabt.report.section import Chart, Section


def allocation(pair: Pair) -> Section:
    """Return the allocation of both to what they hold."""
    made = [decided(run.tables["decisions"], run.root) for run in pair.runs]
    names = list(dict.fromkeys(item for one in made for item in one.items))
    slots = {item: 1 + place for place, item in enumerate(names)}
    ends = [run.streams.dates[-1] for run in pair.runs]
    span = lines.days(np.array([min(one.dates[0] for one in made), max(ends)]))
    figures = [_chart(letter, one, end, slots, span) for letter, one, end in zip(LETTERS, made, ends, strict=True)]
    return Section("allocation", "Allocation", figures, side_by_side=True)


def _chart(letter: str, made: DecisionMatrix, end: np.datetime64, slots: dict[str, int], span: list[str]) -> Chart:
    drawn = sorted(largest(made.weights, lines.MAX_CURVES), key=lambda i: slots[made.items[i]])
    dates, weights = lines.until(end, made.dates, made.weights)
    keep = lines.thin(len(dates), lines.MAX_POINTS // 2)
    items = [made.items[i] for i in drawn]
    traces = lines.stacked(
        items, [slots[item] for item in items], weights[np.ix_(keep, np.array(drawn, int))], shape="hv"
    )
    layout = {"xaxis": {"range": span}, "yaxis": {"tickformat": "~%"}}
    caption = (
        f"{letter}, as decided; what is missing to 100 % is cash."
        + lines.thinned(len(dates), len(keep), "decisions")
        + lines.beyond(len(made.items) - len(drawn), "smaller ones are")
    )
    return Chart(f"allocation-{letter}", caption, traces, layout, lines.days(dates[keep]), 22)
