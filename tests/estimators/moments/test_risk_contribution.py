"""Risk contributions against their definitions in NumPy, on real returns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.estimators.moments.risk_contribution import ex_ante, ex_ante_of_returns, realised
from metabt.estimators.windows import WIDE, Windows


@pytest.fixture(scope="module")
def returns(sp500: pd.DataFrame) -> np.ndarray:
    return sp500.pct_change().iloc[1:253, :6].to_numpy()


def test_ex_ante_is_the_definition(returns: np.ndarray) -> None:
    w = np.array([0.4, 0.3, 0.0, 0.5, -0.1, -0.1])
    S = np.cov(returns.T)
    expected = w * (S @ w) / (w @ S @ w)
    assert ex_ante(S[None], w[None])[0] == pytest.approx(expected, abs=1e-14)
    assert expected.sum() == pytest.approx(1.0)


def test_ex_ante_of_returns_is_that_of_their_covariance_and_of_each_window_alone(sp500: pd.DataFrame) -> None:
    X = np.ascontiguousarray(sp500.pct_change().iloc[1:].to_numpy())
    stops, lengths = np.array([60, 252, 4000, 8000]), np.array([60, 250, 252, 504])
    w = np.random.default_rng(0).normal(size=(4, 20)) * (np.random.default_rng(1).random((4, 20)) < 0.5)
    shares = ex_ante_of_returns(X, stops, lengths, w)
    S = np.array([np.cov(X[stop - rows : stop].T) for stop, rows in zip(stops, lengths, strict=True)])
    assert shares == pytest.approx(ex_ante(S, w), abs=1e-12)
    for d, (stop, rows) in enumerate(zip(stops, lengths, strict=True)):
        alone = ex_ante_of_returns(X[stop - rows : stop], np.array([rows]), np.array([rows]), w[d : d + 1])
        assert alone.tobytes() == shares[d].tobytes()


def test_no_variance_has_no_contributions() -> None:
    assert np.isnan(ex_ante(np.zeros((1, 2, 2)), np.ones((1, 2)))).all()
    never = np.full((5, 2), 0.01)
    for rows in (0, 1, 5):
        assert np.isnan(ex_ante_of_returns(never, np.array([5]), np.array([rows]), np.ones((1, 2)))).all()
    assert np.isnan(realised(np.zeros((5, 2)), np.zeros(5))).all()


def test_realised_is_the_definition_and_cash_is_an_item(returns: np.ndarray) -> None:
    earned = returns * np.array([0.4, 0.3, 0.0, 0.5, -0.1, -0.1])
    gross = earned.sum(axis=1) + 1e-5 * np.arange(len(earned))
    items = np.c_[earned, gross - earned.sum(axis=1)]
    expected = [np.cov(x, gross)[0, 1] / gross.var(ddof=1) for x in items.T]
    assert realised(earned, gross) == pytest.approx(expected, abs=1e-12)


def test_contributions_of_a_run_are_those_of_its_windows(sp500: pd.DataFrame) -> None:
    leaf = {"lookback": 60, "optimizer": "inverse_volatility"}
    sleeves = {"a": {**leaf, "universe": ["AAPL", "MSFT"]}, "b": {**leaf, "universe": ["XOM", "CVX", "MSFT"]}}
    tree = {"name": "x", "optimizer": "inverse_volatility", "lookback": 100, "sleeves": sleeves}
    result = metabt.backtest(tree, sp500.iloc[:900])
    decided, shares = result.sleeve_weights(), result.risk_contributions()
    date = decided.index[-1]
    streams = (
        pd.concat({name: result.returns(f"x/{name}")["net"] for name in ("a", "b")}, axis=1).loc[:date].iloc[-100:]
    )
    v, S = decided.loc[date, ["a", "b"]], streams.cov()
    expected = v * (S @ v) / (v @ S @ v)
    assert shares.loc[date, ["a", "b"]].to_dict() == pytest.approx(expected.to_dict(), abs=1e-12)
    # by asset: the same decision looked through
    inside = {name: result.sleeve_weights(f"x/{name}").loc[:date].iloc[-1] for name in ("a", "b")}
    flat = sum((inside[name] * v[name]).reindex(["AAPL", "CVX", "MSFT", "XOM"], fill_value=0.0) for name in ("a", "b"))
    S = sp500[flat.index].pct_change().loc[:date].iloc[-100:].cov()
    risk = result.risk
    by_asset = risk[(risk["measure"] == "ex_ante_asset") & (risk["date"] == date)].set_index("item")["contribution"]
    assert by_asset.to_dict() == pytest.approx((flat * (S @ flat) / (flat @ S @ flat)).to_dict(), abs=1e-10)
    for measure in ("realised", "realised_asset"):
        assert risk[risk["measure"] == measure].groupby("path")["contribution"].sum().tolist() == pytest.approx(
            [1.0], abs=1e-10
        )


@pytest.mark.parametrize("n_assets", [2, WIDE])
def test_what_is_constant_up_to_rounding_has_no_share(n_assets: int) -> None:
    rng = np.random.default_rng(0)
    returns = rng.normal(0, 0.01, (40, n_assets))
    still = returns.copy()
    still[:, 0] = 1e-4 + 1e-17 * rng.normal(size=40)
    weights = np.full((1, n_assets), 1 / n_assets)
    size = np.array([40])
    shares = Windows(still, size, size).risk(weights)[0]
    v = np.append(0.0, weights[0, 1:])
    S = np.cov(returns, rowvar=False)
    assert shares[0] == 0.0 and np.allclose(shares, v * (S @ v) / (v @ S @ v), rtol=1e-10)
    alone = np.eye(1, n_assets)
    assert np.isnan(Windows(still, size, size).risk(alone)).all()
    assert np.allclose(Windows(returns, size, size).risk(alone), alone)
