"""The steps of the active set method, each beside its formula: the steps after it would mend what one gets wrong."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.estimators.solvers.active_set import (
    CANCELLED,
    MULTIPLIER,
    ROUNDING,
    advance,
    gradient_of,
    minimise,
    release,
    start,
    target,
)
from metabt.estimators.solvers.linear import factor
from metabt.numerics.kernels import kernel
from tests.shared.returns import factor_returns

CASES = [(seed, n) for n in range(1, 10) for seed in range(10)]


@kernel()
def started(S, L, w, lo, hi, side, index, n):
    return start(S, L, w, lo, hi, side, index, n)


@kernel()
def gradient_at(S, w, q, gradient, n):
    gradient_of(S, w, q, gradient, n)


@kernel()
def targeted(S, L, w, q, goal, part, ones, side, index, n, free):
    factor(S, index, np.int64(0), free, L)
    return target(S, L, w, q, goal, part, ones, side, index, n, free)


@kernel()
def advanced(w, lo, hi, goal, side, index, free):
    return advance(w, lo, hi, goal, side, index, free)


@kernel()
def released(S, w, q, side, gradient, n, lam):
    return release(S, w, q, side, gradient, n, lam)


@kernel()
def minimised(S, L, w, lo, hi, q, goal, part, ones, side, index, n):
    start(S, L, w, lo, hi, side, index, n)
    return minimise(S, L, w, lo, hi, q, goal, part, ones, side, index, n, np.int64(1))


def covariance(seed: int, n: int) -> np.ndarray:
    return np.atleast_2d(np.cov(factor_returns(seed, 4 * n + 8, n).T))


def scratch(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a square and vectors that say so where more is read than was written."""
    return np.full((n + 2, n + 2), np.nan), np.full((6, n + 2), np.nan)


@pytest.mark.parametrize("equal", [False, True])
def test_it_starts_with_the_assets_of_least_variance_at_their_caps_and_the_last_one_free(equal: bool) -> None:
    for seed, n in CASES:
        rng = np.random.default_rng(seed)
        S = np.eye(n) if equal else covariance(seed, n)
        lo = rng.choice([0.0, 1 / 32], n)  # sums are exact
        hi = lo + rng.choice([1 / 16, 1 / 4, 1 / 2] if n > 3 else [1.0], n)
        if hi.sum() < 1:
            continue  # nothing to start from
        L, v = scratch(n)
        side, index, w = np.full(n, 55), np.full(n, 55), v[0]
        pivot = started(S, L, w, lo, hi, side, index, n)
        wanted, sides, rest = lo.copy(), np.full(n, -1), 1 - lo.sum()
        for i in np.argsort(S.diagonal(), kind="stable"):
            if hi[i] - lo[i] >= rest:
                sides[i], wanted[i] = 0, lo[i] + rest
                break
            sides[i], wanted[i], rest = 1, hi[i], rest - (hi[i] - lo[i])
        assert side.tolist() == sides.tolist() and (w[:n] == wanted).all()
        assert index[0] == np.flatnonzero(sides == 0)[0] and pivot == 1.0
        assert L[0, 0] == pytest.approx(S[index[0], index[0]] ** -0.5, rel=1e-14)


def test_caps_that_sum_to_one_exactly_leave_the_last_asset_free_at_its_cap() -> None:
    L, v = scratch(4)
    side, index, quarter = np.zeros(4, np.int64), np.zeros(4, np.int64), np.full(4, 0.25)
    started(np.diag([2.0, 1.0, 4.0, 3.0]), L, v[0], np.zeros(4), quarter, side, index, 4)
    assert side.tolist() == [1, 1, 0, 1] and index[0] == 2 and v[0, :4].tolist() == [0.25] * 4
    started(np.diag([2.0, 1.0, 4.0, 3.0]), L, v[0], np.zeros(4), 2 * quarter, side, index, 4)
    assert side.tolist() == [0, 1, -1, -1] and v[0, :4].tolist() == [0.5, 0.5, 0.0, 0.0]


def test_the_gradient() -> None:
    for seed, n in CASES:
        rng = np.random.default_rng(seed)
        S, q, w = covariance(seed, n), rng.normal(size=n), rng.normal(size=n) * (rng.random(n) < 0.6)
        found = np.full(n + 2, np.nan)
        gradient_at(S, w, q, found, n)
        assert np.allclose(found[:n], S @ w - q, rtol=1e-12, atol=1e-13) and np.isnan(found[n:]).all()


def drawn(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return weights, sides, the free assets in any order, and a linear term."""
    rng = np.random.default_rng(seed)
    index = rng.permutation(n)[: int(rng.integers(1, n + 1))]
    side = rng.choice([-1, 1], n)
    side[index] = 0
    return rng.uniform(0, 1.5 / n, n), side, index, 1e-4 * rng.normal(size=n)


def test_a_target_solves_the_equations_of_the_free_assets() -> None:
    for seed, n in CASES:
        S = covariance(seed, n)
        w, side, index, q = drawn(seed, n)
        free, fixed, before = len(index), side != 0, w.copy()
        L, (goal, part, ones, *_) = scratch(n)
        lam = targeted(S, L, w, q, goal, part, ones, side, np.r_[index, 55], n, free)
        own = S[np.ix_(index, index)]
        border = np.block([[own, -np.ones((free, 1))], [np.ones((1, free)), np.zeros((1, 1))]])
        pulled = q[index] - S[np.ix_(index, fixed)] @ w[fixed]
        solution = np.linalg.solve(border, np.r_[pulled, 1 - w[fixed].sum()])
        slack = 1e-9 * np.linalg.cond(own) ** 0.5
        assert np.allclose(goal[:n][index], solution[:free], rtol=1e-8, atol=slack)
        assert lam == pytest.approx(solution[free], rel=1e-7, abs=1e-9 * S.max())
        assert (goal[:n][fixed] == w[fixed]).all() and (w == before).all()
        assert abs(goal[:n].sum() - 1) < max(1e-14, CANCELLED * 1e-6)


def test_a_step_ends_at_the_first_bound_on_the_way() -> None:
    places = set()
    for seed, n in CASES:
        rng = np.random.default_rng(seed)
        w, side, index, _ = drawn(seed, n)
        lo, hi = np.zeros(n), np.full(n, 2.0 / n)
        at = rng.random(n) < 0.3
        w = np.where(at, rng.choice([0.0, 2.0], n) / n, w)
        goal = w.copy()
        goal[index] += rng.choice([0.2, 1.0, 3.0]) * rng.normal(size=len(index)) / n
        free = len(index)
        found, sides, order = w.copy(), side.copy(), np.r_[index, 55]
        place = advanced(found, lo, hi, goal, sides, order, free)
        out = [k for k in range(free) if goal[index[k]] < lo[index[k]] or goal[index[k]] > hi[index[k]]]
        places.add(place)
        if not out or free == 1:
            assert place == -1 and (found[index] == goal[index]).all() and (sides == side).all()
            continue
        reach = {
            k: ((lo if goal[index[k]] < lo[index[k]] else hi)[index[k]] - w[index[k]]) / (goal - w)[index[k]]
            for k in out
        }
        step = min(reach.values())
        assert place == min(k for k in out if reach[k] == step)
        wanted, stopped = w + step * (goal - w) * (side == 0), index[place]
        wanted[stopped] = lo[stopped] if goal[stopped] < lo[stopped] else hi[stopped]
        assert np.allclose(found, wanted, atol=1e-15) and found[stopped] == wanted[stopped]
        assert sides[stopped] == (-1 if goal[stopped] < lo[stopped] else 1)
        assert order[: free - 1].tolist() == [i for i in index if i != stopped] and order[free] == 55
        assert (np.delete(sides, stopped) == np.delete(side, stopped)).all()
    assert {-1, 0, 1, 2} <= places


@pytest.mark.parametrize("beyond", [0.5 * ROUNDING, 0.0])
def test_what_leaves_its_box_by_rounding_stays_free_as_does_an_asset_alone(beyond: float) -> None:
    w, side, index = np.array([0.5, 0.5]), np.zeros(2, np.int64), np.arange(2)
    goal = np.array([-beyond, 1.0 + beyond])
    assert advanced(w, np.zeros(2), np.ones(2), goal, side, index, 2) == -1 and w.tolist() == goal.tolist()
    w = np.array([0.5, 0.5])
    goal = np.array([-2 * ROUNDING, 1.0])
    assert advanced(w, np.zeros(2), np.ones(2), goal, side, index, 2) == 0
    w, side, index = np.array([0.5, 0.5]), np.array([0, 1]), np.arange(2)
    assert advanced(w, np.zeros(2), np.full(2, 0.5), np.array([0.6, 0.5]), side, index, 1) == -1 and w[0] == 0.6


def test_the_fixed_asset_that_gains_most_is_freed_the_first_of_equal_ones() -> None:
    found = set()
    for seed, n in CASES:
        rng = np.random.default_rng(seed)
        S = rng.integers(-1, 2, (n, n)).astype(float)
        S = S + S.T + np.diag(n + rng.integers(0, 2, n))
        w, q, side = rng.integers(0, 3, n) / 4, rng.integers(-2, 3, n) / 2, rng.integers(-1, 2, n)
        lam = float(rng.integers(-4, 5)) / 2
        gains = side * (S @ w - q - lam)
        place = released(S, w, q, side, np.full(n, np.nan), n, lam)
        assert place == (int(np.argmax(gains)) if gains.max() > 0 else -1)
        found.add(place)
    assert {-1, 0, 1, 2} <= found


@pytest.mark.parametrize("side", [-1, 1])
def test_a_gain_of_rounding_frees_nothing(side: int) -> None:
    """Of an asset that is not held: its gradient is -q, and the gain that of q against lam."""
    S, w, sides = np.eye(2), np.array([1.0, 0.0]), np.array([0, side])
    terms = 1.0 + 0.5 + 0.5  # its volatility times the portfolio's, q, and lam
    for gain, place in ((0.0, -1), (0.5 * MULTIPLIER * terms, -1), (2 * MULTIPLIER * terms, 1)):
        lam = 0.5 - side * gain
        assert released(S, w, np.array([0.0, -0.5]), sides, np.zeros(2), 2, lam) == place


def test_the_end_satisfies_the_conditions_whatever_the_bounds() -> None:
    for seed, n in CASES:
        rng = np.random.default_rng(seed)
        S, q = covariance(seed, n), rng.normal(size=n) * rng.choice([0.0, 1e-5, 1e-3])
        lo = rng.choice([0.0, 0.5], n) / n
        hi = np.minimum(lo + rng.choice([0.75, 1.5, 4.0], n) / n, 1.0)
        if hi.sum() < 1:
            continue
        L, v = scratch(n)
        side, index = np.zeros(n, np.int64), np.zeros(n + 1, np.int64)
        free = minimised(S, L, v[0], lo, hi, q, v[1], v[2], v[3], side, index, n)
        w = v[0, :n]
        gradient = S @ w - q
        lam, scale = gradient[index[:free]].mean(), S.max() + abs(q).max()
        assert free == (side == 0).sum() and sorted(index[:free]) == np.flatnonzero(side == 0).tolist()
        assert abs(w.sum() - 1) < 1e-14 and (w[side < 0] == lo[side < 0]).all() and (w[side > 0] == hi[side > 0]).all()
        assert (w >= lo - ROUNDING).all() and (w <= hi + ROUNDING).all()
        assert abs(gradient[side == 0] - lam).max() < 1e-10 * scale
        assert (side * (gradient - lam) <= 1e-10 * scale).all()
