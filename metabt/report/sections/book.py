"""The flattened book: the portfolio's holdings of physical assets, all sleeves netted."""

from __future__ import annotations

import numpy as np

from metabt.data.point_in_time.hedging import is_hedge
from metabt.report import lines
from metabt.report.decisions import largest
from metabt.report.reading import numbers
from metabt.report.run import Run
from metabt.report.section import Chart, Section
from metabt.values.tables import Coded, Table

MAX_HOLDINGS = 12
"""Largest number of assets drawn by name."""


def book(run: Run) -> Section:
    """Return holdings, exposure, concentration and turnover."""
    dates, symbols, held = matrix(run.tables["weights"])
    dates, held = lines.until(run.streams.dates[-1], dates, held)
    hedges = np.array([is_hedge(it) for it in symbols], bool)
    exposed = _exposure(run, dates, held[:, ~hedges], bool(hedges.any()))
    return Section("book", "Flattened book", [_holdings(dates, symbols, held), exposed])


def matrix(weights: Table) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the sessions that traded, the symbols and the targets, (n_dates, n_symbols)."""
    column = weights["symbol"]
    assert isinstance(column, Coded)
    dates, row = np.unique(numbers(weights, "date"), return_inverse=True)
    held = np.zeros((len(dates), len(column.values)))
    held[row, column.codes] = numbers(weights, "target")
    return dates, list(column.values), held


def effective_number(held: np.ndarray) -> np.ndarray:
    """Return `(sum |w|)^2 / sum w^2` of each row, NaN where nothing is held; `1 / sum w^2` of a book without cash."""
    squares = (held**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(held).sum(axis=1) ** 2 / squares


def _holdings(dates: np.ndarray, symbols: list[str], held: np.ndarray) -> Chart:
    keep, drawn = lines.thin(len(dates), lines.MAX_POINTS // 2), largest(held, MAX_HOLDINGS)
    rest = np.setdiff1d(np.arange(len(symbols)), drawn)
    lines_of = held[np.ix_(keep, drawn)]
    labels, slots = [symbols[i] for i in drawn], list(range(1, len(drawn) + 1))
    if len(rest):
        lines_of = np.column_stack([lines_of, held[np.ix_(keep, rest)].sum(axis=1)])
        labels, slots = [*labels, f"{len(rest):,} others, net"], [*slots, lines.OTHERS]
    caption = (
        "Targets just after trading, for every session in which anything trades; shorts are below zero."
        + lines.thinned(len(dates), len(keep), "such sessions")
    )
    traces = lines.stacked(labels, slots, lines_of, shape="hv")
    return Chart("holdings", caption, traces, {"yaxis": {"tickformat": "~%"}}, lines.days(dates[keep]))


def _exposure(run: Run, dates: np.ndarray, held: np.ndarray, hedged: bool) -> Chart:
    keep = lines.thin(len(dates))
    gross, net = np.abs(held[keep]).sum(axis=1), held[keep].sum(axis=1)
    months, turnover = monthly(run.streams.dates, run.streams.own(run.root, "turnover"))
    line = {"mode": "lines", "line": {"width": 1.3, "shape": "hv"}}
    traces = [
        {**line, "name": "gross", "slot": 0, "y": lines.rounded(gross), "hovertemplate": "%{y:.1%}"},
        {**line, "name": "net", "slot": 1, "y": lines.rounded(net), "hovertemplate": "%{y:.1%}"},
        {
            **line,
            "name": "effective number of assets",
            "slot": 2,
            "yaxis": "y2",
            "y": lines.rounded(effective_number(held[keep]), 4),
            "hovertemplate": "%{y:.1f}",
        },
        {
            "type": "bar",
            "name": "turnover of the month",
            "slot": 3,
            "yaxis": "y3",
            "x": lines.days(months),
            "y": lines.rounded(turnover, 4),
            "hovertemplate": "%{y:.1%}",
        },
    ]
    layout = lines.panels(1, 1, 1)
    layout["yaxis"] |= {"tickformat": "~%", "rangemode": "tozero", "title": {"text": "exposure"}}
    layout["yaxis2"] |= {"rangemode": "tozero", "title": {"text": "effective"}}
    layout["yaxis3"] |= {"tickformat": "~%", "title": {"text": "turnover"}}
    caption = (
        "Gross is the sum of absolute weights, net their sum. The effective number of assets is (sum |w|)² / sum w²: "
        "1 / sum w² of a book that is fully invested. Turnover is half the sum of absolute trades."
        + (" Hedges of currencies, which take no money, are in turnover alone." if hedged else "")
    )
    return Chart("exposure", caption, traces, layout, lines.days(dates[keep]), 32)


def monthly(dates: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the months of `dates`, increasing, and the sum of `values` in each."""
    months, row = np.unique(dates.astype("datetime64[M]"), return_inverse=True)
    return months, np.bincount(row, values, len(months))
