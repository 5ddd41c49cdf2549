"""Correlation of sleeves: of pairs over their common sessions, and the rolling average of the root's children."""

from __future__ import annotations

import numpy as np

from metabt.report import lines
from metabt.report.run import Run
from metabt.report.section import Chart, Section

FEWEST = 20
"""Sessions that two streams must share."""


def correlation(run: Run) -> Section | None:
    """Return the heat map and, with two children or more, the rolling average."""
    drawn = [path for path in run.nearest if path != run.root][: lines.MAX_CURVES]
    if len(drawn) < 2:
        return None
    drawn = [path for path in run.paths if path in drawn]
    figures = [_heat_map(run, drawn), _rolling(run) if len(run.children) > 1 else None]
    return Section("correlation", "Correlation of sleeves", [figure for figure in figures if figure is not None])


def begun(run: Run, paths: list[str]) -> np.ndarray:
    """Return net returns on the root's sessions, (n_sessions, n_paths), NaN before a sleeve begins."""
    columns = []
    for path in paths:
        column = run.streams.on_root(path, "net")
        own = run.streams.own(path, "date")
        column[: np.searchsorted(run.streams.dates, own[0]) if len(own) else None] = np.nan
        columns.append(column)
    return np.column_stack(columns)


def pairwise(X: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair of columns over the rows that both have, NaN where they are too few."""
    there = np.isfinite(X).astype(float)
    Z = np.nan_to_num(X)
    count, sums = there.T @ there, Z.T @ there
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = Z.T @ Z / count - sums * sums.T / count**2
        variance = np.maximum((Z**2).T @ there / count - (sums / count) ** 2, 0.0)
        found = covariance / np.sqrt(variance * variance.T)
    return np.where((count >= FEWEST) & (variance > 0) & (variance.T > 0), np.clip(found, -1.0, 1.0), np.nan)


def _heat_map(run: Run, drawn: list[str]) -> Chart:
    found = pairwise(begun(run, drawn))
    labels = [lines.label(path.partition("/")[2]) for path in drawn]
    trace = {
        "type": "heatmap",
        "x": list(range(len(labels))),
        "y": list(range(len(labels))),
        "z": [lines.rounded(row, 3) for row in found],
        "zmin": -1,
        "zmax": 1,
        "diverging": True,
        "text": [[f"{a}<br>{b}" for b in labels] for a in labels],
        "hovertemplate": "%{text}<br>%{z:.2f}<extra></extra>",
    }
    if len(drawn) <= 12:
        trace |= {"texttemplate": "%{z:.2f}"}
    places = {"tickmode": "array", "tickvals": trace["x"], "automargin": True, "showgrid": False, "zeroline": False}
    short = [lines.label(_short(run.label(path))) for path in drawn]
    layout = {
        "xaxis": {**places, "ticktext": short, "tickangle": -45},
        "yaxis": {**places, "ticktext": short, "autorange": "reversed"},
        "hovermode": "closest",
    }
    caption = "Net returns, over the sessions that two sleeves have in common." + lines.beyond(
        len(run.paths) - 1 - len(drawn), "sleeves further from the root are"
    )
    return Chart("correlation-map", caption, [trace], layout, height=max(20, min(34, 8 + 2 * len(drawn))))


def _short(label: str) -> str:
    return label if len(label) <= 14 else label[:13] + "\N{HORIZONTAL ELLIPSIS}"


def _rolling(run: Run) -> Chart | None:
    per_year = run.sessions_per_year(run.root)
    X = begun(run, run.children[: lines.MAX_CURVES])
    window = round(per_year) if np.isfinite(per_year) else 0
    if window < FEWEST or len(X) <= window:
        return None
    ends = lines.thin(len(X), 300)
    ends = ends[ends >= window - 1]
    average = np.array([_average(pairwise(X[end + 1 - window : end + 1])) for end in ends])
    trace = {
        "name": "average",
        "slot": 1,
        "mode": "lines",
        "line": {"width": 1.5},
        "y": lines.rounded(average, 3),
        "hovertemplate": "%{y:.2f}<extra></extra>",
    }
    caption = (
        f"Average over the pairs of the portfolio's sleeves, in windows of one year ({window} sessions); a "
        "sleeve that does not move in a window is in no pair of it."
        + lines.beyond(len(run.children) - X.shape[1], "sleeves beyond the first are")
    )
    layout = {"yaxis": {"range": [-1, 1]}, "showlegend": False}
    return Chart("correlation-rolling", caption, [trace], layout, lines.days(run.streams.dates[ends]), 16)


def _average(found: np.ndarray) -> float:
    pairs = found[np.triu_indices(len(found), 1)]
    return float(np.nanmean(pairs)) if np.isfinite(pairs).any() else np.nan
