"""Minimum variance and maximum Sharpe ratio: optimality conditions, closed forms, independent solvers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from skfolio.optimization import MeanRisk, ObjectiveFunction

from metabt.estimators.registry import optimizer
from tests.shared.optimality import bounds, residual, solve
from tests.shared.returns import factor_returns, market_returns, simple_returns

NAMES = ["min_variance", "max_sharpe"]


@given(st.integers(0, 10**6), st.integers(2, 25), st.integers(30, 90), bounds)
def test_optimality_conditions(seed: int, assets: int, rows: int, scaled: tuple[float, float]) -> None:
    lo, hi = scaled[0] / assets, min(scaled[1] / assets, 1.0) if scaled[1] > 1 else 1.0
    X = factor_returns(seed, rows, assets)
    mean = X.mean(0)
    for name in NAMES:
        S, w, solved = solve(optimizer(name, min_weight=lo, max_weight=hi), X)
        room = np.minimum(np.maximum(1 - assets * lo - np.arange(assets) * (hi - lo), 0), hi - lo)
        best = lo * mean.sum() + room @ np.sort(mean)[::-1]
        if name == "max_sharpe" and best <= 0:
            assert not solved
            continue
        assert solved and abs(w.sum() - 1) < 1e-12 and w.min() >= lo and w.max() <= hi
        q = np.zeros(assets) if name == "min_variance" else (w @ S @ w) / (mean @ w) * mean
        assert residual(S, q, lo, hi, w) < 1e-12


@pytest.mark.parametrize("rho", [-0.9, 0.0, 0.3, 0.95])
def test_two_assets_in_closed_form(rho: float) -> None:
    S = np.array([[1.0, rho * 2.0], [rho * 2.0, 4.0]])
    rng = np.random.default_rng(7)
    Z = rng.normal(size=(40, 2))
    Z -= Z.mean(0)
    X = Z @ np.linalg.inv(np.linalg.cholesky(np.cov(Z.T))).T @ np.linalg.cholesky(S).T  # exactly this covariance
    w = optimizer("min_variance").fit(X).weights_
    first = np.clip((4.0 - 2 * rho) / (5.0 - 4 * rho), 0, 1)
    assert np.allclose(w, [first, 1 - first], atol=1e-12)
    mean = np.array([0.5, 0.8])
    w = optimizer("max_sharpe").fit(X + mean).weights_
    tangency = np.linalg.solve(S, mean)
    expected = tangency / tangency.sum() if (tangency > 0).all() else np.eye(2)[np.argmax(mean / [1.0, 2.0])]
    assert np.allclose(w, expected, atol=1e-12)


def test_a_diagonal_covariance_gives_inverse_variance() -> None:
    X = np.kron(np.diag([1.0, 2.0, 3.0, 4.0]), np.array([[1.0], [-1.0]]))
    w = optimizer("min_variance").fit(X).weights_
    expected = 1 / np.array([1.0, 4.0, 9.0, 16.0])
    assert np.allclose(w, expected / expected.sum(), rtol=1e-13)


# tighter than its default, which is off by up to 9e-4: the solver then warns that it stops at the limit of accuracy
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("cap", [1.0, 0.15])
@pytest.mark.parametrize("name", NAMES)
def test_skfolio_agrees_on_real_returns(sp500: pd.DataFrame, name: str, cap: float) -> None:
    returns = simple_returns(sp500)
    objective = {"min_variance": ObjectiveFunction.MINIMIZE_RISK, "max_sharpe": ObjectiveFunction.MAXIMIZE_RATIO}[name]
    tight = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    for stop in (400, 4000, 8000):
        X = 100 * returns[stop - 252 : stop]
        theirs = MeanRisk(objective_function=objective, max_weights=cap, solver_params=tight).fit(X).weights_
        ours = optimizer(name, max_weight=cap).fit(X).weights_
        assert abs(ours - theirs).max() < 2e-5
        risk = [w @ np.cov(X.T) @ w for w in (ours, theirs)]
        gain = [X.mean(0) @ w if name == "max_sharpe" else 1.0 for w in (ours, theirs)]
        assert gain[0] / np.sqrt(risk[0]) >= gain[1] / np.sqrt(risk[1]) - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_no_portfolio_that_slsqp_finds_has_a_higher_sharpe_ratio(seed: int) -> None:
    X = 100 * market_returns(seed, 60, 6)
    S, mean = np.cov(X.T), X.mean(0)
    ours = optimizer("max_sharpe", min_weight=0.05, max_weight=0.4).fit(X).weights_
    found = minimize(
        lambda w: -mean @ w / np.sqrt(w @ S @ w),
        np.full(6, 1 / 6),
        bounds=[(0.05, 0.4)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert abs(ours - found.x).max() < 1e-4
    assert mean @ ours / np.sqrt(ours @ S @ ours) >= -found.fun - 1e-10


def test_no_positive_mean_within_the_bounds_has_no_solution() -> None:
    X = factor_returns(3, 40, 3)
    X += np.array([0.001, -0.01, -0.01]) - X.mean(0)
    assert solve(optimizer("max_sharpe"), X)[2]
    assert not solve(optimizer("max_sharpe", max_weight=0.5), X)[2]  # at least half is in assets that lose
    assert not solve(optimizer("max_sharpe"), X - 0.01)[2]


@pytest.mark.parametrize("name", NAMES)
def test_bit_identical_assets_share_what_one_would_get(name: str) -> None:
    X = market_returns(4, 80, 5) + 0.001
    alone = optimizer(name).fit(X).weights_
    heavy = int(alone.argmax())
    twice = optimizer(name).fit(np.c_[X, X[:, heavy], X[:, heavy]]).weights_
    assert twice[heavy] == twice[5] == twice[6] > 0
    merged = twice[:5].copy()
    merged[heavy] = twice[[heavy, 5, 6]].sum()
    assert np.allclose(merged, alone, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_bit_identical_assets_have_a_cap_and_a_floor_each(name: str) -> None:
    """One that hardly moves twice over, beside three restless ones: it fills both of its caps, they have the rest."""
    rng = np.random.default_rng(7)
    X = rng.normal(0.0, [0.001, 0.03, 0.03, 0.03], (120, 4))
    X += 0.001 - X.mean(axis=0)
    w = optimizer(name, max_weight=0.3, min_weight=0.1).fit(np.c_[X, X[:, 0]]).weights_
    assert w[0] == w[4] == 0.3 and abs(w.sum() - 1) < 1e-12 and w.min() >= 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [3, 10, 19])
def test_fewer_rows_than_assets_has_a_defined_answer(name: str, rows: int) -> None:
    X = market_returns(rows, rows, 20) + 0.002
    S, w, solved = solve(optimizer(name, max_weight=0.3), X)
    assert solved and abs(w.sum() - 1) < 1e-12 and w.min() >= 0 and w.max() <= 0.3
    order = np.random.default_rng(0).permutation(20)
    _, again, _ = solve(optimizer(name, max_weight=0.3), X[:, order])
    assert abs(w - again[np.argsort(order)]).max() < 1e-5


@pytest.mark.parametrize(("seed", "rows", "assets"), [(28, 9, 52), (2090, 8, 33), (2158, 6, 52), (17622, 9, 48)])
def test_what_is_hedged_away_but_for_rounding_still_has_a_positive_mean(seed: int, rows: int, assets: int) -> None:
    """Few rows: rounding makes the free assets look regular, while their least variance is none."""
    X = market_returns(seed, rows, assets)
    _, w, solved = solve(optimizer("max_sharpe"), X)
    assert solved and X.mean(axis=0) @ w > 0


def test_an_asset_without_variance_takes_it_all_or_has_no_sharpe_ratio() -> None:
    X = market_returns(1, 50, 3)
    X[:, 1] = 0.0
    assert np.allclose(optimizer("min_variance").fit(X).weights_, [0, 1, 0], atol=1e-7)
    assert not solve(optimizer("max_sharpe"), X)[2]


@pytest.mark.parametrize("name", NAMES)
def test_vertices_and_single_assets(name: str) -> None:
    X = market_returns(2, 50, 4) + 0.01
    assert np.allclose(optimizer(name, max_weight=0.25).fit(X).weights_, 0.25, atol=1e-15)
    assert np.allclose(optimizer(name, min_weight=0.25).fit(X).weights_, 0.25, atol=1e-15)
    half = optimizer(name, max_weight=0.5).fit(X).weights_
    assert half.max() <= 0.5 and abs(half.sum() - 1) < 1e-15
    assert optimizer(name).fit(X[:, :1]).weights_.tolist() == [1.0]


@pytest.mark.parametrize("name", NAMES)
def test_a_wide_universe_is_solved_exactly(name: str) -> None:
    X = market_returns(9, 120, 200) + 0.001
    S, w, solved = solve(optimizer(name, max_weight=0.05), X)
    mean = X.mean(0)
    q = np.zeros(200) if name == "min_variance" else (w @ S @ w) / (mean @ w) * mean
    assert solved and residual(S, q, 0.0, 0.05, w) < 1e-12
