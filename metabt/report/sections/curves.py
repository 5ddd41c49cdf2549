"""Curves: growth of every sleeve over the root's, and below it how far each was beneath its highest value."""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.report import lines
from metabt.report.colours import AGAINST
from metabt.report.run import Run
from metabt.report.section import Chart, Section

MAX_CARRIED = 400
"""Largest number of sleeves whose curves the page carries; most are drawn once they are chosen."""
BUDGET = 90_000
"""Largest number of points of all curves together; each has at least `FEWEST`."""
FEWEST = 300
"""Least number of points of one curve, where it has as many."""


def curves(run: Run) -> Section:
    """Return the chart of growth and drawdown."""
    dates = run.streams.dates
    carried = run.nearest[:MAX_CARRIED]
    keep = lines.thin(len(dates), min(lines.MAX_POINTS, max(FEWEST, BUDGET // len(carried))))
    shown = [path for path in carried if path.count("/") < 2][: lines.MAX_CURVES]
    offered = {*shown, *carried[: lines.MAX_CURVES]}
    traces = []
    for path in carried:
        visible = True if path in shown else "legendonly" if path in offered else False
        traces += _pair(run, path, keep, visible)
    for other in run.beside:
        for trace in _pair(run, other, keep, True):
            dashed = {"line": {"width": 1.4, "dash": "dash"}, "legendgroup": other, "slot": AGAINST}
            traces.append({name: value for name, value in trace.items() if name != "path"} | dashed)
    layout = lines.panels(0.64, 0.36)
    layout["yaxis"] |= lines.growth_axis(traces)
    layout["yaxis2"] |= {"tickformat": "~%", "title": {"text": "drawdown"}}
    caption = (
        "Net of costs; growth is logarithmic and begins at 1 when a sleeve first trades."
        + lines.thinned(len(dates), len(keep))
        + lines.beyond(len(run.paths) - len(carried), "sleeves are too far from the root:")
    )
    hint = (
        "Choose a sleeve in the legend or in the table above, and only it and what is beneath it is drawn."
        + lines.beyond(
            len(carried) - len(offered), "sleeves further from the root are drawn once chosen, and until then"
        )
    )
    chart = Chart("growth", caption, traces, layout, lines.days(dates[keep]), 36, hint)
    return Section("curves", "Growth and drawdown", [chart])


def on_grid(run: Run, path: str, keep: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the place in `keep` at which a sleeve begins, its NAV there and on, and its deepest fall up to each."""
    nav, places = run.streams.own(path, "nav"), run.streams.places(path)
    first = int(np.searchsorted(keep, places[0])) if len(places) else len(keep)
    if first == len(keep):
        return first, np.empty(0), np.empty(0)
    ends = np.searchsorted(places, keep[first:], side="right")
    starts = np.minimum(np.r_[0, ends[:-1]], ends - 1)
    falls = np.minimum.reduceat(run.streams.fall(path)[: ends[-1]], starts)
    return first, nav[ends - 1], falls


def _pair(run: Run, path: str, keep: np.ndarray, visible: bool | str) -> list[dict[str, Any]]:
    first, nav, falls = on_grid(run, path, keep)
    common = {
        "name": lines.label(run.label(path) if path in run.slots else path),
        "path": path,
        "slot": run.slots.get(path, 0),
        "first": first,
        "mode": "lines",
        "visible": visible,
        "legendgroup": path,
        "line": {"width": 2.5 if path == run.root else 1.2},
    }
    full = lines.label(path)
    growth = {**common, "y": lines.rounded(nav), "hovertemplate": f"{full} %{{y:.4g}}<extra></extra>"}
    below = {"y": lines.rounded(falls, 4), "yaxis": "y2", "showlegend": False}
    return [growth, {**common, **below, "hovertemplate": f"{full} %{{y:.1%}}<extra></extra>"}]
