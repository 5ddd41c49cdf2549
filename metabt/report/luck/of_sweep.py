"""Luck: what the best of a sweep is worth, beside everything that was tried, and which choice of it is luck."""

from __future__ import annotations

import numpy as np

from metabt.luck.level_luck import LevelLuck, level_luck
from metabt.luck.verdict import Luck
from metabt.report import lines
from metabt.report.luck.family import family
from metabt.report.section import Chart, Facts, Section
from metabt.report.sweep.tried import Tried, told
from metabt.values.chances import chance
from metabt.values.ranges import plural

BINS = 40
"""Bars of the logits."""


def luck_of_sweep(tried: Tried) -> Section | None:
    """Return the family, the evidence of its best, which choice is luck, and the logits of PBO; None without a family.

    Definitions are those of metabt.luck.
    """
    found = tried.luck
    if found is None:
        return None
    charts = [] if found.overfitting is None else [_logits(found.overfitting.logits)]
    assert tried.evidence is not None  # there is a family
    tables = [family(tried.evidence), *_levels(tried, found)]
    return Section(
        "luck",
        "How much of it is luck",
        [it for it in charts if it is not None],
        [it for it in tables if it is not None],
    )


def _levels(tried: Tried, found: Luck) -> list[Facts]:
    """Return the table that says which choice of the best configuration is luck, if there is a choice."""
    evidence = tried.evidence
    assert evidence is not None and evidence.returns is not None  # there is a family
    own = {run_id: place for place, run_id in enumerate(tried.run_ids) if run_id in evidence.columns}
    if len(own) < 2 or not tried.keys:
        return []
    returns = evidence.returns[:, [evidence.columns[run_id] for run_id in own]]
    settings = [
        {name: tried.settings[place].get(key, "") for key, name in tried.keys.items()} for place in own.values()
    ]
    levels = level_luck(returns, settings, found.sessions_per_year)
    rows = [(level.level, *_level(level)) for level in levels]
    note = (
        "All else held fixed: what the choice of the best configuration earned a year beyond the mean of its "
        "alternatives, and how likely an advantage as large is luck if along this key nothing mattered."
    )
    return [
        Facts(("Key", "Choice", "Choices", "Advantage", "p luck", ""), rows, note, "Which choice is luck", "remark")
    ]


def _level(level: LevelLuck) -> tuple[str, ...]:
    choice = ", ".join(told(str(value)) for value in level.choice.values())
    advantage = lines.percent(np.nan if level.advantage is None else level.advantage)
    p = chance(np.nan if level.p_luck is None else level.p_luck)
    return choice, f"{level.n_choices:,}", advantage, p, level.reason or ""


def _logits(logits: np.ndarray) -> Chart | None:
    known = logits[np.isfinite(logits)]
    if not len(known):
        return None
    counts, edges = np.histogram(known, bins=min(BINS, max(5, len(np.unique(known)))))
    trace = {
        "type": "bar",
        "name": "splits",
        "slot": 1,
        "x": lines.rounded((edges[:-1] + edges[1:]) / 2, 4),
        "y": counts.tolist(),
        "width": lines.rounded(np.diff(edges), 4),
        "hovertemplate": "logit about %{x:.2f}: %{y:,}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "logit of its relative rank out of sample"}},
        "yaxis": {"title": {"text": "splits"}, "rangemode": "tozero"},
        "showlegend": False,
        "hovermode": "closest",
    }
    caption = (
        f"The best in sample of each of {plural(len(logits), 'split')} of the time into halves: where it ranked in the "
        "other half. Below 0 it was worse than the median there."
    )
    return Chart("logits", caption, [trace], layout, height=18)
