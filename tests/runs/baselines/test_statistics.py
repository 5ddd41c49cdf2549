"""Statistics of a tree beside a baseline: hand examples, and what the bootstrap promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt.analysis.common_sessions import Series
from metabt.runs.baselines.bootstrap import Bootstrap
from metabt.runs.baselines.statistics import allocation_change, sharpe_difference
from tests.analysis.metrics.streams import measured


def test_allocation_change_by_hand() -> None:
    assert allocation_change(np.array([[0.5, 0.5], [0.7, 0.3], [0.6, 0.4]])) == pytest.approx(0.15)
    assert np.isnan(allocation_change(np.array([[0.5, 0.5]])))


def rows(bootstrap: Bootstrap, n_sessions: int, samples: int) -> np.ndarray:
    """Return which sessions some samples are made of, (samples, n_sessions), block by block."""
    blocks = bootstrap.blocks(n_sessions, samples, np.random.default_rng(0))
    drawn = [(start + t) % n_sessions for start, n in zip(blocks.starts, blocks.lengths, strict=True) for t in range(n)]
    begins = np.cumsum(blocks.lengths) - blocks.lengths
    assert begins[blocks.firsts].tolist() == list(range(0, samples * n_sessions, n_sessions))
    return np.array(drawn).reshape(samples, n_sessions)


def test_blocks_run_on_and_are_as_long_as_was_asked() -> None:
    n, block = 500, 10
    drawn = rows(Bootstrap(block=block), n, 400)
    assert drawn.min() == 0 and drawn.max() == n - 1
    breaks = (np.diff(drawn, axis=1) % n) != 1
    assert breaks.mean() == pytest.approx(1 / block, rel=0.05)  # round the end a block runs on
    counts = np.bincount(drawn.ravel(), minlength=n)
    assert counts.std() / counts.mean() < 0.1  # stationary: no session is drawn more often than another


def test_a_block_of_one_session_draws_them_one_by_one() -> None:
    assert ((np.diff(rows(Bootstrap(block=1), 50, 200), axis=1) % 50) == 1).mean() < 0.05


def test_the_interval_is_that_of_the_samples_session_by_session() -> None:
    one, other = np.random.default_rng(3).normal(0.001, 0.01, (2, 120))
    bootstrap = Bootstrap(samples=50, block=7)
    drawn = rows(bootstrap, 120, 50)
    sharpes = [stream[drawn].mean(axis=1) / stream[drawn].std(axis=1, ddof=1) for stream in (one, other)]
    expected = np.quantile((sharpes[0] - sharpes[1]) * np.sqrt(252.0), [0.05, 0.95])
    np.testing.assert_allclose(bootstrap.sharpe_difference(one, other, 252.0)[1:], expected, rtol=0, atol=1e-10)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, truth = np.random.default_rng(8), 0.02 / 0.1
    held = 0
    for seed in range(100):
        shocks = rng.normal(0.0, 0.1, (2, 250))
        _, low, high = Bootstrap(200, 5, 0.9, seed).sharpe_difference(0.02 + shocks[0], shocks[1], 1.0)
        held += low <= truth <= high
    assert 80 <= held <= 98


def test_dependence_widens_the_interval() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 3000)
    slow = np.convolve(noise, np.ones(20) / 20, mode="valid")
    other = np.random.default_rng(2).normal(0, 0.01, len(slow))
    (_, low, high), (_, near, far) = (Bootstrap(300, block).sharpe_difference(slow, other, 1.0) for block in (1, 60))
    assert far - near > 1.5 * (high - low)


def test_the_same_seed_draws_the_same() -> None:
    one, other = np.random.default_rng(4).normal(0.001, 0.01, (2, 100))
    first = Bootstrap().sharpe_difference(one, other, 252.0)
    assert Bootstrap().sharpe_difference(one, other, 252.0) == first
    assert Bootstrap(seed=1).sharpe_difference(one, other, 252.0) != first


def test_a_stream_beside_itself_differs_by_nothing() -> None:
    one = np.random.default_rng(4).normal(0.001, 0.01, 100)
    assert Bootstrap().sharpe_difference(one, one, 252.0) == (0.0, 0.0, 0.0)


def test_what_never_moves_has_no_ratio() -> None:
    assert np.isnan(Bootstrap().sharpe_difference(np.zeros(50), np.zeros(50), 252.0)).all()
    assert np.isnan(Bootstrap().sharpe_difference(np.zeros(1), np.zeros(1), 252.0)).all()
    assert np.isnan(Bootstrap().sharpe_difference(np.full(50, 0.1), np.full(50, 0.3), 252.0)).all()


def test_fewer_than_two_blocks_have_a_difference_and_no_interval() -> None:
    one, other = np.random.default_rng(4).normal(0.001, 0.01, (2, 42))
    assert np.isfinite(Bootstrap().sharpe_difference(one, other, 252.0)).all()
    difference, *ends = Bootstrap().sharpe_difference(one[:41], other[:41], 252.0)
    assert np.isfinite(difference) and np.isnan(ends).all()


def test_streams_are_compared_on_the_sessions_that_both_have() -> None:
    """A sleeve of every day and one of weekdays: pandas on the values of both, annualised by what is compared."""
    days = pd.date_range("2021-01-01", "2022-02-28")
    rng = np.random.default_rng(7)
    one, other = (pd.Series(rng.normal(0.001, 0.02, len(own)), own) for own in (days, days[days.day_of_week < 5]))
    found = sharpe_difference(
        *(Series(own.index.values.astype("datetime64[D]"), own.to_numpy()) for own in (one, other)), Bootstrap(20)
    )
    both = pd.concat([(1 + own).cumprod() for own in (one, other)], axis=1).dropna().pct_change().dropna()
    years = (both.index[-1] - other.index[0]).days / 365.25
    assert found["common_sessions"] == len(other)
    sharpes = both.mean() / both.std() * (len(both) / years) ** 0.5
    assert found["sharpe_difference"] == pytest.approx(sharpes[0] - sharpes[1])
    assert found["sharpe_low"] <= found["sharpe_difference"] <= found["sharpe_high"]


def test_on_one_calendar_the_difference_is_that_of_the_metrics() -> None:
    dates = np.arange("2021-01-01", "2021-12-31", dtype="datetime64[D]")
    nets = np.random.default_rng(6).normal(0.001, 0.01, (2, len(dates) - 1))
    sharpes = [measured(net)["sharpe"] for net in nets]
    found = sharpe_difference(*(Series(dates[1:], net, dates[0]) for net in nets), Bootstrap(50))
    assert found["sharpe_difference"] == pytest.approx(sharpes[0] - sharpes[1], abs=1e-10)
    assert found["sharpe_low"] <= found["sharpe_difference"] <= found["sharpe_high"]
