"""Minimum variance without the covariance: optimality conditions, and what the covariance gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.estimators.registry import optimizer
from metabt.estimators.solvers.active_set import MULTIPLIER
from metabt.estimators.solvers.frontier import frontier
from metabt.estimators.solvers.wide import MANY, _gains, _join, _share, least_variance
from metabt.estimators.windows import Windows
from metabt.numerics.kernels import kernel
from tests.shared.optimality import residual
from tests.shared.returns import factor_returns, market_returns


def solve(X: np.ndarray, hi: float) -> tuple[np.ndarray, bool]:
    """Return the weights, and whether they solve it."""
    weights, solved = least_variance(Windows.single(X), np.ones((1, X.shape[1]), bool), hi)
    return weights[0], bool(solved[0])


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 160), st.integers(0, 90), st.sampled_from([0.0, 1.01, 1.5, 4.0]))
def test_optimality_conditions(seed: int, assets: int, more: int, cap: float) -> None:
    X = market_returns(seed, assets + 40 + more, assets)
    hi = min(cap / assets, 1.0) if cap else 1.0
    w, solved = solve(X, hi)
    assert solved and abs(w.sum() - 1) < 1e-12 and w.min() >= 0 and w.max() <= hi
    assert residual(np.cov(X.T), np.zeros(assets), 0.0, hi, w) < 1e-12
    support, mean = np.ones((1, assets), bool), np.zeros((1, assets))
    theirs, _ = frontier(np.cov(X.T)[None], mean, support, 0.0, hi, False)
    assert np.allclose(w, theirs[0], atol=1e-12)


@pytest.mark.parametrize("cap", [1.0, 0.02])
def test_a_thousand_assets(cap: float) -> None:
    X = market_returns(3, 504, 1000)
    w = optimizer("min_variance", max_weight=cap).fit(X).weights_
    assert abs(w.sum() - 1) < 1e-12 and w.min() >= 0 and w.max() <= cap and (w > 0).sum() < 300
    assert residual(np.cov(X.T), np.zeros(1000), 0.0, cap, w) < 1e-12


@pytest.mark.parametrize("cap", [1.0, 0.05])
def test_hedges_and_fewer_rows_than_assets_have_a_defined_answer(cap: float) -> None:
    X = factor_returns(5, 40, 150)
    w, solved = solve(X, cap)
    assert solved and abs(w.sum() - 1) < 1e-12 and w.min() >= 0 and w.max() <= cap
    order = np.random.default_rng(0).permutation(150)
    assert abs(solve(X[:, order], cap)[0] - w[order]).max() < 1e-5
    S = np.cov(X.T)
    assert w @ S @ w < 1e-6 * S[w > 0][:, w > 0].diagonal().min()


def test_the_number_of_supported_assets_alone_decides_how_it_is_solved() -> None:
    X = market_returns(2, 300, MANY + 30)
    stops, lengths = np.array([150, 200, 250, 300]), np.array([150, 130, 150, 150])
    support = np.random.default_rng(0).random((4, MANY + 30)) < np.array([[0.4], [1.0], [0.9], [0.6]])
    assert (support.sum(1) >= MANY).tolist() == [False, True, True, False]
    for params in ({}, {"max_weight": 0.05}, {"min_weight": 0.001}):
        rule = optimizer("min_variance", **params)
        weights, solved = rule.weigh(Windows(X, stops, lengths), support)
        assert solved.all() and not weights[~support].any()
        for d, kept in enumerate(support):
            alone = rule.fit(X[stops[d] - lengths[d] : stops[d]][:, kept]).weights_
            assert alone.tobytes() == weights[d, kept].tobytes()


@pytest.mark.parametrize("cap", [1.0, 0.03])
def test_bit_identical_assets_share_what_one_would_get(cap: float) -> None:
    X = market_returns(4, 300, 120)
    w, _ = solve(X, cap)
    many = np.argsort(-w)[:3]
    again, solved = solve(np.c_[X, X[:, many], X[:, many[:1]]], cap)
    assert solved and again[many[0]] == again[120] == again[123] > 0 and again[many[1]] == again[121] > 0
    S = np.cov(np.c_[X, X[:, many], X[:, many[:1]]].T)
    assert residual(S, np.zeros(124), 0.0, cap, again) < 1e-12
    if cap == 1.0:
        merged = again[:120].copy()
        np.add.at(merged, [*many, many[0]], again[120:])
        assert np.allclose(merged, w, atol=1e-13)


def test_assets_without_variance_take_it_all() -> None:
    X = market_returns(1, 120, 130)
    X[:, 7] = 0.01
    X[:, 90] = -0.02
    w, solved = solve(X, 1.0)
    assert solved and w[[7, 90]].sum() > 1 - 1e-6
    w, solved = solve(X, 0.2)
    assert solved and np.allclose(w[[7, 90]], 0.2, atol=1e-9)


def test_what_is_not_finite_is_not_solved_and_harms_nobody() -> None:
    X = market_returns(3, 200, 130)
    windows, support = Windows(X, np.array([100, 200]), np.array([90, 80])), np.ones((2, 130), bool)
    clean, _ = least_variance(windows, support, 1.0)
    X[50, 4] = np.nan
    weights, solved = least_variance(windows, support, 1.0)
    assert solved.tolist() == [False, True] and (weights[1] == clean[1]).all()
    X[50, 4], X[30, 9] = np.inf, -np.inf
    assert least_variance(windows, support, 1.0)[1].tolist() == [False, True]


def test_bounds_that_cannot_sum_to_one_and_windows_of_one_row_are_not_solved() -> None:
    X = market_returns(3, 50, 120)
    assert not solve(X, 0.008)[1]
    assert not solve(X[:1], 1.0)[1]
    assert solve(X, 1 / 120)[0] == pytest.approx(1 / 120, abs=1e-15)


@kernel()
def gaining(gradient, inside, variance, n, lam, risk):
    return _gains(gradient, inside, variance, n, lam, risk)


@kernel()
def joined(gradient, inside, mean, copy, rows, n, count, member, size, k):
    return _join(gradient, inside, mean, copy, rows, n, count, member, size, k)


@kernel()
def shared(copy, rows, mean, n, w, member, k, column, weights):
    _share(copy, rows, mean, n, w, member, k, column, weights)


def test_what_gains_by_entering_is_outside_and_beneath_the_multiplier() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n, lam = int(rng.integers(1, 10)), float(rng.integers(-2, 3))
        gradient, inside = rng.integers(-3, 4, n).astype(float), rng.integers(0, 2, n)
        gains = (gradient < lam) & (inside == 0)
        after = np.r_[gradient, 5.0]
        assert gaining(after, inside, rng.uniform(-0.1, 2.0, n), n, lam, 3.0) == gains.sum()
        assert after[:n].tolist() == np.where(gains, gradient, np.inf).tolist() and after[n] == 5.0


@pytest.mark.parametrize(("part", "gains"), [(0.5, 0), (2.0, 1)])
def test_rounding_is_no_gain(part: float, gains: int) -> None:
    terms = 3.0 * 2.0 + 1.0  # its volatility times the risk, and the multiplier
    gradient = np.array([1.0 - part * MULTIPLIER * terms])
    assert gaining(gradient, np.zeros(1, np.int64), np.array([9.0]), 1, 1.0, 2.0) == gains


def equal_columns(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a window of few rows, its means, and which distinct column each is; some differ in one number alone."""
    rng = np.random.default_rng(seed)
    n, rows = int(rng.integers(1, 10)), int(rng.integers(1, 6))
    of = rng.integers(0, max(n // 2, 1), n)
    copy = np.ascontiguousarray(rng.integers(0, 2, (rows, n)).astype(float)[:, of])
    _, of = np.unique(copy, axis=1, return_inverse=True)
    return copy, copy.mean(0), of.reshape(-1)


def test_those_of_least_gradient_join_and_equal_ones_raise_the_size_of_the_first() -> None:
    for seed in range(150):
        copy, mean, of = equal_columns(seed)
        rows, n = copy.shape
        rng = np.random.default_rng(seed)
        gradient, inside = rng.integers(0, 3, n).astype(float), np.zeros(n + 1, np.int64)
        member, size = np.full(n + 1, 55), np.full(n + 1, 55)
        first, then = sorted(rng.integers(0, n + 1, 2))
        k = joined(gradient, inside, mean, copy, rows, n, first, member, size, 0)
        k = joined(gradient, inside, mean, copy, rows, n, then - first, member, size, k)
        order = np.argsort(gradient, kind="stable")[:then]
        members = [j for place, j in enumerate(order) if of[j] not in of[order[:place]]]
        assert sorted(order.tolist()) == np.flatnonzero(inside).tolist()
        assert member[:k].tolist() == members and (member[k:] == 55).all()
        assert size[:k].tolist() == [int((of[order] == of[j]).sum()) for j in members]


def test_a_members_weight_is_shared_by_all_that_are_the_same_bits() -> None:
    for seed in range(100):
        copy, mean, of = equal_columns(seed)
        rows, n = copy.shape
        rng = np.random.default_rng(seed)
        _, member = np.unique(of, return_index=True)
        w = rng.random(len(member)) * (rng.random(len(member)) < 0.7)
        column, weights = np.sort(rng.permutation(n + 3)[:n]), np.zeros(n + 3)
        shared(copy, rows, mean, n, w, member, len(member), column, weights)
        assert np.allclose(weights[column], w[of] / np.bincount(of)[of], rtol=1e-15)
        assert weights.sum() == pytest.approx(w.sum(), abs=1e-15)
        if rows > 1:  # the same mean in another order is another asset
            other = np.ascontiguousarray(np.c_[np.eye(rows)[:, 0], np.eye(rows)[:, 1]])
            found = np.zeros(2)
            shared(other, rows, other.mean(0), 2, np.ones(1), np.zeros(1, np.int64), 1, np.arange(2), found)
            assert found.tolist() == [1.0, 0.0]
