from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from skfolio.optimization import RiskBudgeting

from metabt.registry import optimizer
from metabt.windows import Windows
from tests.returns import factor_returns, market_returns, simple_returns


def solve(X: np.ndarray, **bounds: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return covariance, weights and whether they solve it."""
    windows = Windows.single(X)
    weights, solved = optimizer("erc", **bounds).weigh(windows, np.ones((1, X.shape[1]), bool))
    return windows.covariance[0], weights[0], bool(solved[0])


def shares(S: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return the assets' shares of the variance."""
    return w * (S @ w) / (w @ S @ w)


@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(40, 90), st.floats(0, 4))
def test_risk_contributions_are_equal(seed: int, assets: int, rows: int, spread: float) -> None:
    S, w, solved = solve(factor_returns(seed, rows, assets, spread))
    assert solved and abs(w.sum() - 1) < 1e-12
    assert abs(shares(S, w) * assets - 1).max() < 1e-10


@pytest.mark.parametrize("stop", [300, 4000, 8000])
def test_skfolio_agrees_on_real_returns(sp500: pd.DataFrame, stop: int) -> None:
    X = 100 * simple_returns(sp500)[stop - 252 : stop]
    theirs = RiskBudgeting(solver_params={"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10}).fit(X).weights_
    assert abs(optimizer("erc").fit(X).weights_ - theirs).max() < 1e-5


def test_a_diagonal_covariance_gives_inverse_volatility() -> None:
    X = np.kron(np.diag([1.0, 2.0, 3.0, 4.0]), np.array([[1.0], [-1.0]]))
    expected = 1 / np.array([1.0, 2.0, 3.0, 4.0])
    assert np.allclose(optimizer("erc").fit(X).weights_, expected / expected.sum(), rtol=1e-13)


def test_two_assets_are_weighted_by_inverse_volatility_whatever_their_correlation() -> None:
    for seed in range(5):
        X = factor_returns(seed, 60, 2)
        expected = 1 / X.std(0)
        assert np.allclose(optimizer("erc").fit(X).weights_, expected / expected.sum(), rtol=1e-12)


def test_equal_assets_get_equal_bits_and_multiples_equal_risk() -> None:
    X = market_returns(3, 70, 4)
    X = np.c_[X, X[:, 0], 2 * X[:, 1], X[:, 0]]
    S, w, solved = solve(X)
    assert solved and w[0] == w[4] == w[6]
    assert abs(w[1] - 2 * w[5]) < 1e-14 and abs(7 * shares(S, w) - 1).max() < 1e-10


def test_fewer_rows_than_assets() -> None:
    S, w, solved = solve(market_returns(1, 6, 20))
    assert solved and abs(20 * shares(S, w) - 1).max() < 1e-10


def test_no_solution_without_variance_or_where_all_of_it_is_hedged() -> None:
    X = market_returns(1, 60, 3)
    assert not solve(np.c_[X, np.zeros(60)])[2]
    assert not solve(np.c_[X[:, 0], -X[:, 0]])[2]


@given(
    st.integers(0, 10**6),
    st.integers(2, 20),
    st.sampled_from(
        [(0.0, 1.05), (0.0, 1.3), (0.0, 2.0), (0.5, 1.4), (0.9, 9.0), (0.95, 1.05), (1.0, 2.0), (0.0, 1.0)]
    ),
)
def test_constrained_risk_budgeting(seed: int, assets: int, scaled: tuple[float, float]) -> None:
    lo, hi = scaled[0] / assets, min(scaled[1] / assets, 1.0)
    X = market_returns(seed, 80, assets)
    S, w, solved = solve(X, min_weight=lo, max_weight=hi)
    assert solved and abs(w.sum() - 1) < 1e-12 and w.min() >= lo and w.max() <= hi
    risk = w * (S @ w)
    low, high = w <= lo + 1e-14, w >= hi - 1e-14
    inside = risk[~low & ~high]
    if len(inside):  # equal inside the box, at most that at the cap, at least that at the floor
        assert np.ptp(inside) < 1e-9 * inside.mean()
        assert (risk[high] <= inside.mean() * (1 + 1e-9)).all() and (risk[low] >= inside.mean() * (1 - 1e-9)).all()


def test_a_bound_that_does_not_bind_changes_nothing() -> None:
    X = market_returns(8, 80, 6)
    free = optimizer("erc").fit(X).weights_
    bounded = optimizer("erc", min_weight=free.min() - 0.01, max_weight=free.max() + 0.01).fit(X).weights_
    assert (free == bounded).all()


@given(st.integers(0, 10**6), st.integers(2, 12))
def test_caps_are_solved_for_hedges_and_floors_wherever_a_solution_exists(seed: int, assets: int) -> None:
    X = factor_returns(seed, 90, assets)
    assert solve(X, max_weight=min(1.2 / assets, 1.0))[2]
    S, _, solved = solve(X, min_weight=0.6 / assets)
    if not solved:  # even the least risky portfolio above the floors sums to more than one
        root = np.linalg.cholesky(S).T
        least = lsq_linear(root / root[0, 0], np.zeros(assets), bounds=(0.6 / assets, 1.0), method="bvls", tol=1e-13)
        assert least.x.sum() > 1.0
