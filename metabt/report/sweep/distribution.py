"""Distribution: how the Sharpe ratios of a sweep's configurations are spread."""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.report import lines
from metabt.report.section import Chart, Facts, Section
from metabt.report.sweep.tried import Tried

BINS = 40
"""Bars at most."""


def _noise(tried: Tried, edges: np.ndarray) -> list[dict[str, Any]]:
    """Return the bars of what the best of the family is by luck, with as much area as the configurations have."""
    found = tried.luck
    if found is None or found.best is None:
        return []
    n_sessions = int(found.trials.n_sessions[found.best.trial])
    maxima = found.maxima / np.sqrt(n_sessions) * np.sqrt(found.sessions_per_year)
    step = float(edges[1] - edges[0])
    bins = np.arange(maxima.min(), maxima.max() + 2 * step, max(step, float(np.ptp(maxima)) / BINS))
    counts, bounds = np.histogram(maxima, bins=bins)
    scale = len(tried.done) * step / (len(maxima) * (bounds[1] - bounds[0]))
    return [
        {
            "type": "bar",
            "name": "the best of noise",
            "slot": -1,
            "opacity": 0.7,
            "x": lines.rounded((bounds[:-1] + bounds[1:]) / 2),
            "y": lines.rounded(counts * scale, 4),
            "width": lines.rounded(np.diff(bounds)),
            "hovertemplate": "the best of noise: about %{x:.2f}<extra></extra>",
        }
    ]


def distribution(tried: Tried) -> Section | None:
    """Return the histogram of Sharpe ratios and its quantiles; None where fewer than two configurations have one."""
    found = tried.score[tried.done]
    if len(found) < 2:
        return None
    counts, edges = np.histogram(found, bins=min(BINS, max(5, round(2 * len(found) ** (1 / 3)))))
    trace = {
        "type": "bar",
        "name": "configurations",
        "slot": 1,
        "x": lines.rounded((edges[:-1] + edges[1:]) / 2),
        "y": counts.tolist(),
        "width": lines.rounded(np.diff(edges)),
        "hovertemplate": "Sharpe about %{x:.2f}: %{y:,}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "Sharpe ratio, per year"}},
        "yaxis": {"title": {"text": "configurations"}, "rangemode": "tozero"},
        "showlegend": False,
        "hovermode": "closest",
        "bargap": 0.04,
    }
    caption = "How many configurations had which Sharpe ratio."
    traces = [trace, *_noise(tried, edges)]
    if len(traces) > 1:
        layout |= {"showlegend": True, "barmode": "overlay"}
        caption += (
            " The best of noise is what the best of all trials shows in each draw in which none has a mean above "
            "cash, as correlated as they are."
        )
    chart = Chart("sharpe-spread", caption, traces, layout, height=20)
    shares = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
    names = ("lowest", "5 %", "25 %", "median", "75 %", "95 %", "highest")
    quantiles = Facts(("", *names), [("Sharpe", *(f"{it:.2f}" for it in np.quantile(found, shares)))])
    return Section("distribution", "Spread of Sharpe ratios", [chart], [quantiles])
