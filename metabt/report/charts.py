"""Charts of a run as Plotly figures in plain values: growth, drawdown, allocation, holdings.

1. A curve is thinned to at most `MAX_POINTS` sessions: the last of each stretch, or for drawdowns the deepest.
2. A tree of more than `MAX_CURVES` sleeves shows those nearest the root. Captions say what was left out.
3. Colours and fonts belong to the page: it knows whether the reader prefers dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from metabt.report.reading import Tables, children, numbers, paths, root, texts, where

MAX_POINTS = 1_500
"""Sessions drawn of one curve."""
MAX_CURVES = 24
"""Sleeves drawn in one chart."""
MAX_HOLDINGS = 20
"""Assets drawn in the chart of holdings."""


@dataclass(frozen=True)
class Chart:
    """One figure and what to read in it."""

    name: str
    """Identifier on the page."""
    title: str
    """Heading."""
    caption: str
    """What is shown, and what was left out."""
    traces: list[dict[str, Any]]
    """Plotly traces; a trace's `slot` is the place of its colour in the page's palette."""
    layout: dict[str, Any]
    """Plotly layout, colours aside."""


def charts(tables: Tables) -> list[Chart]:
    """Return every chart of a run."""
    return [growth(tables), drawdown(tables), allocation(tables), holdings(tables)]


def growth(tables: Tables) -> Chart:
    """Return the NAV of every sleeve on a logarithmic axis; each is 1 at the close of its first trade."""
    shown, omitted = _nearest_root(tables)
    traces = [_curve(tables, path, slot) for slot, path in enumerate(shown)]
    caption = f"Net of costs, logarithmic. Each begins at 1 when it first trades. {_thinned(tables)}{omitted}"
    return Chart("growth", "Growth of 1", caption, traces, {"yaxis": {"type": "log", "dtick": "D2"}})


def drawdown(tables: Tables) -> Chart:
    """Return the fall from the highest NAV so far, of the root and its children."""
    shown = [root(tables), *children(tables, root(tables))][:MAX_CURVES]
    traces = [_curve(tables, path, slot, falls=True) for slot, path in enumerate(shown)]
    caption = f"Fall from the highest value so far: the portfolio and its sleeves. {_thinned(tables)}"
    return Chart("drawdown", "Drawdown", caption, traces, {"yaxis": {"tickformat": ".0%"}})


def fall(nav: np.ndarray) -> np.ndarray:
    """Return the drawdown of a NAV that was 1 before its first session, at most 0."""
    return nav / np.maximum(np.maximum.accumulate(nav), 1.0) - 1.0


def allocation(tables: Tables) -> Chart:
    """Return the root's decided weights over time, stacked."""
    decisions = where(tables["decisions"], "path", root(tables))
    weight, days = np.nan_to_num(numbers(decisions, "weight")), numbers(decisions, "date")
    sessions, row = np.unique(days, return_inverse=True)
    items = texts(decisions, "item")
    order = _largest(items, weight)[:MAX_CURVES]
    named = [path.rpartition("/")[2] for path in children(tables, root(tables))]
    keep = _thin(len(sessions))
    traces = []
    for place, item in enumerate(order):
        mine = np.array([other == item for other in items], bool)
        line = np.zeros(len(sessions))
        line[row[mine]] = weight[mine]
        traces.append(
            {
                "x": _days(sessions[keep]),
                "y": _rounded(line[keep]),
                "name": escape(str(item)),
                "slot": 1 + (named.index(item) if item in named else place),  # a sleeve's colour is the same everywhere
                "mode": "lines",
                "stackgroup": "one",
                "line": {"width": 0.5, "shape": "hv"},
                "hovertemplate": "%{y:.1%}",
            }
        )
    left = len(set(items)) - len(order)
    caption = "Weights as decided; what is missing to 100 % is cash." + (
        f" {left} smaller ones are not drawn." if left else ""
    )
    return Chart("allocation", "What the portfolio holds", caption, traces, {"yaxis": {"tickformat": ".0%"}})


def holdings(tables: Tables) -> Chart:
    """Return the newest targets on physical assets, the largest first."""
    orders = tables["orders"]
    symbols, targets = texts(orders, "symbol"), numbers(orders, "target")
    largest = np.argsort(-np.abs(targets), kind="stable")[:MAX_HOLDINGS][::-1]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": _rounded(targets[largest]),
        "y": [escape(str(symbols[i])) for i in largest],
        "slot": 0,
        "hovertemplate": "%{y} %{x:.2%}<extra></extra>",
    }
    left = len(symbols) - len(largest)
    caption = "Newest decisions of all sleeves, looked through to assets; shorts are negative."
    caption += f" {left} smaller ones are not drawn." if left else ""
    layout = {
        "xaxis": {"tickformat": ".0%"},
        "yaxis": {"type": "category", "automargin": True, "dtick": 1},
        "showlegend": False,
    }
    return Chart("holdings", "Largest positions", caption, [bars], layout)


def _curve(tables: Tables, path: str, slot: int, *, falls: bool = False) -> dict[str, Any]:
    returns = where(tables["returns"], "path", path)
    dates, nav = numbers(returns, "date"), numbers(returns, "nav")
    values = fall(nav) if falls else nav
    keep = _deepest(values) if falls else _thin(len(values))
    depth = path.count("/")
    return {
        "x": _days(dates[keep]),
        "y": _rounded(values[keep]),
        "name": escape(path.rpartition("/")[2]),
        "slot": slot,
        "mode": "lines",
        "line": {"width": 2.5 if depth == 0 else 1.2},
        "visible": True if depth < 2 else "legendonly",
        "hovertemplate": f"{escape(path)} %{{y:.4g}}<extra></extra>",
    }


def _nearest_root(tables: Tables) -> tuple[list[str], str]:
    ordered = sorted(paths(tables), key=lambda path: path.count("/"))
    left = len(ordered) - MAX_CURVES
    return ordered[:MAX_CURVES], f" {left} sleeves further from the root are not drawn." if left > 0 else ""


def _largest(items: list[str | None], weight: np.ndarray) -> list[str]:
    total: dict[str, float] = {}
    for item, value in zip(items, np.abs(weight).tolist(), strict=True):
        total[str(item)] = total.get(str(item), 0.0) + value
    return sorted(total, key=lambda item: (-total[item], item))


def _thin(size: int) -> np.ndarray:
    """Return the rows to draw: evenly spaced, ending with the last."""
    step = -(-size // MAX_POINTS) or 1
    return np.arange(size - 1, -1, -step)[::-1]


def _deepest(values: np.ndarray) -> np.ndarray:
    """Return the row of the lowest value of each stretch that `_thin` draws one session of."""
    ends = _thin(len(values)) + 1
    starts = np.r_[0, ends[:-1]]
    return np.array([a + int(np.argmin(values[a:b])) for a, b in zip(starts, ends, strict=True)], int)


def _thinned(tables: Tables) -> str:
    size = len(numbers(where(tables["returns"], "path", root(tables)), "date"))
    step = -(-size // MAX_POINTS)
    return f"One of {step} sessions is drawn." if step > 1 else ""


def _days(dates: np.ndarray) -> list[str]:
    return [str(day) for day in dates.astype("datetime64[D]")]


def _rounded(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]
