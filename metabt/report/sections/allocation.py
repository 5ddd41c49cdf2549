"""Allocation to sleeves through time: as decided, and as held while it drifts."""

from __future__ import annotations

import numpy as np

from metabt.report import lines
from metabt.report.decisions import decided, largest
from metabt.report.run import Run
from metabt.report.section import Chart, Section


def allocation(run: Run) -> Section | None:
    """Return the section: the root's weights of its children as decided, and as held; None where it is a leaf."""
    if not run.children:
        return None
    made = decided(run.tables["decisions"], run.root)
    drawn = sorted(largest(made.weights, lines.MAX_CURVES), key=lambda i: run.slots[f"{run.root}/{made.items[i]}"])
    left = lines.beyond(len(made.items) - len(drawn), "smaller sleeves are")
    decided_on, weights = lines.until(run.streams.dates[-1], made.dates, made.weights)
    keep = lines.thin(len(decided_on))
    items = [made.items[i] for i in drawn]
    paths = [f"{run.root}/{item}" for item in items]
    slots = [run.slots[path] for path in paths]
    target = lines.stacked(items, slots, weights[np.ix_(keep, drawn)], paths, "hv")
    figures = [
        Chart(
            "allocation",
            "As decided; what is missing to 100 % is cash."
            f"{lines.thinned(len(decided_on), len(keep), 'decisions')}{left}",
            target,
            {"yaxis": {"tickformat": "~%"}},
            lines.days(decided_on[keep]),
            20,
        )
    ]
    dates = run.streams.dates
    keep = lines.thin(len(dates), lines.MAX_POINTS // 2)
    columns = np.array([run.children.index(path) for path in paths], int)
    held = lines.stacked(items, slots, run.shares.after[np.ix_(keep, columns)], paths)
    caption = (
        "As held at the close: decisions as they were traded, drifting with the sleeves' gross returns in between."
        f"{lines.thinned(len(dates), len(keep))}{left}"
    )
    figures.append(Chart("drifted", caption, held, {"yaxis": {"tickformat": "~%"}}, lines.days(dates[keep]), 20))
    return Section("allocation", "Allocation to sleeves", figures)
