"""Common: two streams on the sessions that both have, with returns compounded in between.

1. Streams that begin with the same trade and the same session are measured from the close of that trade.
2. Of others, the first common session is where both are measured from; what came before it is no part of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.analysis.metrics.stream import NAN, Stream, years_between
from metabt.report.run import Run

SUMMED = ("cost", "turnover", "netting_benefit")
"""Columns of a stream that add up over sessions; the others compound."""


@dataclass(frozen=True)
class Common:
    """Two streams on the sessions that they share."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D] at whose close both have a value."""
    since: np.datetime64
    """Session at whose close both are worth 1: that of the trade that both begin with, or the first of `dates`."""
    navs: np.ndarray
    """(n_sessions, 2) values, relative to `since`."""
    same: bool
    """They begin with the same trade and have the same sessions, all of them."""
    alone: tuple[int, int]
    """Sessions that only the first or only the second has, between the beginning and the end of the other."""

    @property
    def begins(self) -> bool:
        """The streams begin with the same trade, and are measured from there."""
        return bool(len(self.dates)) and bool(self.since < self.dates[0])

    @property
    def returns(self) -> np.ndarray:
        """(n_returns, 2) net returns from one common session to the next."""
        whole = np.vstack([np.ones((1, 2)), self.navs]) if self.begins else self.navs
        found: np.ndarray = whole[1:] / whole[:-1] - 1.0
        return found

    @property
    def per_year(self) -> float:
        """Number of returns a year, as measured."""
        years = years_between(self.since, self.dates[-1]) if len(self.dates) else 0.0
        return len(self.returns) / years if years > 0 else NAN


def common(one: tuple[Run, str], other: tuple[Run, str]) -> Common:
    """Return two streams, each a run and a path in it, on the sessions that they share."""
    sides = (one, other)
    dates = [run.streams.own(path, "date") for run, path in sides]
    shared, *at = np.intersect1d(dates[0], dates[1], assume_unique=True, return_indices=True)
    navs = np.column_stack([run.streams.own(path, "nav")[rows] for (run, path), rows in zip(sides, at, strict=True)])
    trades = [run.inception(path) for run, path in sides]
    begins = len(shared) > 0 and trades[0] == trades[1] and dates[0][0] == dates[1][0]
    same = begins and len(shared) == len(dates[0]) == len(dates[1])
    if len(shared) and not begins:
        navs = navs / navs[0]
    since = trades[0] if begins else shared[0] if len(shared) else np.datetime64("NaT")
    return Common(
        shared, since, navs, same, (_between(shared, dates[0], dates[1]), _between(shared, dates[1], dates[0]))
    )


def _between(shared: np.ndarray, own: np.ndarray, others: np.ndarray) -> int:
    """Return how many of a stream's own sessions are not shared, though the other stream goes on before and after."""
    if not len(shared):
        return 0
    return int(((own > others[0]) & (own < others[-1])).sum() - ((shared > others[0]) & (shared < others[-1])).sum())


def cut(run: Run, path: str, shared: Common) -> Stream:
    """Return a stream on the sessions that it shares, compounded from each of them to the next."""
    at = 1 + np.searchsorted(run.streams.own(path, "date"), shared.dates)
    at = np.concatenate([[0], at]) if shared.begins else at

    def between(column: str) -> np.ndarray:
        values = run.streams.own(path, column)
        if column in SUMMED:
            found: np.ndarray = np.diff(np.concatenate([[0.0], np.cumsum(values)])[at])
            return found
        growth = np.concatenate([[1.0], np.cumprod(1.0 + values)])[at]
        compounded: np.ndarray = growth[1:] / growth[:-1] - 1.0
        return compounded

    found = {name: between(name) for name in ("gross", "cost", "net", "turnover")}
    dates = shared.dates[len(shared.dates) - len(found["net"]) :]
    return Stream(shared.since, dates, netting=between("netting_benefit"), **found)
