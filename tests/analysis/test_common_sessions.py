"""Series on common sessions, against pandas on random calendars, and the laws that any such comparison obeys."""

from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metabt
from metabt.analysis.common_sessions import CommonSessions, Series, compounded, on_common_sessions, summed
from metabt.analysis.metrics.relative import relative
from metabt.analysis.metrics.stream import Stream
from metabt.runs.baselines.bootstrap import Bootstrap
from metabt.runs.baselines.statistics import sharpe_difference
from tests.shared.side_by_side import per_year, side_by_side, values_of

DAYS = np.arange("2020-02-20", "2020-07-20", dtype="datetime64[D]")


@st.composite
def series(draw: st.DrawFn) -> Series:
    """Return a series on weekdays, on every day, or on days at random, with an inception before or without one."""
    first = draw(st.integers(1, 60))
    days = DAYS[first : first + draw(st.integers(1, 90))]
    calendar = draw(st.sampled_from(["weekdays", "daily", "random", "rare"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if calendar == "weekdays":
        days = days[np.is_busday(days)]
    elif calendar != "daily":
        days = days[rng.random(len(days)) < (0.6 if calendar == "random" else 0.1)]
    since = days[0] - draw(st.integers(1, 4)) if len(days) and draw(st.booleans()) else np.datetime64("NaT", "D")
    return Series(days, rng.normal(0.0, 0.03, len(days)), since)


def stream_of(one: Series, net: np.ndarray | None = None) -> Stream:
    """Return the stream of a series that has an inception."""
    net, nothing = one.returns if net is None else net, np.zeros(len(one.dates))
    return Stream(one.since, one.dates, net, nothing, net, nothing, nothing)


def in_pandas(one: Series) -> tuple[pd.Series, pd.DatetimeIndex]:
    dates = pd.DatetimeIndex(one.dates.astype("datetime64[ns]"))
    inception = None if np.isnat(one.since) else pd.Timestamp(str(one.since))
    return values_of(pd.Series(one.returns, dates), inception), dates


@settings(max_examples=300)
@given(st.lists(series(), min_size=2, max_size=4))
def test_random_calendars_come_out_as_in_pandas(given: list[Series]) -> None:
    found = on_common_sessions(*given)
    if any(len(one.dates) == 0 for one in given):
        assert found.count == 0 and found.returns.shape == (0, len(given)) and np.isnan(found.per_year)
        return
    values, rows = zip(*map(in_pandas, given), strict=True)
    expected, count = side_by_side(list(values), list(rows))
    assert found.count == count and found.returns.shape == expected.shape
    assert found.ends.tolist() == [t.date() for t in expected.index]
    np.testing.assert_allclose(found.returns, expected.to_numpy(), rtol=0, atol=1e-12)
    if len(expected):
        assert found.per_year == pytest.approx(per_year(expected, list(values)))
    else:
        assert np.isnan(found.per_year)


@given(st.lists(series(), min_size=2, max_size=4), st.randoms())
def test_the_order_of_series_does_not_matter(given: list[Series], random: Random) -> None:
    places = list(range(len(given)))
    random.shuffle(places)
    one, other = on_common_sessions(*given), on_common_sessions(*(given[place] for place in places))
    assert one.since == other.since or (np.isnat(one.since) and np.isnat(other.since))
    assert one.dates.tolist() == other.dates.tolist()
    assert one.returns[:, places].tobytes() == other.returns.tobytes()


@given(series(), st.integers(0, 2**32))
def test_nothing_is_lost_between_common_sessions(one: Series, seed: int) -> None:
    kept = np.random.default_rng(seed).random(len(one.dates)) < 0.4
    found = on_common_sessions(one, Series(one.dates[kept], np.zeros(kept.sum())))
    if len(found.returns):
        inside = (one.dates > found.since) & (one.dates <= found.dates[-1])
        assert np.prod(1.0 + found.returns[:, 0]) == pytest.approx(np.prod(1.0 + one.returns[inside]), rel=1e-12)
        assert summed(one.returns, found.bounds[0]).sum() == pytest.approx(one.returns[inside].sum(), abs=1e-12)


def test_a_single_session_is_to_the_bit_what_it_is() -> None:
    returns = np.random.default_rng(0).normal(0.0, 0.02, 50)
    assert compounded(returns, np.arange(-1, 50)).tobytes() == returns.tobytes()
    bounds = np.array([3, 4, 9, 10])
    assert compounded(returns, bounds)[[0, 2]].tobytes() == returns[[4, 10]].tobytes()
    assert compounded(returns, bounds)[1] == pytest.approx(np.prod(1 + returns[5:10]) - 1, abs=1e-15)
    assert len(summed(returns, bounds[:1])) == len(compounded(returns, bounds[:1])) == 0


def sub_calendar(one: Series, seed: int) -> Series:
    """Return the values of a series where somebody looked at them: what happened in between is in the next return."""
    kept = np.sort(np.random.default_rng(seed).permutation(len(one.dates))[: max(len(one.dates) // 2, 3)])
    values = np.cumprod(1.0 + one.returns)[kept]
    return Series(one.dates[kept], np.append(np.nan, values[1:] / values[:-1] - 1.0))


LONG = series().filter(lambda one: len(one.dates) > 8 and not np.isnat(one.since))


@given(LONG, st.integers(0, 2**32))
def test_a_stream_against_itself_on_any_sub_calendar_is_itself(one: Series, seed: int) -> None:
    looked = sub_calendar(one, seed)
    found, shared = relative(stream_of(one), looked), on_common_sessions(one, looked)
    assert found["beta"] == pytest.approx(1.0, abs=1e-9) and found["tracking_error"] == 0.0
    assert np.isnan(found["information_ratio"]) and found["benchmark_sessions"] == len(looked.dates)
    assert shared.correlation == pytest.approx(1.0, abs=1e-12)
    difference = sharpe_difference(one, looked, Bootstrap(10, 2))
    assert difference["sharpe_difference"] == pytest.approx(0.0, abs=1e-9)


@given(LONG, st.integers(0, 2**32), st.sampled_from([-2.0, 0.25, 3.0]))
def test_scales_carry_through(one: Series, seed: int, scale: float) -> None:
    """What earns `scale` times the benchmark has its beta, and `scale - 1` of its deviation as tracking error."""
    looked = sub_calendar(one, seed)
    times = Series(looked.dates, scale * looked.returns, looked.since)
    shared = on_common_sessions(looked, one)
    found = relative(stream_of(Series(shared.ends, scale * shared.returns[:, 1], shared.since)), one)
    error = abs(scale - 1) * shared.returns[:, 1].std(ddof=1) * shared.per_year**0.5
    assert found["beta"] == pytest.approx(scale) and found["tracking_error"] == pytest.approx(error)
    assert on_common_sessions(times, one).correlation == pytest.approx(np.sign(scale))


@given(LONG, LONG)
def test_beta_is_the_slope_of_numpy(one: Series, other: Series) -> None:
    shared = on_common_sessions(one, other)
    if len(shared.returns) < 3:
        return
    found, (r, b) = relative(stream_of(one), other), shared.returns.T
    assert found["beta"] == pytest.approx(np.polyfit(b, r, 1)[0], rel=1e-6)
    assert shared.correlation == pytest.approx(np.corrcoef(r, b)[0, 1])


def test_a_stale_index_is_compared_where_it_has_a_price() -> None:
    dates = DAYS[:40]
    returns = np.random.default_rng(3).normal(0.0, 0.01, 40)
    stream = stream_of(Series(dates, returns, dates[0] - 1))
    looked = Series(
        dates[[4, 5, 20, 21, 39]],
        np.array([9.9, *(_grown(returns, a, b) for a, b in ((4, 5), (5, 20), (20, 21), (21, 39)))]),
    )
    found = relative(stream, looked)
    assert found["benchmark_sessions"] == 5 and found["beta"] == pytest.approx(1.0) and found["tracking_error"] == 0.0


def _grown(returns: np.ndarray, first: int, last: int) -> float:
    return float(np.prod(1.0 + returns[first + 1 : last + 1]) - 1.0)


def test_what_shares_no_session_is_not_compared() -> None:
    one, other = Series(DAYS[:20:2], np.zeros(10)), Series(DAYS[1:20:2], np.zeros(10))
    found = on_common_sessions(one, other)
    assert isinstance(found, CommonSessions) and found.count == 0 and np.isnan(found.correlation)
    values = relative(stream_of(Series(one.dates, one.returns, DAYS[0] - 5)), other)
    assert values.pop("benchmark_sessions") == 0 and np.isnan(list(values.values())).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), kept=st.floats(0.1, 0.9), late=st.integers(0, 200))
def test_an_index_against_itself_on_another_calendar(seed: int, kept: float, late: int) -> None:
    """The index is held on every day of the week; the benchmark is the same index where somebody wrote it down."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2019-01-01", periods=500)
    index = pd.Series(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 500))), days)
    twice = pd.Series(np.cumprod(1 + 2 * index.pct_change().fillna(0)), days)
    looked = index[rng.random(500) < kept].iloc[late // 10 :]
    leaf = {"lookback": 5, "optimizer": "equal", "dataset": "all days"}
    tree = {
        "name": "r",
        "lookback": 5,
        "sleeves": {"same": {**leaf, "universe": ["I"]}, "two": {**leaf, "universe": ["T"]}},
    }
    prices = {"all days": pd.DataFrame({"I": index, "T": twice}), "seen": looked.to_frame("X")}
    result = metabt.backtest(tree, prices, benchmark="seen:X")
    metrics, net = result.metrics(), result.returns("r/same")["net"]
    assert metrics.loc["r/same", "beta"] == pytest.approx(1.0, abs=1e-9)
    assert metrics.loc["r/same", "tracking_error"] == 0.0
    assert metrics.loc["r/same", "benchmark_sessions"] == len(net.index.intersection(looked.index))
    both = result.returns("r/two")["nav"].reindex(looked.index).dropna().pct_change().dropna()
    moved = index[both.index.union(looked.index)].pct_change().reindex(both.index)
    if len(both) > 30:  # the first of the common sessions may have a value before it, which pandas does not know
        assert metrics.loc["r/two", "beta"] == pytest.approx(both.cov(moved) / moved.var(), rel=0.05)


def closes_of(one: Series) -> list[np.datetime64]:
    """Return the closes at which a series has a value."""
    return [*([] if np.isnat(one.since) else [one.since]), *one.dates]


@settings(max_examples=200)
@given(st.lists(series(), min_size=2, max_size=4))
def test_all_are_measured_from_the_last_begin_if_all_have_a_value_there_and_else_from_the_first_session(
    given: list[Series],
) -> None:
    found = on_common_sessions(*given)
    shared = sorted(set.intersection(*(set(one.dates.tolist()) for one in given)))
    assert found.dates.tolist() == shared and found.count == len(shared)
    if not shared:
        assert np.isnat(found.since) and all(len(rows) == 0 for rows in found.bounds) and not len(found.ends)
        return
    begins = [closes_of(one)[0] for one in given]
    assert [one.begin for one in given] == begins
    at_begin = [max(begins) in closes_of(one) for one in given]
    since = max(begins).astype(object) if all(at_begin) else shared[0]
    assert found.since.astype(object) == since
    closes = [since, *(date for date in shared if date > since)]
    for one, rows in zip(given, found.bounds, strict=True):
        own = [date.astype(object) for date in closes_of(one)]
        shift = len(own) - len(one.dates)  # the row of its inception is -1
        assert rows.tolist() == [own.index(date) - shift for date in closes]
        assert [one.row(np.datetime64(date)) for date in closes] == rows.tolist()
    assert found.ends.tolist() == closes[1:]


def test_where_one_of_three_has_no_value_at_the_last_begin_the_first_common_session_is_since() -> None:
    days, steps = DAYS[:6], np.full(6, 0.1)
    whole, late = Series(days, steps, DAYS[0] - 1), Series(days[3:], steps[3:], days[2])
    gap = Series(np.delete(days, 2), np.delete(steps, 2), DAYS[0] - 1)
    for order in ((whole, late, gap), (gap, whole, late), (late, gap, whole)):
        found = on_common_sessions(*order)
        assert found.since == days[3] and found.returns.shape == (2, 3) and found.ends.tolist() == days[4:].tolist()
        assert found.per_year == pytest.approx(365.25) and found.returns == pytest.approx(0.1)
    assert on_common_sessions(whole, late).since == days[2]


@given(series())
def test_a_series_has_a_value_where_it_begins_and_in_its_sessions_alone(one: Series) -> None:
    known = {date.astype(object): row for row, date in enumerate(one.dates)}
    if not np.isnat(one.since):
        known[one.since.astype(object)] = -1
    for date in DAYS:
        assert one.row(date) == known.get(date.astype(object))
    assert np.isnat(one.begin) if not known else one.begin.astype(object) == min(known)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_what_is_compounded_and_summed_is_that_of_a_loop(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    amounts = rng.normal(0, 0.05, n)
    bounds = np.sort(rng.permutation(np.arange(-1, n))[: rng.integers(1, n + 2)])
    grown, added = [], []
    for first, last in zip(bounds, bounds[1:], strict=False):
        value, total = 1.0, 0.0
        for row in range(first + 1, last + 1):
            value, total = value * (1 + amounts[row]), total + amounts[row]
        grown.append(value - 1)
        added.append(total)
    np.testing.assert_allclose(compounded(amounts, bounds), grown, rtol=0, atol=1e-13)
    np.testing.assert_allclose(summed(amounts, bounds), added, rtol=0, atol=1e-13)
