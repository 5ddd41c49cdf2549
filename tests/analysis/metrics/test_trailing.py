"""The last years of a series: pandas and QuantStats on the same windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as quantstats
from hypothesis import given
from hypothesis import strategies as st

from metabt.analysis.metrics.trailing import NAMES, YEARS, trailing
from tests.analysis.metrics.streams import heavy_tailed


def series(seed: int, n: int, first: str = "2008-02-28", freq: str = "B") -> pd.Series:
    return pd.Series(heavy_tailed(seed, n), pd.date_range(first, periods=n, freq=freq))


def found_of(net: pd.Series, since: str, until: object = None) -> dict[str, float]:
    last = np.datetime64(net.index[-1] if until is None else until, "D")
    return trailing(net.index.to_numpy("datetime64[D]"), net.to_numpy(), np.datetime64(since), last)


@given(st.integers(30, 4000), st.integers(0, 50), st.sampled_from(["B", "D", "W-WED"]))
def test_windows_are_those_of_pandas(n: int, seed: int, freq: str) -> None:
    net = series(seed, n, freq=freq)
    since = net.index[0] - pd.Timedelta(days=1)
    found, until = found_of(net, str(since.date())), net.index[-1]
    assert tuple(found) == NAMES
    assert found["ytd"] == pytest.approx((1 + net[net.index.year == until.year]).prod() - 1)
    for years in YEARS:
        begin = until - pd.DateOffset(years=years)
        grown = (1 + net[net.index > begin]).prod()
        wanted = grown ** (1 / years) - 1 if since <= begin else np.nan
        assert found[f"{years}y"] == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_as_quantstats_compounds(seed: int) -> None:
    net = series(seed, 3200)
    found, until = found_of(net, "2008-02-27"), net.index[-1]
    assert found["ytd"] == pytest.approx(quantstats.comp(net[net.index >= pd.Timestamp(until.year, 1, 1)]))
    assert found["1y"] == pytest.approx(quantstats.comp(net[net.index > until - pd.DateOffset(years=1)]))
    for years in (3, 5, 10):
        total = quantstats.comp(net[net.index > until - pd.DateOffset(years=years)])
        assert (1 + found[f"{years}y"]) ** years - 1 == pytest.approx(total)


def test_a_leap_day_and_a_series_that_ended_before() -> None:
    net = series(1, 2000, "2014-01-01", "D")
    at_leap_day = found_of(net[:"2016-02-29"], "2013-12-31", "2016-02-29")
    assert at_leap_day["1y"] == pytest.approx((1 + net["2015-03-01":"2016-02-29"]).prod() - 1)
    late = found_of(net, "2013-12-31", "2035-01-01")
    assert np.isnan([late[name] for name in NAMES]).all()
    assert np.isnan(found_of(net[:0], "NaT", "2020-01-01")["1y"])


@pytest.mark.parametrize("years", YEARS)
def test_a_series_that_began_at_the_very_close_of_a_window_has_it(years: int) -> None:
    net = series(3, 4100, "2012-03-02", "D")[: f"{2012 + years}-03-01"]
    grown = (1 + net).prod() ** (1 / years) - 1
    assert found_of(net, "2012-03-01")[f"{years}y"] == pytest.approx(grown)
    assert np.isnan(found_of(net[1:], "2012-03-02")[f"{years}y"])


def test_a_loss_of_everything_and_a_new_series() -> None:
    gone = pd.Series([0.1, -1.0, 0.0], pd.to_datetime(["2010-01-04", "2015-01-05", "2021-01-04"]))
    assert found_of(gone, "2010-01-01")["10y"] == pytest.approx(-1.0)
    young = series(2, 100)
    values = found_of(young, "2008-02-27")
    assert np.isfinite(values["ytd"]) and np.isnan([values[f"{years}y"] for years in YEARS]).all()


@given(st.integers(0, 10**6), st.integers(300, 800))
def test_the_last_year_is_to_the_bit_what_compounded(seed: int, n: int) -> None:
    net = series(seed, n)
    inside = net[net.index > net.index[-1] - pd.DateOffset(years=1)]
    assert found_of(net, "2008-02-27")["1y"] == np.prod(1.0 + inside.to_numpy()) - 1.0


def test_a_loss_of_more_than_everything_is_told_as_it_is() -> None:
    """No year has a rate that compounds to it."""
    owed = pd.Series([0.1, -1.5, 0.2], pd.to_datetime(["2010-01-05", "2020-01-06", "2021-01-04"]))
    found = found_of(owed, "2010-01-01")
    lost = (1 - 1.5) * (1 + 0.2) - 1
    assert found["1y"] == pytest.approx(lost) and found["3y"] == pytest.approx(lost) and found["5y"] == found["3y"]
    assert found["10y"] == pytest.approx(lost) and found["ytd"] == pytest.approx(0.2)


def test_the_year_to_date_begins_with_the_year_and_ends_with_the_date() -> None:
    net = series(7, 900, "2018-12-20", "D")
    for until in ("2019-12-31", "2020-01-01", "2020-02-29", "2021-03-01"):
        year = net[(net.index >= until[:4]) & (net.index <= until)]
        assert found_of(net, "2018-12-19", until)["ytd"] == pytest.approx((1 + year).prod() - 1)
