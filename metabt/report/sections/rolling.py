"""Rolling Sharpe and volatility of the root and its children, over one year of each one's own sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from metabt.report import lines
from metabt.report.run import Run
from metabt.report.section import Chart, Section

POINTS = 600
"""Largest number of windows drawn of one sleeve."""


def rolling(run: Run) -> Section | None:
    """Return the chart, None where no sleeve has a year of sessions."""
    shown = [run.root, *run.children][: lines.MAX_CURVES]
    traces = [trace for path in shown for trace in _pair(run, path)]
    if not traces:
        return None
    layout = lines.panels(1, 1)
    layout["yaxis"] |= {"title": {"text": "Sharpe"}}
    layout["yaxis2"] |= {"tickformat": "~%", "rangemode": "tozero", "title": {"text": "volatility"}}
    caption = (
        "Net of costs, annualised, in windows of one year of measured sessions, without a risk-free rate."
        + lines.beyond(1 + len(run.children) - len(shown), "sleeves beyond the first are")
    )
    return Section(
        "rolling", "Rolling Sharpe and volatility", [Chart("rolling-year", caption, traces, layout, height=30)]
    )


def windows(net: np.ndarray, window: int, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (ddof 1) of the `window` returns up to each of `ends`."""
    seen = sliding_window_view(net, window)[ends - window + 1]
    return seen.mean(axis=1), seen.std(axis=1, ddof=1)


def _pair(run: Run, path: str) -> list[dict[str, Any]]:
    per_year, net = run.sessions_per_year(path), run.streams.own(path, "net")
    window = round(per_year) if np.isfinite(per_year) else 0
    if window < 2 or len(net) < window:
        return []
    ends = lines.thin(len(net), POINTS)
    ends = ends[ends >= window - 1]
    mean, deviation = windows(net, window, ends)
    with np.errstate(invalid="ignore", divide="ignore"):
        sharpe = np.where(deviation > 1e-12, mean / deviation * np.sqrt(per_year), np.nan)
    common = {
        "name": lines.label(run.label(path)),
        "path": path,
        "slot": run.slots[path],
        "mode": "lines",
        "legendgroup": str(run.slots[path]),
        "line": {"width": 2.2 if path == run.root else 1.1},
        "x": lines.days(run.streams.own(path, "date")[ends]),
    }
    above = {"y": lines.rounded(sharpe, 4), "hovertemplate": "%{y:.2f}"}
    below = {"y": lines.rounded(deviation * np.sqrt(per_year), 4), "yaxis": "y2", "hovertemplate": "%{y:.1%}"}
    return [{**common, **above}, {**common, **below, "showlegend": False}]
