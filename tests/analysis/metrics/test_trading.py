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


def test_the_first_purchase_counts_as_its_cost_does(sp500: pd.DataFrame) -> None:
    held = {"name": "x", "universe": ["AAPL"], "lookback": 63, "optimizer": "equal", "schedule": "monthly"}
    result = metabt.backtest({**held, "costs": {"commission_bp": 10}}, sp500.iloc[:400])
    stream, metrics = result.returns(), result.metrics().loc["x"]
    assert stream["turnover"].iloc[0] == 0.5 and not stream["turnover"].iloc[1:].any()  # bought once and held
    assert stream["cost"].iloc[0] == pytest.approx(1e-3) and not stream["cost"].iloc[1:].any()
    assert metrics["turnover"] * metrics["years"] == pytest.approx(0.5)
    assert metrics["cost"] * metrics["years"] == pytest.approx(2 * 0.5 * 1e-3)
    assert metrics["break_even_cost"] == pytest.approx(stream["gross"].sum())


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_what_is_traded_is_what_is_charged_in_every_book(sp500: pd.DataFrame, lag: int) -> None:
    costs = {"commission_bp": 7, "slippage_bp": 3}
    leaf = {"universe": list(sp500.columns[:3]), "lookback": 40, "optimizer": "inverse_volatility"}
    tree = {
        "name": "root",
        "lookback": 60,
        "defaults": {"costs": costs, "lag": lag},
        "costs": costs,
        "sleeves": {"a": leaf, "b": {**leaf, "universe": list(sp500.columns[2:6]), "start": "1991-03-01"}},
    }
    result = metabt.backtest(tree, sp500.iloc[:500])
    metrics = result.metrics()
    for path in result.paths:
        stream = result.returns(path)
        charged = stream["turnover"].iloc[:-1].sum()  # what the last session trades is charged to the next one
        assert stream["cost"].sum() == pytest.approx(2 * charged * 1e-3) and stream["turnover"].iloc[0] >= 0.4
        assert metrics.loc[path, "turnover"] == pytest.approx(stream["turnover"].sum() / metrics.loc[path, "years"])


def test_what_trades_nothing_has_none() -> None:
    assert np.isnan(trading(stream([0.01, 0.02]))["break_even_cost"])
