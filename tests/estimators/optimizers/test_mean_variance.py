"""Mean-variance: optimality conditions, closed forms, skfolio, and its two ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio.optimization import MeanRisk, ObjectiveFunction

from metabt.errors import ConfigError
from metabt.estimators.moments.covariance import COVARIANCES
from metabt.estimators.moments.mean import MEANS
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.optimality import bounds, residual, solve
from tests.shared.returns import factor_returns, market_returns, simple_returns


@given(
    st.integers(0, 10**6),
    st.integers(2, 25),
    st.integers(30, 90),
    bounds,
    st.sampled_from([1e-3, 1.0, 2.0, 50.0, 1e6]),
    st.sampled_from(sorted(MEANS.builders)),
    st.sampled_from(sorted(COVARIANCES.builders)),
)
def test_optimality_conditions(
    seed: int, assets: int, rows: int, scaled: tuple[float, float], gamma: float, mean: str, covariance: str
) -> None:
    lo, hi = scaled[0] / assets, min(scaled[1] / assets, 1.0) if scaled[1] > 1 else 1.0
    X = factor_returns(seed, rows, assets)
    params = {"min_weight": lo, "max_weight": hi, "mean": mean, "covariance": covariance}
    _, w, solved = solve(optimizer("mean_variance", risk_aversion=gamma, **params), X)
    S, mu = (
        family.build("it", name)(Windows.single(X), None)[0]
        for family, name in ((COVARIANCES, covariance), (MEANS, mean))
    )
    assert solved and abs(w.sum() - 1) < 1e-12 and w.min() >= lo and w.max() <= hi
    assert residual(S, mu / gamma, lo, hi, w) < 1e-12


# tighter than its default: the solver then warns that it stops at the limit of accuracy
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("cap", [1.0, 0.15])
@pytest.mark.parametrize("gamma", [2.0, 10.0])
def test_skfolio_agrees_on_real_returns(sp500: pd.DataFrame, gamma: float, cap: float) -> None:
    returns = simple_returns(sp500)
    tight = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
    for stop in (400, 4000, 8000):
        X = returns[stop - 252 : stop]
        # the mean less risk_aversion times the variance: half of ours; returns of 100 times the scale, for its solver
        theirs = MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
            risk_aversion=gamma / 200,
            max_weights=cap,
            solver_params=tight,
        )
        w, v = (
            optimizer("mean_variance", risk_aversion=gamma, max_weight=cap).fit(X).weights_,
            theirs.fit(100 * X).weights_,
        )
        assert abs(w - v).max() < 2e-5
        ours, skfolios = (X.mean(0) @ x - gamma / 2 * x @ np.cov(X.T) @ x for x in (w, v))
        assert ours >= skfolios - 1e-12


def test_two_assets_in_closed_form() -> None:
    X = market_returns(3, 60, 2)
    S, mu = np.cov(X.T), X.mean(0)
    w = optimizer("mean_variance", risk_aversion=30.0).fit(X).weights_
    spread = S[0, 0] + S[1, 1] - 2 * S[0, 1]
    first = (S[1, 1] - S[0, 1] + (mu[0] - mu[1]) / 30.0) / spread
    assert 0 < first < 1 and np.allclose(w, [first, 1 - first], rtol=0, atol=1e-12)


def test_its_ends_are_minimum_variance_and_the_highest_mean() -> None:
    X = market_returns(5, 90, 6)
    least = optimizer("min_variance").fit(X).weights_
    assert np.allclose(optimizer("mean_variance", risk_aversion=1e12).fit(X).weights_, least, rtol=0, atol=1e-8)
    assert (optimizer("mean_variance", mean="zero").fit(X).weights_ == least).all()
    greedy = optimizer("mean_variance", risk_aversion=1e-9).fit(X).weights_
    assert greedy.tolist() == np.eye(6)[X.mean(0).argmax()].tolist()


def test_the_tangency_portfolio_is_on_it() -> None:
    X = market_returns(6, 90, 5) + 0.001
    w = optimizer("max_sharpe", max_weight=0.6).fit(X).weights_
    gamma = X.mean(0) @ w / (w @ np.cov(X.T) @ w)
    assert np.allclose(optimizer("mean_variance", risk_aversion=gamma, max_weight=0.6).fit(X).weights_, w, atol=1e-10)


def test_time_scales_mean_and_variance_alike() -> None:
    X = market_returns(7, 90, 5)
    year = X.mean(0) * 252 + (X - X.mean(0)) * 252**0.5  # the moments of 252 independent sessions
    one, other = (optimizer("mean_variance", risk_aversion=4.0).fit(it).weights_ for it in (X, year))
    assert np.allclose(one, other, rtol=0, atol=1e-12)


def test_bit_identical_assets_share_what_one_would_get() -> None:
    X = market_returns(4, 80, 5) + 0.001
    rule = optimizer("mean_variance", risk_aversion=40.0)
    alone = rule.fit(X).weights_
    heavy = int(alone.argmax())
    twice = rule.fit(np.c_[X, X[:, heavy]]).weights_
    assert twice[heavy] == twice[5] > 0 and np.isclose(twice[heavy] + twice[5], alone[heavy], rtol=0, atol=1e-14)


def test_fewer_rows_than_assets_has_a_defined_answer() -> None:
    X = market_returns(10, 10, 20)
    rule = optimizer("mean_variance", max_weight=0.3)
    _, w, solved = solve(rule, X)
    assert solved and abs(w.sum() - 1) < 1e-12 and w.min() >= 0 and w.max() <= 0.3
    order = np.random.default_rng(0).permutation(20)
    _, again, _ = solve(rule, X[:, order])
    assert abs(w - again[np.argsort(order)]).max() < 1e-5


@pytest.mark.parametrize("gamma", [0.0, -1.0])
def test_risk_aversion_is_positive(gamma: float) -> None:
    with pytest.raises(ConfigError, match="risk_aversion is"):
        optimizer("mean_variance", risk_aversion=gamma)
