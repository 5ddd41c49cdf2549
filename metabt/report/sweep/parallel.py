"""Parallel coordinates: a line for a configuration, through the value of each key to its Sharpe ratio.

1. Axes are the keys, those that do most first, and the Sharpe ratio last; each runs from 0 to 1, values evenly apart.
2. The best twentieth, at most BEST, is drawn over others, spread evenly over the ranking, at most OTHERS.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.report import lines
from metabt.report.section import Chart, Section
from metabt.report.sweep.sensitivity import effects
from metabt.report.sweep.tried import Tried, told

BEST = 50
"""Lines of the best, at most."""
OTHERS = 250
"""Lines of the others, at most."""
AXES = 8
"""Keys that have an axis, at most."""
TICKS = 12
"""Values up to which each is written beside its axis; of more, the first and the last."""


def parallel(tried: Tried) -> Section | None:
    """Return the chart; None where fewer than two keys differ, or fewer than ten configurations have a ratio."""
    keys = [effect.key for effect in effects(tried)][:AXES]
    if len(keys) < 2 or len(tried.done) < 10:
        return None
    score = tried.score[tried.done]
    heights = [tried.places[key][tried.done] / max(len(tried.values[key]) - 1, 1) for key in keys]
    heights.append((score - score.min()) / (np.ptp(score) or 1.0))
    rows = np.array(heights).T
    n_best = min(BEST, max(1, len(rows) // 20))
    rest = np.arange(n_best, len(rows))
    rest = rest[np.linspace(0, len(rest) - 1, min(OTHERS, len(rest))).round().astype(int)] if len(rest) else rest
    traces = [
        _lines("others", rows[rest], -1, 0.6),
        _lines(f"best {n_best}", rows[:n_best], 1, 1.6),
        *(_ticks(number, tried.values[key]) for number, key in enumerate(keys)),
        _numbers(len(keys), score),
    ]
    layout = {
        "xaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(keys) + 1)),
            "ticktext": [lines.label(tried.keys[key]) for key in keys] + ["Sharpe"],
            "range": [-0.1, len(keys) + 0.35],
            "zeroline": False,
        },
        "yaxis": {"visible": False, "range": [-0.04, 1.04]},
        "hovermode": False,
    }
    caption = (
        f"The best {n_best} by Sharpe ratio, and {len(rest):,} of the {len(rows) - n_best:,} others, spread evenly "
        "over the ranking." + lines.beyond(len(tried.keys) - len(keys), "keys that do less are")
    )
    return Section("parallel", "All keys at once", [Chart("parallel", caption, traces, layout, height=28)])


def _lines(name: str, rows: np.ndarray, slot: int, width: float) -> dict[str, Any]:
    """Return lines through the heights of each row, (n_rows, n_axes), as one trace with gaps between them."""
    n_rows, n_axes = rows.shape
    x = np.tile(np.r_[np.arange(n_axes, dtype=float), np.nan], n_rows)
    y = np.column_stack([rows, np.full(n_rows, np.nan)]).ravel()
    return {
        "name": name,
        "slot": slot,
        "mode": "lines",
        "line": {"width": width},
        "opacity": 0.55,
        "x": lines.rounded(x, 3),
        "y": lines.rounded(y, 4),
    }


def _ticks(axis: int, values: list[str]) -> dict[str, Any]:
    shown = range(len(values)) if len(values) <= TICKS else (0, len(values) - 1)
    heights = [place / max(len(values) - 1, 1) for place in shown]
    return _texts(axis, heights, [told(values[place]) for place in shown])


def _numbers(axis: int, score: np.ndarray) -> dict[str, Any]:
    return _texts(axis, [0.0, 1.0], [f"{score.min():.2f}", f"{score.max():.2f}"])


def _texts(axis: int, heights: list[float], texts: list[str]) -> dict[str, Any]:
    return {
        "name": "values",
        "slot": 0,
        "mode": "text",
        "textposition": "middle right",
        "x": [axis + 0.02] * len(texts),
        "y": [round(height, 4) for height in heights],
        "text": [lines.label(text if len(text) <= 18 else f"{text[:16]}..") for text in texts],
        "showlegend": False,
    }
