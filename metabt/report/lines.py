"""Lines of a chart: thinned, rounded, stacked.

1. A curve is thinned to at most `MAX_POINTS` sessions: the last of each stretch, or for drawdowns the deepest.
2. A chart draws at most `MAX_CURVES` sleeves, those nearest the root. Captions say what was left out.
3. What is stacked goes up where it is positive and down where it is negative, so that neither hides the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

MAX_POINTS = 1_500
"""Largest number of sessions drawn of one curve."""
OTHERS = -1
"""Place in the palette of what has no colour of its own."""
MAX_CURVES = 24
"""Largest number of sleeves drawn in one chart."""


def label(text: str) -> str:
    """Return a name as Plotly is to show it: tags, entities and the holes of its templates mean nothing."""
    return escape(text, quote=False).replace("%", "&#37;")  # it knows no &quot;


def thin(size: int, points: int | None = None) -> np.ndarray:
    """Return the rows to draw: evenly spaced, ending with the last."""
    step = -(-size // (points or MAX_POINTS)) or 1
    return np.arange(size - 1, -1, -step)[::-1]


def deepest(falls: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return the lowest value of each stretch of rows that ends with a kept one."""
    return np.minimum.reduceat(falls, np.r_[0, keep[:-1] + 1]) if len(keep) else falls


def thinned(size: int, kept: int, what: str = "sessions") -> str:
    """Return the sentence of a caption that says how many sessions are drawn, if not all are."""
    return f" One of {-(-size // kept)} {what} is drawn." if kept < size else ""


def beyond(left: int, what: str) -> str:
    """Return the sentence of a caption that says how many are not drawn, if any."""
    return f" {left:,} {what} not drawn." if left > 0 else ""


def until(last: np.datetime64, dates: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return steps, a row of `values` for each date, with one more row: the newest holds on to a last date."""
    if not len(dates) or last <= dates[-1]:
        return dates, values
    return np.append(dates, last), np.concatenate([values, values[-1:]])


def days(dates: np.ndarray) -> list[str]:
    """Return dates as text."""
    return np.datetime_as_string(dates.astype("datetime64[D]")).tolist()


def rounded(values: np.ndarray, digits: int = 5) -> list[float | None]:
    """Return values with so many significant digits, None where there is none."""
    form = f"%.{digits}g"
    return [float(form % value) if value == value and abs(value) != np.inf else None for value in values.tolist()]


def panels(*shares: float, gap: float = 0.06) -> dict[str, Any]:
    """Return the layout of charts above each other over one axis of time, given their shares of the height."""
    room = 1.0 - gap * (len(shares) - 1)
    layout: dict[str, Any] = {}
    top = 1.0
    for place, share in enumerate(shares):
        low = top - room * share / sum(shares)
        layout[axis(place, "yaxis")] = {"domain": [max(round(low, 4), 0.0), round(top, 4)]}
        top = low - gap
    layout["xaxis"] = {"anchor": axis(len(shares) - 1)}
    return layout


def growth_axis(traces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a logarithmic axis for the NAVs of traces; over a wide range 1, 2 and 5 alone have labels."""
    navs = [
        value for trace in traces if "yaxis" not in trace for value in trace["y"] if value is not None and value > 0
    ]
    steps = {"dtick": "D2"} if navs and max(navs) > 10.0 * min(navs) else {}
    return {"type": "log", "nticks": 8, "title": {"text": "growth of 1"}, **steps}


def axis(place: int, word: str = "y") -> str:
    """Return Plotly's name of an axis: y, y2, y3."""
    return word if place == 0 else f"{word}{place + 1}"


def stacked(
    labels: Sequence[str],
    slots: Sequence[int],
    values: np.ndarray,
    paths: Sequence[str] | None = None,
    shape: str = "linear",
) -> list[dict[str, Any]]:
    """Return areas of `values`, (n_dates, n_labels): positive parts above zero, negative ones below."""
    traces = []
    for place, (name, slot) in enumerate(zip(labels, slots, strict=True)):
        line = np.nan_to_num(values[:, place])
        common = {
            "name": label(name),
            "slot": slot,
            "mode": "lines",
            "line": {"width": 0.5, "shape": shape},
            "legendgroup": f"g{place}",
            **({} if paths is None else {"path": paths[place]}),
        }
        above = {**common, "stackgroup": "above", "y": rounded(np.maximum(line, 0.0), 4)}
        if (line < 0).any():
            below = {"stackgroup": "below", "y": rounded(np.minimum(line, 0.0), 4), "showlegend": False}
            traces.append({**common, **below, "hoverinfo": "skip"})
            above["customdata"] = rounded(line, 4)
        traces.append({**above, "hovertemplate": "%{customdata:.1%}" if "customdata" in above else "%{y:.1%}"})
    return traces


def signed(value: float, digits: int = 2) -> str:
    """Return a number as text, a dash where there is none."""
    if not np.isfinite(value):
        return "\N{EN DASH}"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def percent(value: float, digits: int = 2) -> str:
    """Return a fraction as a percentage, a dash where there is none."""
    if not np.isfinite(value):
        return "\N{EN DASH}"
    return f"{round(value, digits + 2) + 0.0:.{digits}%}".replace("-", "\N{MINUS SIGN}")
