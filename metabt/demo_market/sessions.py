"""Sessions of the demo market: weekdays of 30 years without eight holidays of each, as an exchange in New York has."""

from __future__ import annotations

import numpy as np

FIRST, LAST = "1994-01-03", "2023-12-29"
"""First and last day."""
FIXED = ("01-01", "07-04", "12-25")
"""Holidays of one date, which are not moved where they fall on a weekend."""
FLOATING = (("01", 2, "Mon"), ("02", 2, "Mon"), ("05", -1, "Mon"), ("09", 0, "Mon"), ("11", 3, "Thu"))
"""Holidays of a weekday: month, how many of it in the month came before (-1: it is the last), weekday."""


def trading_days() -> np.ndarray:
    """Return the sessions, (n_sessions,) datetime64[D]."""
    days = np.arange(FIRST, np.datetime64(LAST) + 1, dtype="datetime64[D]")
    return days[np.is_busday(days, holidays=holidays())]


def holidays() -> list[np.datetime64]:
    """Return all holidays of the years from the first session to the last."""
    years = range(int(FIRST[:4]), int(LAST[:4]) + 1)
    fixed = [np.datetime64(f"{year}-{day}") for year in years for day in FIXED]
    return fixed + [_weekday(f"{year}-{month}", n, weekday) for year in years for month, n, weekday in FLOATING]


def _weekday(month: str, n: int, weekday: str) -> np.datetime64:
    """Return a weekday of a month that has `n` of it before it; n = -1 is the last."""
    begins = np.datetime64(month, "M")
    days = np.arange(begins, begins + 1, dtype="datetime64[D]")
    return days[np.is_busday(days, weekmask=weekday)][n]
