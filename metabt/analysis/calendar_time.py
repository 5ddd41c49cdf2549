"""Calendar time: years between dates, and the date some years before one."""

from __future__ import annotations

from typing import Any

import numpy as np

DAYS_PER_YEAR = 365.25


def years_between(first: np.datetime64, last: np.datetime64) -> float:
    """Return calendar years of 365.25 days from one date to another, negative where the second is the earlier one."""
    return float((last - first).astype("timedelta64[D]").astype(int)) / DAYS_PER_YEAR


def year_before(dates: np.ndarray) -> np.ndarray:
    """Return the same day of the year before, as `years_before`."""
    return years_before(dates, 1)


def years_before(dates: Any, years: int) -> Any:
    """Return the same day some years before.

    Parameters
    ----------
    dates : datetime64, of any shape
    years : how many

    Returns
    -------
    datetime64[D] of the same shape; of 29 February the 28th where the year has no other, as `pandas.DateOffset` has it
    """
    days = dates.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    first = (months - 12 * years).astype("datetime64[D]")
    last = (months - 12 * years + 1).astype("datetime64[D]") - 1
    return np.minimum(first + (days - months.astype("datetime64[D]")), last)
