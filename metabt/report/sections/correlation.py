"""Correlation of sleeves: of each pair over its common sessions, and the rolling average of the root's children."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from metabt.analysis.calendar_time import year_before
from metabt.analysis.common_sessions import CommonSessions, on_common_sessions
from metabt.analysis.year_windows import Inside, YearWindows
from metabt.report import lines
from metabt.report.run import Run
from metabt.report.section import Chart, Section

FEWEST = 20
"""Returns on common sessions that a pair takes."""
POINTS = 300
"""Windows drawn."""
WRITTEN = 12
"""Sleeves up to which a cell has its numbers written into it."""

Pairs = dict[tuple[int, int], CommonSessions]
"""Two places in a list of sleeves, the lower one first -> both on their common sessions."""


def correlation(run: Run) -> Section | None:
    """Return the heat map and, with two children or more, the rolling average."""
    drawn = [path for path in run.nearest if path != run.root][: lines.MAX_CURVES]
    if len(drawn) < 2:
        return None
    drawn = [path for path in run.paths if path in drawn]
    pairs, among = in_pairs(run, drawn), run.children[: lines.MAX_CURVES]
    figures: list[Chart | None] = [_heat_map(run, drawn, pairs)]
    if len(run.children) > 1:
        figures.append(_rolling(run, among, pairs if among == drawn else in_pairs(run, among)))
    return Section("correlation", "Correlation of sleeves", [figure for figure in figures if figure is not None])


def in_pairs(run: Run, paths: list[str]) -> Pairs:
    """Return sleeves two by two, every one with itself too."""
    series = [run.series(path) for path in paths]
    places = [*combinations(range(len(series)), 2), *((i, i) for i in range(len(series)))]
    return {(i, j): on_common_sessions(series[i], series[j]) for i, j in places}


def matrix(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation of every two sleeves, NaN where it is not known, and their common sessions, (n, n)."""
    size = 1 + max(max(places) for places in pairs)
    found, counts = np.full((size, size), np.nan), np.zeros((size, size), np.int64)
    for (i, j), shared in pairs.items():
        counts[i, j] = counts[j, i] = shared.count
        if len(shared.returns) >= FEWEST:
            found[i, j] = found[j, i] = shared.correlation
    return found, counts


def averages(pairs: Pairs, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what is known of the pairs of different sleeves in the year up to each date of `ends`, (n_windows,).

    Returns
    -------
    the mean of their correlations, NaN where there is none; how many pairs have one; the fewest common sessions of them
    """
    total, number = np.zeros(len(ends)), np.zeros(len(ends), np.int64)
    fewest = np.full(len(ends), np.iinfo(np.int64).max)
    seen: dict[tuple[np.datetime64, bytes], tuple[YearWindows, dict[int, Inside]]] = {}
    for (i, j), shared in pairs.items():
        if i == j:
            continue
        # from one close over the same sessions a series has the same returns, whatever it is put beside
        key = shared.since, shared.ends.tobytes()
        windows, inside = seen.setdefault(key, (YearWindows.of(shared.ends, ends), {}))
        for place, series in zip((i, j), shared.returns.T, strict=True):
            if place not in inside:
                inside[place] = windows.inside(series)
        found = np.where(windows.counts >= FEWEST, windows.correlation_of(inside[i], inside[j]), np.nan)
        known = np.isfinite(found)
        total += np.where(known, found, 0.0)
        number += known
        fewest = np.where(known, np.minimum(fewest, windows.counts), fewest)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan), number, fewest


def _heat_map(run: Run, drawn: list[str], pairs: Pairs) -> Chart:
    found, counts = matrix(pairs)
    labels = [lines.label(path.partition("/")[2]) for path in drawn]
    trace = {
        "type": "heatmap",
        "x": list(range(len(labels))),
        "y": list(range(len(labels))),
        "z": [lines.rounded(row, 3) for row in found],
        "zmin": -1,
        "zmax": 1,
        "diverging": True,
        "text": [[f"{count:,}" for count in row] for row in counts.tolist()],  # Plotly writes no other data into cells
        "hovertext": [[f"{a}<br>{b}" for b in labels] for a in labels],
        "hovertemplate": "%{hovertext}<br>%{z:.2f}, %{text} common sessions<extra></extra>",
    }
    if len(drawn) <= WRITTEN:
        trace |= {"texttemplate": "%{z:.2f}<br>%{text}"}
    places = {"tickmode": "array", "tickvals": trace["x"], "automargin": True, "showgrid": False, "zeroline": False}
    short = [lines.label(_short(run.label(path))) for path in drawn]
    layout = {
        "xaxis": {**places, "ticktext": short, "tickangle": -45},
        "yaxis": {**places, "ticktext": short, "autorange": "reversed"},
        "hovermode": "closest",
    }
    caption = (
        "Net returns of each pair on the sessions that both have, compounded in between; "
        + ("the number beneath" if len(drawn) <= WRITTEN else "what is shown with a cell")
        + f" is how many sessions these are, and fewer than {FEWEST} returns have no correlation."
        + lines.beyond(len(run.paths) - 1 - len(drawn), "sleeves further from the root are")
    )
    return Chart("correlation-map", caption, [trace], layout, height=max(20, min(34, 8 + 2 * len(drawn))))


def _short(label: str) -> str:
    return label if len(label) <= 14 else label[:13] + "\N{HORIZONTAL ELLIPSIS}"


def _rolling(run: Run, drawn: list[str], pairs: Pairs) -> Chart | None:
    dates = run.streams.dates
    ends = dates[lines.thin(len(dates), POINTS)]
    ends = ends[year_before(ends) >= run.inception(run.root)]
    average, number, fewest = averages(pairs, ends)
    if not number.any():
        return None
    trace = {
        "name": "average",
        "slot": 1,
        "mode": "lines",
        "line": {"width": 1.5},
        "y": lines.rounded(average, 3),
        "text": [_counted(*counts) for counts in zip(number.tolist(), fewest.tolist(), strict=True)],
        "hovertemplate": "%{y:.2f}, %{text}<extra></extra>",
    }
    caption = (
        "Average over the pairs of the portfolio's sleeves, each on the sessions that both have, in calendar windows "
        f"of one year; a pair that has fewer than {FEWEST} returns in a window, or a sleeve that does not move in it, "
        "is left out of it." + lines.beyond(len(run.children) - len(drawn), "sleeves beyond the first are")
    )
    layout = {"yaxis": {"range": [-1, 1]}, "showlegend": False}
    return Chart("correlation-rolling", caption, [trace], layout, lines.days(ends), 16)


def _counted(number: int, fewest: int) -> str:
    """Return in words how many pairs there are, and how many common sessions each of them has at least."""
    return f"{number:,} pair{'s' * (number != 1)} of {fewest:,} common sessions or more" if number else "no pair"
