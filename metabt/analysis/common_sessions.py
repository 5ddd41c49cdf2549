"""Common sessions: series put side by side, on the sessions that all of them have, each compounded in between.

1. A session is common if every series has a row in it: a stream its return, a benchmark its price. Nothing is filled:
   what a series earned between two common sessions is in its return of the later one.
2. All are measured from one close: that at which the last of them began, if the others have a value there, and else
   the first common session. A stream has a value, 1, at its inception, in which it has no row.
3. The common sessions are counted, and a year has as many returns as there are between the first close and the last.

Everything that compares series asks here: a stream with its benchmark, two sleeves, two runs, a tree and its baselines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from metabt.analysis.calendar_time import years_between
from metabt.numerics.dispersion import is_constant

NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True)
class Series:
    """What something returned, session by session."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D], strictly increasing."""
    returns: np.ndarray
    """(n_sessions,) simple returns, each since the session before; the first one since `since`."""
    since: np.datetime64 = NEVER
    """Close before the first session at which there was a value; NEVER where there was none, and the first return is
    not read."""

    @property
    def begin(self) -> np.datetime64:
        """The first close at which it has a value; NEVER where there is none."""
        known = not np.isnat(self.since)
        return self.since if known else self.dates[0] if len(self.dates) else NEVER

    def row(self, date: np.datetime64) -> int | None:
        """Return the row of a close at which it has a value, -1 for the one before its first session; else None."""
        if date == self.since:
            return -1
        at = int(np.searchsorted(self.dates, date))
        return at if at < len(self.dates) and self.dates[at] == date else None


@dataclass(frozen=True)
class CommonSessions:
    """Several series on the sessions that all of them have."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D]: all have a row in each."""
    since: np.datetime64
    """The close that all are measured from: before the first of `dates`, or the first of them; NEVER without any."""
    bounds: tuple[np.ndarray, ...]
    """By series, (n_returns + 1,): its rows at `since` and at the closes after it, -1 for that of its inception."""
    returns: np.ndarray
    """(n_returns, n_series) compounded from each common close to the next."""

    @property
    def count(self) -> int:
        """Sessions that all of them have."""
        return len(self.dates)

    @property
    def ends(self) -> np.ndarray:
        """(n_returns,) the sessions that the returns end with: `dates`, without `since`."""
        return self.dates[len(self.dates) - len(self.returns) :]

    @cached_property
    def per_year(self) -> float:
        """Returns a year, as measured."""
        years = years_between(self.since, self.dates[-1]) if len(self.returns) else 0.0
        return len(self.returns) / years if years > 0 else float("nan")

    @cached_property
    def correlation(self) -> float:
        """Correlation of the first two; NaN where one of them is constant."""
        if is_constant(self.returns[:, :2]).any():
            return float("nan")
        return float(np.clip(np.corrcoef(self.returns[:, 0], self.returns[:, 1])[0, 1], -1.0, 1.0))


def on_common_sessions(*series: Series) -> CommonSessions:
    """Return series on the sessions that all of them have.

    Parameters
    ----------
    series : two or more, in any order; none of them is changed

    Returns
    -------
    Their common sessions, and a column of returns for each. Without a common session there is no return.
    """
    dates = reduce(_shared, [it.dates for it in series])
    if not len(dates):
        return CommonSessions(dates, NEVER, (np.empty(0, np.int64),) * len(series), np.empty((0, len(series))))
    since = _since(series, dates[0])
    closes = dates if since == dates[0] else np.concatenate([[since], dates])
    bounds = tuple(_rows(it, closes) for it in series)
    returns = [compounded(it.returns, rows) for it, rows in zip(series, bounds, strict=True)]
    return CommonSessions(dates, since, bounds, np.column_stack(returns))


def compounded(returns: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return what returns compound to from each bound to the next.

    Parameters
    ----------
    returns : (n_sessions,) simple returns
    bounds : (n_bounds,) int64, increasing: rows at whose close a period ends and the next one begins; -1 is the close
        before the first row

    Returns
    -------
    (n_bounds - 1,) simple returns; that of a period of one session has its very bits
    """
    steps = np.diff(bounds)
    single = returns[bounds[1:]]
    if (steps == 1).all():
        return single
    grown = np.multiply.reduceat(1.0 + returns[: bounds[-1] + 1], bounds[:-1] + 1) - 1.0
    return np.where(steps == 1, single, grown)  # of a single session to the bit what it is


def summed(amounts: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return what amounts add up to from each bound to the next.

    Parameters
    ----------
    amounts : (n_sessions,) such as costs, fractions of NAV
    bounds : (n_bounds,) rows, as in `compounded`

    Returns
    -------
    (n_bounds - 1,) sums
    """
    if len(bounds) < 2:
        return np.empty(0)
    found: np.ndarray = np.add.reduceat(amounts[: bounds[-1] + 1], bounds[:-1] + 1)
    return found


def _shared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the dates that two have, both strictly increasing."""
    if np.array_equal(one, other):
        return one
    if not len(other):
        return other
    found: np.ndarray = one[other[np.minimum(np.searchsorted(other, one), len(other) - 1)] == one]
    return found


def _since(series: Sequence[Series], first: np.datetime64) -> np.datetime64:
    begin = max(it.begin for it in series)
    return begin if begin < first and all(it.row(begin) is not None for it in series) else first


def _rows(series: Series, closes: np.ndarray) -> np.ndarray:
    rows = np.searchsorted(series.dates, closes)
    rows[0] = -1 if closes[0] == series.since else rows[0]
    return rows
