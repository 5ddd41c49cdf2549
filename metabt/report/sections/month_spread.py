"""Month spread: how the monthly returns of the root are distributed."""

from __future__ import annotations

import numpy as np

from metabt.report import lines
from metabt.report.lines import percent
from metabt.report.section import Chart, Facts

WIDTHS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Widths of the steps of a distribution, returns; the narrowest is taken that makes at most `STEPS` of them."""
STEPS = 40
"""Largest number of steps of a distribution."""


def distribution(spread: np.ndarray) -> Chart:
    """Return how many months lie in each step of returns."""
    width = next((it for it in WIDTHS if np.ptp(spread) / it < STEPS), WIDTHS[-1])
    steps = np.floor(spread / width + 1e-9).astype(int)
    first = int(steps.min())
    counts = np.bincount(steps - first)
    middles = (np.arange(len(counts)) + first + 0.5) * width
    traces = [
        {
            "name": "months",
            "type": "bar",
            "slot": 1,
            "x": lines.rounded(middles),
            "y": counts.tolist(),
            "width": width * 0.94,
            "hovertemplate": "%{x:.2%}: %{y} months<extra></extra>",
        }
    ]
    layout = {
        "xaxis": {"tickformat": "~%", "title": {"text": "return of a month"}},
        "yaxis": {"title": {"text": "months"}},
        "showlegend": False,
    }
    caption = f"Distribution of the {len(spread):,} monthly returns, net of costs, in steps of {percent(width)}."
    return Chart("months-spread", caption, traces, layout, height=18)


def shape(spread: np.ndarray) -> Facts:
    """Return what the distribution of monthly returns comes to."""
    moved = spread[spread != 0]
    gains = float(np.mean(moved > 0)) if len(moved) else np.nan
    rows = [
        ("months", f"{len(spread):,}"),
        ("share with a gain, of those with a gain or a loss", percent(gains, 1)),
        ("best", percent(spread.max())),
        ("worst", percent(spread.min())),
        ("mean", percent(spread.mean())),
        ("median", percent(float(np.median(spread)))),
        ("standard deviation", percent(spread.std(ddof=1) if len(spread) > 1 else np.nan)),
    ]
    return Facts(("Monthly returns", "Value"), rows, title="Distribution of monthly returns")
