"""Maximum diversification: optimality conditions, closed forms, an independent solver."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio.optimization import MaximumDiversification as Theirs

from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.optimality import bounds, residual
from tests.shared.returns import factor_returns, market_returns, simple_returns


def solve(X: np.ndarray, **params: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the covariance, the weights and whether they solve it."""
    windows = Windows.single(X)
    weights, solved = optimizer("max_diversification", **params).weigh(windows, np.ones((1, X.shape[1]), bool))
    return windows.covariance[0], weights[0], bool(solved[0])


@given(st.integers(0, 10**6), st.integers(2, 25), st.integers(30, 90), bounds)
def test_optimality_conditions(seed: int, assets: int, rows: int, scaled: tuple[float, float]) -> None:
    lo, hi = scaled[0] / assets, min(scaled[1] / assets, 1.0) if scaled[1] > 1 else 1.0
    S, w, solved = solve(factor_returns(seed, rows, assets), min_weight=lo, max_weight=hi)
    assert solved and abs(w.sum() - 1) < 1e-12 and w.min() >= lo and w.max() <= hi
    sigma = np.sqrt(np.diag(S))
    assert residual(S, (w @ S @ w) / (sigma @ w) * sigma, lo, hi, w) < 1e-12


@given(st.integers(0, 10**6), st.integers(1, 25))
def test_what_is_held_is_equally_correlated_with_the_portfolio_and_the_rest_more(seed: int, assets: int) -> None:
    S, w, solved = solve(market_returns(seed, 90, assets))
    correlation = S @ w / np.sqrt(np.diag(S) * (w @ S @ w))
    held = w > 0
    assert solved and np.ptp(correlation[held]) < 1e-12
    assert (correlation[~held] > correlation[held].max() - 1e-12).all()


def test_it_is_minimum_variance_of_the_correlations_over_volatility() -> None:
    X = market_returns(5, 200, 12) * np.geomspace(1, 50, 12)
    scaled = X / X.std(0, ddof=1)
    y = optimizer("min_variance").fit(scaled).weights_ / X.std(0, ddof=1)
    assert np.allclose(optimizer("max_diversification").fit(X).weights_, y / y.sum(), atol=1e-12)


def test_two_assets_are_weighted_by_inverse_volatility() -> None:
    X = factor_returns(2, 60, 2)
    expected = 1 / X.std(0)
    assert np.allclose(optimizer("max_diversification").fit(X).weights_, expected / expected.sum(), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("cap", [1.0, 0.12])
@pytest.mark.parametrize("stop", [400, 4000, 8000])
def test_skfolio_agrees_on_real_returns(sp500: pd.DataFrame, cap: float, stop: int) -> None:
    X = 100 * simple_returns(sp500)[stop - 252 : stop]
    tight = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    theirs = Theirs(max_weights=cap, solver_params=tight).fit(X).weights_
    ours = optimizer("max_diversification", max_weight=cap).fit(X).weights_
    S = np.cov(X.T)
    ratios = [np.sqrt(np.diag(S)) @ w / np.sqrt(w @ S @ w) for w in (ours, theirs)]
    assert abs(ours - theirs).max() < 2e-5 and ratios[0] >= ratios[1] - 1e-9


def test_no_solution_without_variance() -> None:
    X = market_returns(1, 50, 3)
    X[:, 1] = 0.003
    assert not solve(X)[2]
