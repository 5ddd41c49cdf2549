"""What the steps of risk budgeting are made of, each beside its formula: later steps would mend what one gets wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from metabt.estimators.solvers.barrier import (
    NEAR,
    SWEEPS,
    _decrement,
    _free,
    _sweep,
    _system,
    _trial,
    _value,
    minimise,
)
from metabt.estimators.solvers.linear import padded, work_arrays
from metabt.numerics.kernels import kernel
from tests.shared.returns import factor_returns


@kernel()
def swept(C, budget, x, lo, hi, Cx, n, width, lam):
    _sweep(C, budget, x, lo, hi, Cx, n, width, lam)


@kernel()
def valued(budget, x, Cx, n, lam):
    return _value(budget, x, Cx, n, lam)


@kernel()
def freed(budget, x, lo, hi, Cx, step, index, n, free, lam):
    return _free(budget, x, lo, hi, Cx, step, index, n, free, lam)


@kernel()
def system_of(C, budget, x, H, index, n, free, width, lam):
    _system(C, budget, x, H, index, n, free, width, lam)


@kernel()
def decrement_of(budget, x, Cx, step, index, free, lam, least):
    return _decrement(budget, x, Cx, step, index, free, lam, least)


@kernel()
def tried(x, lo, hi, step, index, trial, width, free, size):
    return _trial(x, lo, hi, step, index, trial, width, free, size)


@kernel()
def minimised(C, budget, squares, x, lo, hi, v, index, n, lam):
    more = squares[0], squares[1], squares[2]
    return minimise(C, budget, more, x, lo, hi, v[0], v[1], v[2], v[3], index, n, lam)


@dataclass
class Problem:
    """A barrier problem and where it is, padded as the kernels take it."""

    C: np.ndarray
    budget: np.ndarray
    x: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    lam: float

    @classmethod
    def drawn(cls, seed: int, n: int) -> Problem:
        """Return one of n assets; a third of the numbers stand on a bound."""
        rng = np.random.default_rng(seed)
        more = padded(n) - n
        C = np.atleast_2d(np.corrcoef(factor_returns(seed, 3 * n + 5, n).T))
        lo = rng.uniform(0.1, 0.5, n) if seed % 3 else np.full(n, 1e-9)
        hi = lo + rng.uniform(0.2, 1.0, n) if seed % 2 else np.full(n, np.inf)
        x = np.where(rng.random(n) < 0.3, lo, np.minimum(lo + rng.uniform(0.1, 2.0, n), hi))
        vectors = (np.pad(each, (0, more)) for each in (rng.uniform(0.2, 3.0, n), x, lo, hi))
        return cls(np.pad(C, (0, more)), *vectors, lam=rng.choice([0.25, 1.0, 1.7]))

    @property
    def Cx(self) -> np.ndarray:
        """The product at x."""
        return self.C @ self.x

    def value(self, x: np.ndarray, n: int) -> float:
        """Return the function."""
        x, b, C = x[:n], self.budget[:n], self.C[:n, :n]
        return 0.5 * x @ C @ x - self.lam * b @ np.log(x)


PROBLEMS = [(seed, n) for n in range(1, 10) for seed in range(12)]


def naive_sweeps(it: Problem, n: int) -> np.ndarray:
    """Return where sweeps end: each coordinate at the root of its quadratic, or the bound before it."""
    x, last = it.x.copy(), np.inf
    for _ in range(SWEEPS):
        before = x.copy()
        for i in range(n):
            rest = it.C[i] @ x - x[i]
            x[i] = np.clip((-rest + np.sqrt(rest**2 + 4 * it.lam * it.budget[i])) / 2, it.lo[i], it.hi[i])
        largest = abs((x - before)[:n] / x[:n]).max()
        if largest < NEAR or largest > 0.5 * last:
            break
        last = largest
    return x


def test_a_sweep_puts_each_asset_at_its_best_and_keeps_the_product_along() -> None:
    for seed, n in PROBLEMS:
        it = Problem.drawn(seed, n)
        x, Cx = it.x.copy(), it.Cx
        swept(it.C, it.budget, x, it.lo, it.hi, Cx, n, padded(n), it.lam)
        assert np.allclose(x, naive_sweeps(it, n), rtol=1e-11)
        assert np.allclose(Cx, it.C @ x, rtol=1e-12, atol=1e-13)
        assert it.value(x, n) <= it.value(it.x, n) + 1e-12
        assert (it.lo <= x).all() and (x <= it.hi).all() and not x[n:].any()


@pytest.mark.parametrize("begin", [1e-3, 0.7, 50.0])
def test_assets_on_their_own_are_at_the_optimum_after_one_sweep(begin: float) -> None:
    for n in range(1, 10):
        width, budget = padded(n), np.pad(np.random.default_rng(n).uniform(0.2, 3.0, n), (0, padded(n) - n))
        for lo, hi in ((1e-9, np.inf), (1e-9, 0.8), (1.1, 9.0)):
            x, low, high = (np.full(width, number) for number in (begin, lo, hi))
            Cx = np.where(np.arange(width) < n, x, 0.0)
            swept(np.eye(width), budget, x, low, high, Cx, n, width, 0.6)
            assert np.allclose(x[:n], np.clip(np.sqrt(0.6 * budget[:n]), lo, hi), rtol=1e-14)


def test_two_hedges_are_put_where_the_other_pulls_them() -> None:
    """With a correlation of -1 the rest is negative, and the root is the sum of two positive numbers."""
    C = np.zeros((padded(2), padded(2)))
    C[:2, :2] = [[1.0, -0.9], [-0.9, 1.0]]
    x, Cx, low, high = np.zeros(padded(2)), np.zeros(padded(2)), np.full(padded(2), 1e-9), np.full(padded(2), 2.5)
    x[:2] = 1e-9, 10.0
    Cx[:] = C @ x
    swept(C, np.ones(padded(2)), x, low, high, Cx, 2, padded(2), 1.0)
    # one to 2.5 (its root is 9.1), two to (2.25 + sqrt(2.25^2 + 4)) / 2, capped; then both stay
    assert x[:2].tolist() == [2.5, 2.5] and np.allclose(Cx[:2], 0.25, atol=1e-12)


def test_the_function() -> None:
    for seed, n in PROBLEMS:
        it = Problem.drawn(seed, n)
        assert np.isclose(valued(it.budget, it.x, it.Cx, n, it.lam), it.value(it.x, n), rtol=1e-12, atol=1e-13)


def test_an_asset_is_free_unless_the_gradient_keeps_it_on_its_bound() -> None:
    for seed, n in PROBLEMS:
        it = Problem.drawn(seed, n)
        slope = (it.x * it.Cx - it.lam * it.budget)[:n]
        kept = (it.x == it.lo)[:n] & (slope > 0) | (it.x == it.hi)[:n] & (slope < 0)
        free = np.flatnonzero(~kept)
        step, index = np.full(n + 2, np.nan), np.full(n + 2, 77)
        count, changed = freed(it.budget, it.x, it.lo, it.hi, it.Cx, step, index, n, -1, it.lam)
        assert (count, changed) == (len(free), True) and index[:count].tolist() == free.tolist()
        assert np.allclose(step[:count], -slope[free], rtol=1e-12, atol=1e-13)
        again = freed(it.budget, it.x, it.lo, it.hi, it.Cx, step, index, n, count, it.lam)
        assert again == (count, False)
        assert freed(it.budget, it.x, it.lo, it.hi, it.Cx, step, index, n, count + 1, it.lam)[1]
        if count:
            index[count - 1] += 1
            assert freed(it.budget, it.x, it.lo, it.hi, it.Cx, step, index, n, count, it.lam) == (count, True)


@pytest.mark.parametrize("bound", [0.5, 2.0])
@pytest.mark.parametrize(("pull", "free"), [(0.0, True), (0.5, None), (-0.5, None)])
def test_on_a_bound_only_a_slope_away_from_it_frees(bound: float, pull: float, free: bool | None) -> None:
    x, budget = np.array([bound]), np.array([1.0])
    Cx = (1.0 + pull) / x  # a slope of `pull`, exactly
    count, _ = freed(budget, x, np.array([0.5]), np.array([2.0]), Cx, np.zeros(1), np.zeros(1, np.int64), 1, 0, 1.0)
    wanted = free if free is not None else (pull < 0 if bound == 0.5 else pull > 0)
    assert count == wanted


def test_the_newton_system_is_that_of_relative_steps() -> None:
    for seed, n in PROBLEMS:
        it = Problem.drawn(seed, n)
        index = np.sort(np.random.default_rng(seed).permutation(n)[: max(1, n - seed % 4)])
        free, width = len(index), padded(len(index))
        H = np.full((padded(n), padded(n)), np.nan)
        system_of(it.C, it.budget, it.x, H, index, n, free, width, it.lam)
        x, own = it.x[index], it.C[np.ix_(index, index)]
        wanted = np.outer(x, x) * own + np.diag(it.lam * it.budget[index])
        assert np.allclose(H[:free, :free], wanted, rtol=1e-13, atol=1e-15)
        assert not H[:free, free:width].any()


def test_the_decrement_is_the_length_of_the_step_in_the_functions_own_measure() -> None:
    """`sqrt(u'Hu)`, divided by lam and the least budget, with u the Newton step of the free assets."""
    for seed, n in PROBLEMS:
        it = Problem.drawn(seed, n)
        index = np.sort(np.random.default_rng(seed).permutation(n)[: max(1, n - seed % 3)])
        x, own = it.x[index], it.C[np.ix_(index, index)]
        H = np.outer(x, x) * own + np.diag(it.lam * it.budget[index])
        step = np.linalg.solve(H, it.lam * it.budget[index] - x * it.Cx[index])
        least = it.budget[:n].min()
        found = decrement_of(it.budget, it.x, it.Cx, step, index, len(index), it.lam, least)
        assert np.isclose(found, np.sqrt(step @ H @ step / (it.lam * least)), rtol=1e-9, atol=1e-12)
    rounding = decrement_of(it.budget, it.x, it.Cx, -step, index, len(index), it.lam, least)
    assert rounding == 0.0


@pytest.mark.parametrize("size", [1.0, 0.5, 0.125])
def test_a_trial_is_a_relative_step_within_the_box(size: float) -> None:
    cuts = set()
    for seed, n in PROBLEMS:
        it, rng = Problem.drawn(seed, n), np.random.default_rng(seed)
        index = np.sort(rng.permutation(n)[: max(1, n - seed % 3)])
        step, trial = rng.uniform(-0.5, 0.5, len(index)), np.full(padded(n), np.nan)
        cut = tried(it.x, it.lo, it.hi, step, index, trial, padded(n), len(index), size)
        there = it.x.copy()
        there[index] *= 1 + size * step
        assert np.allclose(trial, np.clip(there, it.lo, it.hi), rtol=1e-15)
        assert cut == (np.clip(there, it.lo, it.hi) != there).any()
        cuts.add(bool(cut))
    assert cuts == {True, False}


def test_a_trial_onto_a_bound_is_not_cut_by_it() -> None:
    x, lo, hi = np.array([1.0, 1.0]), np.array([0.5, 0.5]), np.array([1.5, 1.5])
    trial, index = np.zeros(2), np.arange(2)
    assert not tried(x, lo, hi, np.array([-0.5, 0.5]), index, trial, 2, 2, 1.0) and trial.tolist() == [0.5, 1.5]
    assert tried(x, lo, hi, np.array([-0.5, 0.625]), index, trial, 2, 2, 1.0) and trial.tolist() == [0.5, 1.5]


def test_where_it_ends_is_the_optimum_of_the_box() -> None:
    for seed, n in PROBLEMS:
        it = Problem.drawn(seed, n)
        v, _, squares = work_arrays(n, 4, 1, 3)
        x, index = it.x.copy(), np.zeros(padded(n), np.int64)
        free = minimised(it.C, it.budget, squares, x, it.lo, it.hi, v, index, n, it.lam)
        slope = (x * (it.C @ x) - it.lam * it.budget)[:n] / it.budget[:n]
        low, high = (x <= it.lo)[:n], (x >= it.hi)[:n]
        assert (abs(slope[~low & ~high]) < 1e-12).all()
        assert (slope[low] > -1e-12).all() and (slope[high] < 1e-12).all()
        assert free >= (~low & ~high).sum() and (np.diff(index[:free]) > 0).all()
        assert np.allclose(v[0], it.C @ x, rtol=1e-13, atol=1e-14)
