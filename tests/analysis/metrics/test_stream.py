"""Stream: what metrics are made of, by its definition; and where there is no session, or one."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metabt.analysis.calendar_time import years_before, years_between
from tests.analysis.metrics.streams import heavy_tailed, stream


@given(st.integers(0, 2**32), st.integers(2, 40))
def test_pandas_agrees(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    net, days = heavy_tailed(seed, n), np.cumsum(rng.integers(1, 5, n)).tolist()
    found, series = stream(net, days), pd.Series(net)
    assert len(found) == n and found.days.tolist() == [0, *days]
    assert found.years == pytest.approx(days[-1] / 365.25, rel=1e-15)
    assert found.per_year == pytest.approx(n / (days[-1] / 365.25), rel=1e-14)
    assert found.nav.tolist() == pytest.approx([1.0, *(1 + series).cumprod()], rel=1e-13)
    assert (found.mean, found.deviation) == pytest.approx((series.mean(), series.std()), rel=1e-12)
    assert found.centred.tolist() == pytest.approx((series - series.mean()).tolist(), abs=1e-16)
    assert found.squares == pytest.approx(((series - series.mean()) ** 2).sum(), rel=1e-12)
    assert (found.series.dates == found.dates).all() and (found.series.returns == net).all()
    assert found.series.since == found.inception


def test_without_a_session_there_is_no_time_and_nothing_was_earned() -> None:
    none = stream([])
    assert (len(none), none.years, none.nav.tolist(), none.days.tolist()) == (0, 0.0, [1.0], [0])
    assert all(math.isnan(value) for value in (none.per_year, none.mean, none.deviation))


def test_of_one_session_there_is_a_mean_and_no_dispersion() -> None:
    one = stream([0.01], [3])
    assert one.mean == 0.01 and math.isnan(one.deviation) and one.nav.tolist() == [1.0, 1.01]
    assert one.years == 3 / 365.25 and one.per_year == pytest.approx(365.25 / 3)


def test_what_is_constant_up_to_rounding_has_no_dispersion() -> None:
    accrual = stream(np.diff(100 * 1.0001 ** np.arange(400)) / (100 * 1.0001 ** np.arange(399)))
    assert accrual.net.std() > 0.0 and accrual.squares == accrual.deviation == 0.0


@given(st.dates(pd.Timestamp("1950-01-01").date(), pd.Timestamp("2060-12-31").date()), st.integers(0, 12))
@example(date(2024, 2, 29), 1)
@example(date(2024, 2, 29), 4)
@example(date(2025, 2, 28), 1)
def test_the_day_some_years_before_is_that_of_pandas(day: object, years: int) -> None:
    t = pd.Timestamp(day)
    dates = np.array([[t.to_datetime64()]])
    found = years_before(dates, years)
    assert found.shape == (1, 1) and pd.Timestamp(found[0, 0]) == t - pd.DateOffset(years=years)
    assert years_between(np.datetime64(t.date()), found[0, 0]) == (pd.Timestamp(found[0, 0]) - t).days / 365.25
