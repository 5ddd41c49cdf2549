"""The main job on real prices: a meta portfolio of two dummy sleeves, and a three-level one, against the oracle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from tests.shared import oracle
from tests.shared.agreement import assert_agrees
from tests.shared.leak_detector import decoded
from tests.shared.replay import asset_returns, replay

GROWTH = ["AAPL", "AMD", "MSFT"]
STAPLES = ["JNJ", "KO", "PG"]
LOOKBACK = 63


def two_sleeves(**root: object) -> dict:
    """Return a meta portfolio of two dummy sleeves."""
    return {
        "name": "meta",
        "optimizer": "inverse_volatility",
        "defaults": {"schedule": "monthly", "lookback": LOOKBACK, "costs": {"commission_bp": 5, "slippage_bp": 1}},
        "sleeves": {"growth": {"universe": GROWTH}, "staples": {"universe": STAPLES, "optimizer": "min_variance"}},
        **root,
    }


@pytest.fixture(scope="module")
def prices(sp500: pd.DataFrame) -> pd.DataFrame:
    return sp500.loc["2015":"2019"]


@pytest.fixture(scope="module")
def result(prices: pd.DataFrame) -> metabt.Result:
    return metabt.backtest(two_sleeves(), prices)


def settled(result: metabt.Result) -> pd.DataFrame:
    """Return the sleeve weights decided after warm-up."""
    table = result.decisions()
    ok = table.loc[table["status"] == "ok", "date"].unique()
    return result.sleeve_weights().loc[ok]


def test_the_flattened_matrix_holds_the_assets_of_both_sleeves(result: metabt.Result) -> None:
    targets = result.weights
    assert sorted(targets.columns) == sorted(GROWTH + STAPLES)
    for universe in (GROWTH, STAPLES):
        assert (targets[universe].sum(axis=1) > 0.05).all()
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_a_flattened_weight_is_the_share_times_the_weight_inside(result: metabt.Result, prices: pd.DataFrame) -> None:
    # lag 1 and the same schedule everywhere: both decisions of month m are traded together, one session later
    T = settled(result).index[3]
    traded = prices.index[prices.index.get_loc(T) + 1]
    shares = result.sleeve_weights().loc[T]
    for name, universe in (("growth", GROWTH), ("staples", STAPLES)):
        inside = result.sleeve_weights(f"meta/{name}").loc[T]
        expected = shares[name] * inside[universe]
        np.testing.assert_allclose(result.weights.loc[traded, universe], expected, rtol=0, atol=1e-14)


def test_sleeve_weights_are_what_the_meta_optimizer_says_of_the_streams(result: metabt.Result) -> None:
    weights = settled(result)
    assert len(weights) > 40
    streams = pd.DataFrame({name: result.returns(f"meta/{name}")["net"] for name in weights.columns})
    for T, decided in weights.iterrows():
        window = streams.loc[:T].tail(LOOKBACK)
        assert len(window) == LOOKBACK
        inverse = 1 / window.std()
        np.testing.assert_allclose(decided, inverse / inverse.sum(), rtol=0, atol=1e-12, err_msg=str(T))


def test_sleeve_weights_vary_over_time_and_are_not_one_over_n(result: metabt.Result) -> None:
    weights = settled(result)
    assert (weights.std() > 0.02).all()
    assert ((weights - 0.5).abs().max(axis=1) > 0.02).mean() > 0.9
    assert weights["growth"].round(6).nunique() == len(weights)


def test_a_planted_volatility_switch_moves_the_weight_to_the_calm_sleeve(prices: pd.DataFrame) -> None:
    returns = prices[GROWTH + STAPLES].pct_change().fillna(0.0)
    switch = "2017-07-01"
    returns.loc[:switch, GROWTH] *= 2.0
    returns.loc[:switch, STAPLES] *= 0.5
    returns.loc[switch:, GROWTH] *= 0.25
    returns.loc[switch:, STAPLES] *= 4.0
    result = metabt.backtest(two_sleeves(), 100 * (1 + returns).cumprod())
    weights = settled(result)
    before, after = weights.loc[:switch], weights.loc["2018-01-01":]  # windows wholly on one side
    assert (before["staples"] > 0.75).all()
    assert (after["growth"] > 0.75).all()


def test_the_optimizer_matters(prices: pd.DataFrame, result: metabt.Result) -> None:
    other = metabt.backtest(two_sleeves(optimizer="equal"), prices)
    assert (settled(other) == 0.5).all(axis=None)
    assert abs(other.returns()["net"] - result.returns()["net"]).max() > 1e-4
    # children trade a paper copy: the parent's optimizer changes nothing beneath it
    for name in ("growth", "staples"):
        pd.testing.assert_frame_equal(other.returns(f"meta/{name}"), result.returns(f"meta/{name}"), check_exact=True)


def test_two_sleeves_agree_with_the_oracle(result: metabt.Result, prices: pd.DataFrame) -> None:
    assert_agrees(result, oracle.run(two_sleeves(), prices))


def test_three_levels_with_late_starters_and_a_short_agree_with_the_oracle(
    sp500: pd.DataFrame, factor_etfs: pd.DataFrame
) -> None:
    data = {"sp500": sp500.loc["2012":"2017"], "factor_etfs": factor_etfs.loc[:"2018-03"]}
    tree = {
        "name": "demo",
        "optimizer": {"name": "min_variance", "max_weight": 0.7},
        "lookback": 126,
        "defaults": {"lookback": 60, "costs": {"commission_bp": 5, "slippage_bp": 1, "borrow_bp": 50}},
        "sleeves": {
            "equities": {
                "optimizer": "inverse_volatility",
                "sleeves": {
                    "growth": {"dataset": "sp500", "universe": GROWTH, "selector": {"name": "top_k", "k": 2}},
                    "staples": {"dataset": "sp500", "universe": STAPLES, "optimizer": "min_variance", "lag": 2},
                    "oil": {"dataset": "sp500", "universe": ["CVX", "RRC", "XOM"], "schedule": {"every": 15}},
                },
            },
            "factors": {"dataset": "factor_etfs", "universe": "all", "optimizer": "min_variance"},
            "hedge": {
                "dataset": "sp500",
                "universe": ["GE", "HD", "KO", "XOM"],
                "optimizer": "inverse_volatility",
                "direction": "short",
                "schedule": "weekly",
            },
        },
    }
    result = metabt.backtest(tree, data)
    books = oracle.run(tree, data)
    assert {d.status for d in books["demo"].decisions.values()} >= {"ok", "warmup"}
    assert_agrees(result, books)
    stream = result.returns()
    replayed = replay(decoded(result.tables["weights"]), asset_returns(data).loc[: stream.index[-1]], 6e-4, 50)
    for column in ("gross", "net"):
        np.testing.assert_allclose(replayed[column].loc[stream.index], stream[column], rtol=0, atol=1e-12)
