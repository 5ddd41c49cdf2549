"""Calendar time is that of the standard library and of pandas, in whichever unit dates are."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.analysis.calendar_time import year_before, years_before, years_between

DATES = st.dates(date(1900, 1, 1), date(2100, 12, 31))
UNITS = ("D", "s", "ns")


@given(DATES, DATES, st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_years_are_days_over_the_mean_of_four(first: date, last: date, one: str, other: str) -> None:
    found = years_between(np.datetime64(first, one), np.datetime64(last, other))
    assert type(found) is float and found == (last - first) / timedelta(days=1) / ((365 + 365 + 365 + 366) / 4)


@given(st.lists(DATES, min_size=1, max_size=5), st.integers(0, 12))
def test_some_years_before_is_the_same_day_or_the_last_of_february(days: list[date], years: int) -> None:
    dates = np.array(days, "datetime64[D]")
    expected = [(pd.Timestamp(it) - pd.DateOffset(years=years)).date() for it in days]
    for unit in UNITS:
        found = years_before(dates.astype(f"datetime64[{unit}]"), years)
        assert found.dtype == "datetime64[D]" and found.tolist() == expected
    assert years_before(dates[0], years) == np.datetime64(expected[0])
    assert year_before(dates).tolist() == [(pd.Timestamp(it) - pd.DateOffset(years=1)).date() for it in days]


@pytest.mark.parametrize(
    ("day", "before"),
    [("2020-02-29", "2019-02-28"), ("2021-02-28", "2020-02-28"), ("2020-03-01", "2019-03-01"), ("2024-12-31", None)],
)
def test_a_day_that_the_year_before_has_not_is_its_last_of_february(day: str, before: str | None) -> None:
    assert str(year_before(np.datetime64(day))) == (before or "2023-12-31")
