"""Curves: growth of the best configurations of a sweep, and of the one in the middle."""

from __future__ import annotations

import numpy as np

from metabt.report import lines
from metabt.report.section import Chart, Section
from metabt.report.sweep.tried import Curve, Tried

TOP = 10
"""Best configurations that are drawn."""
MIDDLE = -1
"""Place in the palette of the configuration in the middle."""


def curves(tried: Tried) -> Section | None:
    """Return the chart of growth; None where no configuration has a Sharpe ratio."""
    if not len(tried.done):
        return None
    top, middle = tried.done[:TOP], int(tried.done[len(tried.done) // 2])
    wanted = {tried.run_ids[place]: int(place) for place in (*top, middle)}
    found = tried.curves([*wanted])
    traces = []
    for rank, place in enumerate(top):
        traces.append(growth(f"{rank + 1}: {tried.label(int(place))}", found[tried.run_ids[place]], rank))
    if middle not in top:
        traces.append(growth(f"median: {tried.label(middle)}", found[tried.run_ids[middle]], MIDDLE))
    layout = {"yaxis": lines.growth_axis(traces), "xaxis": {}}
    caption = (
        f"Growth of the {len(top)} best by Sharpe ratio, net of costs, and of the one in the middle of the ranking; "
        "each begins at 1 where it first traded."
    )
    return Section(
        "curves", "Growth of the best, and of the median", [Chart("growth", caption, traces, layout, height=30)]
    )


def growth(name: str, curve: Curve, slot: int) -> dict[str, object]:
    """Return the trace of one curve, thinned."""
    dates, nav = curve
    keep = lines.thin(len(dates))
    return {
        "name": lines.label(name if len(name) <= 60 else f"{name[:57]}..."),
        "slot": slot,
        "mode": "lines",
        "line": {"width": 2.2 if slot == 0 else 1.2, **({"dash": "dash"} if slot == MIDDLE else {})},
        "x": lines.days(dates[keep]),
        "y": lines.rounded(np.asarray(nav)[keep]),
        "hovertemplate": "%{y:.4g}",
    }
