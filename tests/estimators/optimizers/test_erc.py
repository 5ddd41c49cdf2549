from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from skfolio.optimization import RiskBudgeting

import metabt
from metabt.errors import ConfigError
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.optimality import by_sweeps, erc_of, shares
from tests.shared.returns import factor_returns, market_returns, simple_returns


@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(40, 90), st.floats(0, 4))
def test_risk_contributions_are_equal(seed: int, assets: int, rows: int, spread: float) -> None:
    S, w, solved = erc_of(factor_returns(seed, rows, assets, spread))
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
    S, w, solved = erc_of(X)
    assert solved and w[0] == w[4] == w[6]
    assert abs(w[1] - 2 * w[5]) < 1e-14 and abs(7 * shares(S, w) - 1).max() < 1e-10


def test_fewer_rows_than_assets() -> None:
    S, w, solved = erc_of(market_returns(1, 6, 20))
    assert solved and abs(20 * shares(S, w) - 1).max() < 1e-10


def test_no_solution_without_variance_or_where_all_of_it_is_hedged() -> None:
    X = market_returns(1, 60, 3)
    assert not erc_of(np.c_[X, np.zeros(60)])[2]
    assert not erc_of(np.c_[X[:, 0], -X[:, 0]])[2]


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
    S, w, solved = erc_of(X, min_weight=lo, max_weight=hi)
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
    assert erc_of(X, max_weight=min(1.2 / assets, 1.0))[2]
    S, _, solved = erc_of(X, min_weight=0.6 / assets)
    if not solved:  # even the least risky portfolio above the floors sums to more than one
        root = np.linalg.cholesky(S).T
        least = lsq_linear(root / root[0, 0], np.zeros(assets), bounds=(0.6 / assets, 1.0), method="bvls", tol=1e-13)
        assert least.x.sum() > 1.0


@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(0, 3))
def test_budgets_by_symbol_are_what_each_contributes(seed: int, assets: int, apart: float) -> None:
    rng = np.random.default_rng(seed)
    names = tuple(f"S{i:02}" for i in range(assets))
    budgets = {name: float(10 ** rng.uniform(-apart, apart)) for name in names if rng.random() < 0.7}
    X = market_returns(seed, 90, assets)
    windows = replace(Windows.single(X), names=names)
    support = rng.random((1, assets)) < 0.8
    support[0, 0] = True
    weights, solved = optimizer("erc", budgets=budgets).weigh(windows, support)
    kept = support[0]
    budget = np.array([budgets.get(name, 1.0) for name in names])[kept]
    S, w = windows.covariance[0][np.ix_(kept, kept)], weights[0, kept]
    assert solved[0] and abs(shares(S, w) / (budget / budget.sum()) - 1).max() < 1e-10
    assert np.allclose(w, by_sweeps(S, budget), atol=1e-9)


def test_budgets_follow_their_symbols_and_only_proportions_count() -> None:
    X, names = market_returns(4, 90, 5), ("A", "B", "C", "D", "E")
    given = optimizer("erc", budgets={"A": 2.0, "D": 0.5})
    w = given.weigh(replace(Windows.single(X), names=names), np.ones((1, 5), bool))[0][0]
    turned = replace(Windows.single(X[:, ::-1]), names=names[::-1])
    assert np.allclose(given.weigh(turned, np.ones((1, 5), bool))[0][0][::-1], w, atol=1e-14)
    tripled = optimizer("erc", budgets={"A": 6.0, "B": 3.0, "C": 3.0, "D": 1.5, "E": 3.0})
    again = tripled.weigh(replace(Windows.single(X), names=names), np.ones((1, 5), bool))[0][0]
    assert np.allclose(again, w, atol=1e-14)


def test_budgets_of_a_leaf_are_those_of_its_symbols_in_whatever_order_it_lists_them(sp500: pd.DataFrame) -> None:
    for direction in ("long", "short"):
        leaf = {
            "name": "leaf",
            "universe": ["XOM", "AAPL", "MSFT", "KO"],
            "lookback": 120,
            "optimizer": {"name": "erc", "budgets": {"XOM": 3, "KO": 0.5}},
            "direction": direction,
        }
        shares = metabt.backtest(leaf, sp500.iloc[-400:]).risk_contributions().iloc[-1]
        expected = {"XOM": 3 / 5.5, "AAPL": 1 / 5.5, "MSFT": 1 / 5.5, "KO": 0.5 / 5.5}
        assert shares.dropna().to_dict() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("bounds", [{}, {"max_weight": 0.5}])
def test_bit_identical_columns_contribute_by_their_budgets_too(bounds: dict[str, float]) -> None:
    X = market_returns(3, 80, 4)
    X[:, 1] = X[:, 0]
    windows = Windows.single(X)
    rule = optimizer("erc", budgets={"x0": 3.0}, **bounds)
    weights, solved = rule.weigh(windows, np.ones((1, 4), bool))
    assert solved[0] and abs(shares(windows.covariance[0], weights[0]) - np.array([3, 1, 1, 1]) / 6).max() < 1e-10


def test_budgets_hold_inside_the_bounds() -> None:
    X, names = market_returns(9, 120, 6), ("A", "B", "C", "D", "E", "F")
    rule = optimizer("erc", budgets={"A": 4.0, "B": 0.2}, min_weight=0.1, max_weight=0.22)
    windows = replace(Windows.single(X), names=names)
    weights, solved = rule.weigh(windows, np.ones((1, 6), bool))
    w, budget = weights[0], np.array([4.0, 0.2, 1, 1, 1, 1])
    risk = w * (windows.covariance[0] @ w) / budget
    inside = (w > 0.1 + 1e-14) & (w < 0.22 - 1e-14)
    assert solved[0] and w[0] == 0.22 and w[1] == 0.1 and inside.sum() >= 2
    assert np.ptp(risk[inside]) < 1e-9 * risk[inside].mean()
    assert risk[0] < risk[inside].mean() < risk[1]


@pytest.mark.parametrize("left", [1e-1, 3e-2, 1e-2])
def test_hedges_that_sweeps_take_thousands_of_rounds_for(left: float) -> None:
    rng = np.random.default_rng(3)
    X = 0.01 * rng.normal(size=(250, 4))
    X = np.c_[X, -X + left * 0.01 * rng.normal(size=(250, 4))]
    S, w, solved = erc_of(X)
    assert solved and abs(8 * shares(S, w) - 1).max() < 1e-10


@pytest.mark.parametrize("assets", [3, 4, 8])
@pytest.mark.parametrize("seed", range(12))
def test_a_hedge_that_leaves_no_variance_is_solved_for_within_a_cap(seed: int, assets: int) -> None:
    X = factor_returns(seed, 60, assets)
    X[:, 1] = -X[:, 0] * 1.001 + 1e-8 * X[:, 2]
    assert not erc_of(X)[2]
    S, w, solved = erc_of(X, max_weight=1.2 / assets)
    held, marginal = w < 1.2 / assets - 1e-12, w * (S @ w)
    assert solved and abs(w.sum() - 1) < 1e-12 and not held.all()
    assert np.ptp(marginal[held]) <= 1e-9 * marginal[held].max() and marginal[~held].max() <= marginal[held].min()


def test_hedges_whose_contributions_are_rounding_have_no_solution() -> None:
    rng = np.random.default_rng(3)
    X = 0.01 * rng.normal(size=(250, 4))
    assert not erc_of(np.c_[X, -X + 1e-6 * rng.normal(size=(250, 4))])[2]


def test_a_budget_is_positive() -> None:
    with pytest.raises(ConfigError, match="the budget of AAPL is 0; wanted more than 0"):
        optimizer("erc", budgets={"AAPL": 0.0})
