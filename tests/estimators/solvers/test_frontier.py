"""What the efficient frontier is made of: merging, padding, attainability, moments, and where a bracket is cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from metabt.estimators.solvers.frontier import (
    RIDGE,
    _attainable,
    _between,
    _merge,
    _moments,
    _stationary,
    begin,
    frontier,
    gather,
)
from metabt.estimators.solvers.linear import factor, padded, work_arrays
from metabt.numerics.kernels import kernel
from tests.shared.returns import factor_returns


@kernel()
def merged(column, first, count, group, size, kept):
    return _merge(column, first, count, group, size, kept)


@kernel()
def attainable(S, mu, kept, n, floor, ceiling, taken):
    return _attainable(S, mu, kept, n, floor, ceiling, taken)


@kernel()
def gathered(covariance, kept, n, ridge, S):
    gather(covariance, kept, n, ridge, S)


@kernel()
def moments(S, mu, w, n):
    return _moments(S, mu, w, n)


@kernel()
def between(low, high, S, mu, n):
    return _between(low, high, S, mu, n)


@kernel()
def stationary(S, L, w, mu, q, goal, part, ones, side, index, n, free):
    factor(S, index, np.int64(0), free, L)
    return _stationary(S, L, w, mu, q, goal, part, ones, side, index, n, free)


@kernel()
def begun(S, squares, lo, hi, q, v, m, n):
    more = squares[0], squares[1], squares[2]
    return begin(S, more, v[0], lo, hi, q, v[1], v[2], v[3], m[0], m[1], n)


def test_merged_assets_stand_for_their_twins() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(1, 10))
        column = np.sort(rng.permutation(count + 3)[:count])
        first = np.array([rng.integers(0, a + 1) for a in range(count)])
        first = first[first]
        group, size, kept = (np.full(count + 1, 55) for _ in range(3))
        n = merged(column, first, count, group, size, kept)
        own = np.unique(first[first == np.arange(count)])
        wanted = [int((first == a).sum()) for a in own]
        if not np.isin(first, own).all():
            continue  # not what `twins` writes
        assert n == len(own) and kept[:n].tolist() == column[own].tolist() and size[:n].tolist() == wanted
        assert (own[group[:count]] == first).all() and kept[n] == size[n] == 55


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_a_covariance_is_gathered_with_its_ridge_and_zeros_behind(ridge: float) -> None:
    for seed, n in itertools.product(range(4), range(1, 10)):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n + 4, n + 3)) * 10.0 ** rng.uniform(-2, 1, n + 3)
        X[:, 0] *= seed > 0  # a variance of nothing
        covariance = X.T @ X
        kept = 1 + np.arange(n) if seed == 1 else np.sort(rng.permutation(n + 3)[:n])
        S = np.full((padded(n), padded(n)), np.nan)
        gathered(covariance, np.r_[kept, 55], n, ridge, S)
        wanted = covariance[np.ix_(kept, kept)]
        wanted += np.diag(ridge * np.maximum(wanted.diagonal(), ridge))
        rows = -(-n // 4) * 4
        assert (S[:n, :n] == wanted).all() and not S[:n, n:].any() and not S[n:rows].any()
        assert np.isnan(S[rows:]).all()


def test_a_positive_mean_is_attainable_where_the_highest_of_all_portfolios_is_positive() -> None:
    seen = set()
    for seed in range(150):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 10))
        floor = rng.choice([0.0, 0.5], n) / n
        ceiling = np.minimum(floor + rng.choice([0.75, 1.0, 3.0], n) / n, 1.0)
        if ceiling.sum() < 1:
            continue
        mu = rng.integers(-3, 4, n) * 0.1 - 0.1  # equal means as well
        kept = np.sort(rng.permutation(n + 2)[:n])
        found = attainable(np.eye(n + 2), mu, kept, n, floor, ceiling, np.full(n, 55))
        highest = -linprog(-mu, A_eq=np.ones((1, n)), b_eq=[1.0], bounds=list(zip(floor, ceiling, strict=True))).fun
        if abs(highest) > 1e-9:
            assert found == (highest > 0)
            seen.add(found)
        S = np.eye(n + 2)
        S[kept[-1], kept[-1]] = 0.0
        assert not attainable(S, np.ones(n), kept, n, floor, ceiling, np.full(n, 55))
    assert seen == {True, False}


def test_a_mean_of_exactly_nothing_is_not_attained() -> None:
    nothing, whole = np.zeros(2), np.ones(2)
    kept, taken = np.arange(2), np.zeros(2, np.int64)
    assert not attainable(np.eye(2), np.zeros(2), kept, 2, nothing, whole, taken)
    assert not attainable(np.eye(2), np.array([0.25, -0.25]), kept, 2, whole / 2, whole, taken)
    assert attainable(np.eye(2), np.array([0.0, 1e-300]), kept, 2, nothing, whole, taken)


def test_moments_are_those_of_a_portfolio_and_of_one_all_of_whose_correlations_are_one() -> None:
    for seed, n in itertools.product(range(4), range(1, 10)):
        rng = np.random.default_rng(seed)
        S = np.atleast_2d(np.cov(factor_returns(seed, 30, n).T))
        mu, w = rng.normal(size=n), rng.normal(size=n) * (rng.random(n) < 0.7)
        risk = np.sqrt(S.diagonal()) @ abs(w)
        assert moments(S, mu, w, n) == pytest.approx((w @ S @ w, mu @ w, risk**2), rel=1e-10, abs=1e-16)


def test_a_bracket_is_cut_at_its_middle_or_opened() -> None:
    S, mu = np.diag([2.0, 3.0, 5.0, 9.0]), np.array([0.25, 0.5, 0.5, 0.125])
    assert between(2.0, 8.0, S, mu, 4) == 4.0
    assert between(2.0, np.inf, S, mu, 4) == 8.0
    assert between(0.0, 8.0, S, mu, 4) == 2.0
    assert between(0.0, np.inf, S, mu, 4) == 6.0  # of the first of those with the highest mean
    assert between(0.0, np.inf, S, mu, 1) == 8.0


def test_where_the_ratio_is_stationary_the_variance_is_that_many_means() -> None:
    """`w = a + g b` of the free assets, with `g = a'Sa / mu'a`: at that g it is `w'Sw = g mu'w`."""
    for seed, n in itertools.product(range(6), range(1, 10)):
        rng = np.random.default_rng(seed)
        S, mu = np.atleast_2d(np.cov(factor_returns(seed, 40, n).T)), rng.normal(0.2, 1.0, n) * 1e-3
        index = np.sort(rng.permutation(n)[: int(rng.integers(1, n + 1))])
        side = np.full(n, -1)
        side[index] = 0
        free, w = len(index), np.where(side < 0, 0.25 / n, np.nan)
        L, v = np.full((n, n), np.nan), np.full((4, n), np.nan)
        g = stationary(S, L, w, mu, v[0], v[1], v[2], v[3], side, np.r_[index, 55], n, free)
        own, fixed = np.linalg.inv(S[np.ix_(index, index)]), side < 0
        pull = S[np.ix_(index, fixed)] @ w[fixed]

        def best(at: float) -> np.ndarray:
            lam = (1 - w[fixed].sum() - (own @ (at * mu[index] - pull)).sum()) / own.sum()  # noqa: B023
            return np.where(fixed, w, 0.0) + np.bincount(index, own @ (at * mu[index] - pull + lam), n)  # noqa: B023

        a = best(0.0)
        if mu @ a <= 0:
            assert g == np.inf
            continue
        assert g == pytest.approx(a @ S @ a / (mu @ a), rel=1e-8)
        x = best(g)
        assert x @ S @ x == pytest.approx(g * (mu @ x), rel=1e-6, abs=1e-12 * abs(S).max())


def test_what_cannot_be_guessed_begins_with_one_free_asset() -> None:
    v, m, squares = work_arrays(4, 4, 2, 4)
    lo, hi, S = np.zeros(padded(4)), np.full(padded(4), 0.5), np.zeros((padded(4), padded(4)))
    S[:4, :4] = np.diag([3.0, 1.0, 2.0, 0.0])  # an asset without variance has no model
    assert begun(S, squares[:3], lo, hi, np.zeros(padded(4)), v, m, 4) == 1
    assert v[0, :4].tolist() == [0.0, 0.5, 0.0, 0.5] and m[0, :4].tolist() == [-1, 0, -1, 1]
    assert begun(S, squares[:3], lo, 2 * hi, np.zeros(padded(4)), v, m, 4) == 0  # nor can it be free on its own
    S[3, 3], S[0, 1], S[1, 0] = 4.0, -5.0, -5.0  # sums to less than nothing
    assert begun(S, squares[:3], lo, hi, np.zeros(padded(4)), v, m, 4) == 1
    assert v[0, :4].tolist() == [0.0, 0.5, 0.5, 0.0] and m[0, :4].tolist() == [-1, 1, 0, -1] and m[1, 0] == 2


@pytest.mark.parametrize("n", [4, 5, 15, 16, 17, 20])
@pytest.mark.parametrize("tangency", [False, True])
def test_what_an_earlier_and_wider_window_left_is_not_read(n: int, tangency: bool) -> None:
    """Rows that are padded up to a multiple of four must be zero again after more assets stood there."""
    S = np.cov(factor_returns(1, 90, 24).T)
    mean = 1e-4 + 1e-4 * np.random.default_rng(2).random(24)
    support = np.ones((2, 24), bool)
    support[1, n:] = False
    both, solved = frontier(np.stack([S, S]), np.stack([mean, mean]), support, 0.0, 0.3, tangency)
    alone, also = frontier(S[None, :n, :n].copy(), mean[None, :n].copy(), support[1:, :n].copy(), 0.0, 0.3, tangency)
    assert solved.all() and also.all() and both[1, :n].tobytes() == alone[0].tobytes() and not both[1, n:].any()


def test_equal_assets_share_their_bounds() -> None:
    """Two that are the same bits are one whose cap is twice theirs."""
    S = np.diag([1.0, 4.0, 4.0])
    of = np.array([0, 1, 0, 2])
    weights, solved = frontier(S[np.ix_(of, of)][None], np.zeros((1, 4)), np.ones((1, 4), bool), 0.0, 0.3, False)
    assert solved[0] and weights[0] == pytest.approx([0.3, 0.2, 0.3, 0.2], abs=1e-15)  # without caps, 1/3 and 1/6
    weights, _ = frontier(S[np.ix_(of, of)][None], np.zeros((1, 4)), np.ones((1, 4), bool), 0.22, 1.0, False)
    assert weights[0] == pytest.approx([0.28, 0.22, 0.28, 0.22], abs=1e-15)


def test_a_singular_window_is_solved_with_a_ridge() -> None:
    X = factor_returns(5, 4, 7)
    S = np.cov(X.T)
    weights, solved = frontier(S[None], np.zeros((1, 7)), np.ones((1, 7), bool), 0.0, 1.0, False)
    w, ridged = weights[0], S + np.diag(RIDGE * S.diagonal())
    gradient = ridged @ w
    held = w > 0
    assert solved[0] and abs(w.sum() - 1) < 1e-12
    assert abs(gradient[held] - gradient[held].mean()).max() < 1e-12 * S.max()
    assert (gradient[~held] >= gradient[held].mean() - 1e-12 * S.max()).all()
