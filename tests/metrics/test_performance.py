"""Metrics against their textbook definitions, on real returns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.metrics.performance import max_drawdown, performance


def test_metrics_of_a_stream_follow_their_definitions(sp500: pd.DataFrame) -> None:
    leaf = {"name": "x", "universe": "all", "lookback": 63, "costs": {"commission_bp": 10}}
    result = metabt.backtest(leaf, sp500.iloc[:1500])
    stream, metrics = result.returns(), result.metrics().loc["x"]
    traded = result.weights.index[0]
    years = (stream.index[-1] - traded).days / 365.25
    per_year = len(stream) / years
    assert metrics["cagr"] == pytest.approx(stream["nav"].iloc[-1] ** (1 / years) - 1)
    assert metrics["volatility"] == pytest.approx(stream["net"].std() * per_year**0.5)
    assert metrics["sharpe"] == pytest.approx(stream["net"].mean() / stream["net"].std() * per_year**0.5)
    nav = pd.concat([pd.Series([1.0]), stream["nav"]])
    assert metrics["max_drawdown"] == pytest.approx(-(nav / nav.cummax() - 1).min())
    assert metrics["turnover"] == pytest.approx(stream["turnover"].sum() / years)
    assert metrics["cost"] == pytest.approx(stream["cost"].sum() / years)
    assert stream["nav"].to_numpy() == pytest.approx((1 + stream["net"]).cumprod().to_numpy())


def test_a_fall_from_the_first_session_on_counts() -> None:
    assert max_drawdown(np.array([0.8, 0.9, 0.6])) == pytest.approx(0.4)
    assert max_drawdown(np.array([])) == 0.0


def test_what_is_undefined_is_nan_and_not_zero() -> None:
    nothing = np.empty(0)
    found = performance(nothing, nothing, nothing, nothing, 0.0)
    assert all(np.isnan(found[name]) for name in ("cagr", "volatility", "sharpe", "turnover", "cost"))
    flat = performance(np.zeros(5), np.zeros(5), np.zeros(5), np.zeros(5), 1.0)
    assert np.isnan(flat["sharpe"]) and flat["volatility"] == 0.0
