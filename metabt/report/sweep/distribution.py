"""Distribution: how the Sharpe ratios of a sweep's configurations are spread."""

from __future__ import annotations

import numpy as np

from metabt.report import lines
from metabt.report.section import Chart, Facts, Section
from metabt.report.sweep.tried import Tried

BINS = 40
"""Bars at most."""


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
    chart = Chart("sharpe-spread", "How many configurations had which Sharpe ratio.", [trace], layout, height=20)
    shares = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
    names = ("lowest", "5 %", "25 %", "median", "75 %", "95 %", "highest")
    quantiles = Facts(("", *names), [("Sharpe", *(f"{it:.2f}" for it in np.quantile(found, shares)))])
    return Section("distribution", "Spread of Sharpe ratios", [chart], [quantiles])
