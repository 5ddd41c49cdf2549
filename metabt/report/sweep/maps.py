"""Maps: a metric by any two keys, as heat maps that a reader chooses on the page."""

from __future__ import annotations

from metabt.report import lines
from metabt.report.section import Chart, Section
from metabt.report.sweep.sensitivity import effects
from metabt.report.sweep.tried import Tried

SHOWN = (
    ("sharpe", "Sharpe ratio", ".2f"),
    ("total_return", "total return", ".1%"),
    ("cagr", "CAGR", ".1%"),
    ("volatility", "volatility", ".1%"),
    ("max_drawdown", "max drawdown", ".1%"),
    ("turnover", "turnover", ".2f"),
)
"""Metric, its name and its format of those that can be chosen."""
VALUES = 60
"""Values up to which a key can be an axis."""


def maps(tried: Tried) -> Section | None:
    """Return the chart of a metric by two keys; None where fewer than two keys differ."""
    keys = [effect.key for effect in effects(tried) if len(tried.grouped[effect.key][0]) <= VALUES]
    if len(keys) < 2:
        return None
    choices = {
        "keys": [
            {
                "label": tried.keys[key],
                "title": lines.label(tried.keys[key]),
                "values": [lines.label(value or "as it is") for value in tried.grouped[key][0]],
                "places": tried.grouped[key][1][tried.done].tolist(),
            }
            for key in keys
        ],
        "metrics": [
            {"label": name, "format": form, "values": lines.rounded(tried.metrics[metric][tried.done], 4)}
            for metric, name, form in SHOWN
        ],
    }
    layout = {"hovermode": "closest", "xaxis": {"type": "category"}, "yaxis": {"type": "category"}}
    left = len(tried.keys) - len(keys)
    caption = "Every cell is about all configurations with its two values, whatever the others are." + lines.beyond(
        left, f"keys that have more than {VALUES} values, or one, are"
    )
    chart = Chart(
        "maps",
        caption,
        [],
        layout,
        height=30,
        hint="Choose the keys, the metric and what of it is shown.",
        choices=choices,
    )
    return Section("maps", "Any two keys", [chart])
