"""What is constant up to rounding, against arithmetic without rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.estimators.moments.risk_contribution import realised
from metabt.numerics.dispersion import constant_windows, deviation, is_constant
from metabt.runs.baselines.bootstrap import Bootstrap
from tests.analysis.metrics.streams import measured


@given(
    rate=st.floats(-0.02, 0.02),
    start=st.floats(1e-3, 1e6),
    n=st.integers(3, 400),
    charged=st.sampled_from([0.0, 1e-4, 0.003]),
)
def test_accrual_at_one_rate_is_constant_whatever_rounding_leaves(
    rate: float, start: float, n: int, charged: float
) -> None:
    prices = start * (1.0 + rate) ** np.arange(n)
    returns = (1.0 - charged) * (prices[1:] / prices[:-1]) - 1.0
    assert is_constant(returns) and deviation(returns) == 0.0
    found = measured(returns)
    undefined = ("sharpe", "skew", "kurtosis", "probabilistic_sharpe")
    assert found["volatility"] == 0.0 and all(np.isnan(found[name]) for name in undefined)
    assert np.isnan(realised(returns[:, None], returns)).all()
    other = np.random.default_rng(n).normal(0.0, 0.01, len(returns))
    assert np.isnan(Bootstrap(20, 3).sharpe_difference(returns, other, 252.0)).all()


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=8), st.integers(-60, 10))
def test_the_rule_is_that_of_exact_arithmetic(values: list[float], power: int) -> None:
    returns = 0.01 + np.array(values) * 2.0**power
    exact = [Fraction(value) for value in returns.tolist()]
    spread, bound = max(exact) - min(exact), Fraction(1, 10**12) * (1 + max(map(abs, exact)))
    if abs(spread - bound) > bound / 1000:  # at the very limit the rule's own rounding decides
        assert is_constant(returns) == (spread <= bound)
        assert (deviation(returns) == 0.0) == (spread <= bound) or len(returns) < 2


def test_movement_beyond_rounding_is_movement() -> None:
    returns = np.full(250, 1e-4) + np.random.default_rng(0).normal(0.0, 1e-10, 250)
    assert not is_constant(returns) and deviation(returns) == pytest.approx(pd.Series(returns).std(), rel=1e-9)


def test_every_series_along_an_axis_is_judged_by_itself() -> None:
    returns = np.column_stack([np.full(5, 0.1), np.arange(5) / 100, np.zeros(5), [0.1, 0.1, np.nan, 0.1, 0.1]])
    assert is_constant(returns).tolist() == [True, False, True, False] == is_constant(returns.T, axis=1).tolist()
    assert is_constant(np.zeros((0, 3))).tolist() == [True] * 3
    assert is_constant(np.zeros(1)) and is_constant(np.zeros(0))
    assert np.isnan([deviation(np.zeros(0)), deviation(np.zeros(1))]).all()


def test_a_money_market_fund_has_no_sharpe_ratio() -> None:
    days = pd.bdate_range("2018-01-01", periods=500)
    prices = pd.DataFrame({"MM": 100 * 1.0001 ** np.arange(500)}, days)
    tree = {"name": "fund", "universe": ["MM"], "lookback": 20, "optimizer": "equal"}
    found = metabt.backtest(tree, prices, benchmark="MM").metrics()
    for path in found.index:
        assert found.loc[path, "volatility"] == 0.0 and np.isnan(found.loc[path, "sharpe"])
    assert found.loc["fund", "tracking_error"] == 0.0
    assert np.isnan(found.loc["fund", ["beta", "information_ratio"]].to_numpy(float)).all()


@st.composite
def stretches(draw: st.DrawFn) -> np.ndarray:
    """Return returns whose columns stand still for a while, differ by rounding, or move, (n_rows, n_columns)."""
    rate, n_columns = draw(st.sampled_from([0.0, 1e-4, -0.3, 5.0])), draw(st.integers(1, 4))
    moves = st.sampled_from([0.0, 0.0, 0.0, 1e-16, 9e-13, 1.1e-12, 1e-9, 0.01, float("nan")])
    rows = draw(st.lists(st.lists(moves, min_size=n_columns, max_size=n_columns), min_size=1, max_size=15))
    return rate + np.array(rows) * draw(st.sampled_from([1.0, 1.0 + abs(rate)]))


@given(stretches(), st.data())
def test_windows_are_constant_where_each_of_them_is(returns: np.ndarray, data: st.DataObject) -> None:
    stops = np.array(data.draw(st.lists(st.integers(1, len(returns)), min_size=1, max_size=6)))
    lengths = np.array([data.draw(st.integers(0, stop)) for stop in stops.tolist()])
    expected = [is_constant(returns[stop - length : stop]) for stop, length in zip(stops, lengths, strict=True)]
    assert constant_windows(returns, stops, lengths).tolist() == np.array(expected).tolist()
