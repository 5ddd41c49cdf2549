"""Windows of a calendar year against a plain loop in pandas, on calendars that change under way."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metabt.analysis.calendar_time import year_before, years_between
from metabt.analysis.year_windows import YearWindows
from metabt.numerics.dispersion import is_constant


@st.composite
def returns(draw: st.DrawFn) -> pd.Series:
    """Return returns on weekdays that become those of every day, with days missing, over one leap day or more."""
    days = pd.date_range(draw(st.sampled_from(["2018-11-05", "2019-06-01", "2023-02-20"])), periods=900)
    turns = draw(st.integers(0, 900))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    there = ((days.day_of_week < 5) | (np.arange(900) >= turns)) & (
        rng.random(900) < draw(st.sampled_from([1.0, 0.9, 0.02]))
    )
    found = pd.Series(rng.normal(0.0005, 0.02, 900), days)[there]
    still = draw(st.integers(0, 600))
    found.iloc[still : still + draw(st.sampled_from([0, 500]))] = 0.001
    return found


@settings(max_examples=60, deadline=None)
@given(returns(), returns(), st.integers(0, 2**32))
def test_a_loop_in_pandas_agrees(one: pd.Series, other: pd.Series, seed: int) -> None:
    shared = pd.concat([one, other], axis=1, sort=True).dropna()
    dates = shared.index.values.astype("datetime64[D]")
    whole = pd.date_range("2018-11-01", "2025-12-31")
    ends = whole[np.sort(np.random.default_rng(seed).choice(len(whole), 40, replace=False))]
    windows = YearWindows.of(dates, ends.values.astype("datetime64[D]"))
    x, y = (shared[column].to_numpy() for column in shared)
    mean, deviation = windows.moments(x)
    correlation = windows.correlation(x, y)
    for k, t in enumerate(ends):
        inside = shared[(shared.index > t - pd.DateOffset(years=1)) & (shared.index <= t)]
        assert windows.counts[k] == len(inside)
        assert mean[k] == pytest.approx(inside[0].mean(), nan_ok=True)
        moves = [not is_constant(inside[column].to_numpy()) for column in inside]
        assert deviation[k] == pytest.approx(inside[0].std() if moves[0] or len(inside) < 2 else 0.0, nan_ok=True)
        expected = inside[0].corr(inside[1]) if all(moves) else np.nan
        assert correlation[k] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_without_a_session_nothing_is_measured() -> None:
    none = YearWindows.of(np.empty(0, "datetime64[D]"), np.array(["2020-01-01"], "datetime64[D]"))
    mean, deviation = none.moments(np.empty(0))
    assert none.counts.tolist() == [0] and np.isnan(mean).all() and np.isnan(deviation).all()
    assert np.isnan(none.correlation(np.empty(0), np.empty(0))).all()
    assert len(YearWindows.of(np.empty(0, "datetime64[D]"), np.empty(0, "datetime64[D]")).moments(np.empty(0))[0]) == 0


@given(st.integers(0, 2**32), st.integers(3, 400), st.sampled_from([3.0, -0.1, 1 / 3]))
def test_no_correlation_is_beyond_one(seed: int, n: int, scale: float) -> None:
    x = np.random.default_rng(seed).normal(0.001, 0.01, n)
    dates = np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + n)
    windows = YearWindows.of(dates, dates[2:][-10:])
    found = windows.correlation(x, scale * x)
    assert (abs(found) <= 1.0).all() and np.allclose(found, np.sign(scale), rtol=0, atol=1e-12)


@given(st.dates(pd.Timestamp("1950-01-01").date(), pd.Timestamp("2060-12-31").date()))
@example(date(2024, 2, 29))
@example(date(2025, 3, 1))
def test_the_day_a_year_before_is_that_of_pandas(day: object) -> None:
    t = pd.Timestamp(day)
    found = year_before(np.array([t.to_datetime64()], "datetime64[D]"))[0]
    assert pd.Timestamp(found) == t - pd.DateOffset(years=1)
    assert years_between(found, np.datetime64(t.date())) == (t - pd.Timestamp(found)).days / 365.25


@settings(max_examples=30, deadline=None)
@given(returns(), st.integers(0, 2**32))
def test_a_window_has_the_sessions_after_the_day_a_year_before(one: pd.Series, seed: int) -> None:
    dates = one.index.values.astype("datetime64[D]")
    ends = np.random.default_rng(seed).choice(np.arange("2018-11-01", "2026-01-01", dtype="datetime64[D]"), 8)
    windows = YearWindows.of(dates, ends)
    for end, start, stop in zip(pd.DatetimeIndex(ends), windows.starts, windows.stops, strict=True):
        inside = (one.index > end - pd.DateOffset(years=1)) & (one.index <= end)
        assert list(range(start, stop)) == np.flatnonzero(inside).tolist()
