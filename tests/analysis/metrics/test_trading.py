"""What was traded and paid: sums a year, and the cost that a stream could have borne."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.analysis.metrics.trading import trading
from tests.analysis.metrics.streams import heavy_tailed, stream


def test_sums_a_year() -> None:
    half = np.full(731, 0.5)
    found = trading(stream(np.zeros(731), turnover=half, cost=half / 100, netting=half / 1000))
    years = 731 / 365.25
    assert found["turnover"] == pytest.approx(365.5 / years)
    assert found["cost"] == pytest.approx(3.655 / years) and found["netting_benefit"] == pytest.approx(0.3655 / years)


def test_the_break_even_cost_takes_all_that_was_earned() -> None:
    rng, gross = np.random.default_rng(0), heavy_tailed(3)
    turnover = rng.random(len(gross)) / 10
    rate = trading(stream(gross, turnover=turnover))["break_even_cost"]
    assert (gross - 2 * turnover * rate).sum() == pytest.approx(0.0, abs=1e-12)


def test_the_break_even_cost_does_not_depend_on_what_was_charged(sp500: pd.DataFrame) -> None:
    leaf = {"name": "x", "universe": "all", "lookback": 63, "optimizer": "inverse_volatility"}
    found = [
        metabt.backtest({**leaf, "costs": {"commission_bp": bp}}, sp500.iloc[:400]).metrics().loc["x"] for bp in (0, 50)
    ]
    assert found[0]["break_even_cost"] == found[1]["break_even_cost"] and found[0]["cost"] < found[1]["cost"]


def test_what_trades_nothing_has_none() -> None:
    assert np.isnan(trading(stream([0.01, 0.02]))["break_even_cost"])
