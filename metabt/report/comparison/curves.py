"""Curves: growth and drawdown of both roots on common sessions, and below them what B is worth in terms of A."""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.report import lines
from metabt.report.comparison.pair import Pair
from metabt.report.section import Chart, Section
from metabt.report.streams import fall

SLOTS = (1, 2)
"""Colours of the runs."""


def curves(pair: Pair) -> Section:
    """Return one figure of both."""
    dates, navs = pair.common.dates, pair.common.navs
    keep = lines.thin(len(dates))
    traces: list[dict[str, Any]] = []
    for side, (label, slot) in enumerate(zip(pair.labels, SLOTS, strict=True)):
        nav = navs[:, side]
        name = lines.label(label)
        common = {"name": name, "slot": slot, "mode": "lines", "legendgroup": name, "line": {"width": 1.6}}
        above = {"y": lines.rounded(nav[keep]), "hovertemplate": f"{name} %{{y:.4g}}<extra></extra>"}
        below = {
            "y": lines.rounded(lines.deepest(fall(nav), keep), 4),
            "yaxis": "y2",
            "showlegend": False,
            "hovertemplate": f"{name} %{{y:.1%}}<extra></extra>",
        }
        traces += [{**common, **above}, {**common, **below}]
    traces.append(_ratio((navs[:, 1] / navs[:, 0])[keep]))
    layout = lines.panels(0.5, 0.25, 0.25)
    layout["yaxis"] |= lines.growth_axis(traces)
    layout["yaxis2"] |= {"tickformat": "~%", "title": {"text": "drawdown"}}
    layout["yaxis3"] |= {"title": {"text": "B / A"}}
    caption = (
        "Of the portfolios, net of costs, on the sessions that both have; growth is logarithmic. Where B / A rises, B "
        "earns more than A." + lines.thinned(len(dates), len(keep))
    )
    chart = Chart("pair-growth", caption, traces, layout, lines.days(dates[keep]), 40)
    return Section("curves", "Growth and drawdown", [chart])


def _ratio(values: np.ndarray) -> dict[str, Any]:
    return {
        "name": "B / A",
        "slot": 0,
        "mode": "lines",
        "yaxis": "y3",
        "line": {"width": 1.3},
        "y": lines.rounded(values),
        "hovertemplate": "B / A %{y:.4f}<extra></extra>",
    }
