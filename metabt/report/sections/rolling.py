"""Rolling Sharpe and volatility of the root and its children, of each one's own sessions in calendar windows.

The Sharpe ratio is of what exceeds cash where the tree states a rate, as that of the whole time is; the volatility is
of the returns themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.analysis.calendar_time import year_before
from metabt.analysis.year_windows import YearWindows
from metabt.report import lines
from metabt.report.cash import beyond, idle
from metabt.report.run import Run
from metabt.report.section import Chart, Section

POINTS = 600
"""Largest number of windows drawn of one sleeve."""


def rolling(run: Run) -> Section | None:
    """Return the chart, None where no sleeve has a year of them."""
    shown = [run.root, *run.children][: lines.MAX_CURVES]
    traces = [trace for path in shown for trace in _pair(run, path)]
    if not traces:
        return None
    layout = lines.panels(1, 1)
    layout["yaxis"] |= {"title": {"text": "Sharpe"}}
    layout["yaxis2"] |= {"tickformat": "~%", "rangemode": "tozero", "title": {"text": "volatility"}}
    caption = (
        f"Net of costs, in calendar windows of one year, annualised by the sessions inside, {beyond(run)}."
        + lines.beyond(1 + len(run.children) - len(shown), "sleeves beyond the first are")
    )
    return Section(
        "rolling", "Rolling Sharpe and volatility", [Chart("rolling-year", caption, traces, layout, height=30)]
    )


def _pair(run: Run, path: str) -> list[dict[str, Any]]:
    series = run.series(path)
    ends = series.dates[lines.thin(len(series.dates), POINTS)]
    ends = ends[year_before(ends) >= series.since]
    if not len(ends):
        return []
    windows = YearWindows.of(series.dates, ends)
    mean, deviation = windows.moments(series.returns)
    annual = np.sqrt(windows.counts)
    cash = idle(run, path)
    mean, spread = (mean, deviation) if cash is None else windows.moments(series.returns - cash)
    sharpe = mean / np.where(spread > 0, spread, np.nan) * annual
    common = {
        "name": lines.label(run.label(path)),
        "path": path,
        "slot": run.slots[path],
        "mode": "lines",
        "legendgroup": str(run.slots[path]),
        "line": {"width": 2.2 if path == run.root else 1.1},
        "x": lines.days(ends),
        "text": [f"{count:,} sessions" for count in windows.counts.tolist()],
    }
    above = {"y": lines.rounded(sharpe, 4), "hovertemplate": "%{y:.2f} (%{text})"}
    below = {"y": lines.rounded(deviation * annual, 4), "yaxis": "y2", "hovertemplate": "%{y:.1%} (%{text})"}
    return [{**common, **above}, {**common, **below, "showlegend": False}]
