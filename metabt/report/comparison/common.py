"""Common: two streams on the sessions that both have, with returns compounded in between.

1. Streams with the same sessions are compared whole, from the close of their first trade.
2. Of others, the first common session is where both are measured from; what came before it is no part of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.metrics.stream import NAN, Stream, years_between
from metabt.report.streams import Streams

SUMMED = ("cost", "turnover")
"""Columns of a stream that add up over sessions; the others compound."""


@dataclass(frozen=True)
class Common:
    """Two streams on the sessions that they share."""

    dates: np.ndarray
    """(n_sessions,) at whose close both have a value."""
    navs: np.ndarray
    """(n_sessions, 2) values; 1 before the first session of the same ones, 1 at the first of others."""
    same: bool
    """They have the same sessions, all of them."""
    alone: tuple[int, int]
    """Sessions that only the first or only the second has, between the beginning and the end of the other."""

    @property
    def returns(self) -> np.ndarray:
        """(n_returns, 2) from one session to the next."""
        whole = np.vstack([np.ones((1, 2)), self.navs]) if self.same else self.navs
        found: np.ndarray = whole[1:] / whole[:-1] - 1.0
        return found

    @property
    def per_year(self) -> float:
        """Returns a year, as measured."""
        years = years_between(self.dates[0], self.dates[-1]) if len(self.dates) > 1 else 0.0
        return (len(self.dates) - 1) / years if years > 0 else NAN


def common(one: tuple[Streams, str], other: tuple[Streams, str]) -> Common:
    """Return two streams, each a run's streams and a path in them, on the sessions that they share."""
    sides = (one, other)
    dates = [streams.own(path, "date") for streams, path in sides]
    shared, *at = np.intersect1d(dates[0], dates[1], assume_unique=True, return_indices=True)
    navs = np.column_stack([streams.own(path, "nav")[rows] for (streams, path), rows in zip(sides, at, strict=True)])
    same = len(shared) == len(dates[0]) == len(dates[1])
    if len(shared) and not same:
        navs = navs / navs[0]
    return Common(shared, navs, same, (_between(shared, dates[0], dates[1]), _between(shared, dates[1], dates[0])))


def _between(shared: np.ndarray, own: np.ndarray, others: np.ndarray) -> int:
    """Return how many of a stream's own sessions are not shared, though the other stream goes on before and after."""
    if not len(shared):
        return 0
    return int(((own > others[0]) & (own < others[-1])).sum() - ((shared > others[0]) & (shared < others[-1])).sum())


def cut(streams: Streams, path: str, dates: np.ndarray) -> Stream:
    """Return a stream from the first of some of its sessions, compounded from each of them to the next."""
    at = np.searchsorted(streams.own(path, "date"), dates)

    def between(column: str) -> np.ndarray:
        values = streams.own(path, column)
        if column in SUMMED:
            found: np.ndarray = np.diff(np.cumsum(values)[at])
            return found
        growth = np.cumprod(1.0 + values)[at]
        compounded: np.ndarray = growth[1:] / growth[:-1] - 1.0
        return compounded

    gross, cost, net, turnover = (between(name) for name in ("gross", "cost", "net", "turnover"))
    return Stream(dates[0], dates[1:], gross, cost, net, turnover, np.full(len(net), NAN))
