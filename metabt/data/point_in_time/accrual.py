"""Accrual: what cash earns in each session, from an annual rate by day count.

1. A session earns `value / day_count x calendar days since the session before`: simple interest, no compounding within.
2. The value is that of the newest row at or before the session *before*: a rate is known when money begins to earn it.
3. Before the first row cash earns 0, and such sessions are counted. A number in place of rows is a constant rate,
   actual/365.

Each session depends on itself and the one before: the bits are the same wherever sessions are cut into partitions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.data.point_in_time.tables import DatedTable

CONSTANT_DAYS = 365.0
"""Day count of a constant rate."""


@dataclass(frozen=True)
class Accrual:
    """What cash earns in some sessions."""

    returns: np.ndarray
    """(n_sessions,) simple returns, each since the session before."""
    unknown: int
    """Sessions that earn 0 because no row of the rate is as old as the session before them."""


@dataclass(frozen=True)
class Rate:
    """One rate through time: the rows of one name of a table `rates`."""

    dates: np.ndarray
    """(n_rows,) datetime64[D], ascending: each value holds from its date until the next."""
    values: np.ndarray
    """(n_rows,) annual rates, fractions: 0.05."""
    day_counts: np.ndarray
    """(n_rows,) days of a year: 360 or 365."""

    @classmethod
    def of(cls, table: DatedTable, name: str) -> Rate:
        """Return the rows of one name; there are none where the table does not have it."""
        rows = table.rows_of(name)
        return cls(*(table.numbers(column)[rows] for column in ("date", "value", "day_count")))

    def agrees(self, other: Rate) -> bool:
        """Return whether another rate has the same rows."""
        mine, theirs = (self.dates, self.values, self.day_counts), (other.dates, other.values, other.day_counts)
        # dates have no missing values, and of an exchange no row has a day count
        return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(mine, theirs, strict=True))

    @property
    def per_day(self) -> np.ndarray:
        """(n_rows,) simple return of a calendar day."""
        return self.values / self.day_counts


def idle_returns(dates: np.ndarray, previous: np.datetime64 | None, rate: Rate | float) -> Accrual:
    """Return what cash earns in each session.

    Parameters
    ----------
    dates : (n_sessions,) datetime64[D] sessions, strictly increasing
    previous : the session before the first; None where there is none, which earns 0 and is not counted
    rate : rows of a rate, or a constant annual rate as a fraction, actual/365

    Returns
    -------
    simple returns by session, and how many earn 0 because no rate was known
    """
    since = np.concatenate([dates[:1] if previous is None else np.array([previous], "datetime64[D]"), dates[:-1]])
    days = (dates - since).astype("timedelta64[D]").astype(np.float64)
    if not isinstance(rate, Rate):
        return Accrual(float(rate) / CONSTANT_DAYS * days, 0)
    newest = np.searchsorted(rate.dates, since, side="right") - 1
    per_day = np.append(rate.per_day, 0.0)[newest]  # -1, no row yet, is the 0 at the end
    return Accrual(per_day * days, int(np.count_nonzero((newest < 0) & (days > 0))))
