"""Trailing returns: what a series earned over the last years, up to a date.

A window is one of the calendar, `(t - k years, t]`, as all windows here: it has the sessions after the close of the
same day k years before t. A window that begins before the series has no return. From two years on the return is told a
year, `(1 + R)^(1 / k) - 1`. The year to date is all of t's calendar year that the series has.

QuantStats' windows have the day t - k years too, and those of 3, 5 and 10 years begin 35, 59 and 119 months before t;
it annualises by sessions, and a series that is younger than a window has a figure all the same.
"""

from __future__ import annotations

import numpy as np

from metabt.analysis.calendar_time import years_before

YEARS = (1, 3, 5, 10)
"""Lengths of windows, calendar years."""
NAMES = ("ytd", *(f"{years}y" for years in YEARS))
"""Keys of what `trailing` returns."""


def trailing(dates: np.ndarray, returns: np.ndarray, since: np.datetime64, until: np.datetime64) -> dict[str, float]:
    """Return the returns of a series over the year to date and the last 1, 3, 5 and 10 years.

    Parameters
    ----------
    dates : (n_sessions,) datetime64[D], strictly increasing
    returns : (n_sessions,) simple returns, each since the session before, the first since `since`
    since : close from which the series has returns; NaT where it has none
    until : last date of every window, t

    Returns
    -------
    NAMES -> simple return, a year from two years on; NaN where the series does not reach back as far
    """
    found = {"ytd": _compounded(dates, returns, _new_year(until), until)}
    for years in YEARS:
        begin = years_before(until, years)
        grown = _compounded(dates, returns, begin, until) if since <= begin else np.nan
        found[f"{years}y"] = grown if years == 1 or not grown > -1.0 else (1.0 + grown) ** (1.0 / years) - 1.0
    return found


def _new_year(date: np.datetime64) -> np.datetime64:
    """Return the last day of the year before."""
    return date.astype("datetime64[Y]").astype("datetime64[D]") - np.timedelta64(1, "D")


def _compounded(dates: np.ndarray, returns: np.ndarray, after: np.datetime64, until: np.datetime64) -> float:
    """Return what the returns of `(after, until]` compound to; NaN without a session."""
    first, stop = np.searchsorted(dates, [after, until], side="right")
    return float(np.prod(1.0 + returns[first:stop])) - 1.0 if stop > first else np.nan
