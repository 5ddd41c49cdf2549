"""A crash start: feasible and best given what is fixed, and the optimum does not depend on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from metabt.estimators.solvers.active_set import SINGULAR, minimise, start
from metabt.estimators.solvers.crash import GUESSES, OWN, SLACK, crash, guess
from metabt.estimators.solvers.linear import padded, work_arrays
from metabt.numerics.kernels import kernel
from tests.shared.returns import factor_returns, market_returns, simple_returns


@kernel()
def solved_from(S, lo, hi, q, warm, squares, v, m, n):
    """Write weights; return how many are free at the start, and at the end."""
    more = squares[0], squares[1], squares[2]
    w, goal, part, ones = v[0], v[1], v[2], v[3]
    side, index, L = m[0], m[1], squares[1]
    first = np.int64(0)
    if warm != 0:
        first = crash(S, more, w, lo, hi, q, goal, part, ones, side, index, n)
        if first == 0 or warm == 1:
            return first, first
    elif start(S, L, w, lo, hi, side, index, n) > 0.0:
        first = np.int64(1)
    return first, minimise(S, L, w, lo, hi, q, goal, part, ones, side, index, n, first)


@kernel()
def guessed(S, lo, hi, q, f, inverse, sums, side, n):
    return guess(S, lo, hi, q, f, inverse, sums, side, n)


CRASH_ONLY, FROM_CRASH, FROM_ONE = 1, 2, 0


class Solved:
    """What `solved_from` leaves of a programme."""

    def __init__(self, S: np.ndarray, lo: np.ndarray, hi: np.ndarray, q: np.ndarray, how: int) -> None:
        n = len(S)
        v, m, squares = work_arrays(n, 4, 2, 3)
        v[:], m[:], squares[:] = np.nan, 7, np.nan  # what scratch held before must not matter
        self.first, self.free = solved_from(np.pad(S, (0, padded(n) - n)), lo, hi, q, how, squares, v, m, n)
        self.w, self.side, self.index = v[0, :n], m[0, :n], m[1, : max(self.free, 0)]
        self.L = squares[1][: len(self.index), : len(self.index)]


def programme(seed: int, n: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a covariance, bounds of each asset that can sum to one, and a linear term."""
    rng = np.random.default_rng(seed)
    X = (market_returns if kind == "market" else factor_returns)(seed, 4 * n + 20, n)
    S = np.atleast_2d(np.cov(X.T))
    lo = rng.uniform(0, 0.9 / n, n) * (rng.random(n) < rng.choice([0, 0.5]))
    hi = np.minimum(lo + rng.uniform(0.2, 4.0, n) * rng.choice([1.0, 3.0]) / n, 1.0)
    return S, lo, hi, rng.choice([0.0, 1.0]) * S.diagonal().mean() * rng.normal(size=n)


programmes = st.builds(programme, st.integers(0, 10**6), st.integers(1, 40), st.sampled_from(["market", "factors"]))


@given(programmes)
def test_the_optimum_does_not_depend_on_the_start(given: tuple[np.ndarray, ...]) -> None:
    S, lo, hi, q = given
    assume(hi.sum() >= 1)
    warm, cold = Solved(*given, FROM_CRASH), Solved(*given, FROM_ONE)
    assert cold.free > 0
    if warm.first:
        assert warm.free > 0
        values = [it.w @ S @ it.w / 2 - q @ it.w for it in (warm, cold)]
        terms = cold.w @ S @ cold.w / 2 + abs(q) @ cold.w
        assert abs(values[0] - values[1]) <= 1e-12 * terms
        assert np.allclose(warm.w, cold.w, atol=1e-9)


@given(programmes)
def test_a_start_is_feasible_and_best_given_what_is_fixed(given: tuple[np.ndarray, ...]) -> None:
    S, lo, hi, q = given
    found = Solved(*given, CRASH_ONLY)
    if not found.first:
        return
    free = found.side == 0
    assert found.index.tolist() == np.flatnonzero(free).tolist()
    assert (found.w[found.side < 0] == lo[found.side < 0]).all()
    assert (found.w[found.side > 0] == hi[found.side > 0]).all()
    assert abs(found.w.sum() - 1) < 1e-13 and (found.w >= lo - 1e-15).all() and (found.w <= hi + 1e-15).all()
    gradient = (S @ found.w - q)[free]
    assert np.ptp(gradient) < 1e-11 * (abs(S) @ found.w + abs(q)).max()
    root = np.linalg.cholesky(S[np.ix_(free, free)])
    assert np.allclose(np.tril(found.L, -1), np.tril(root, -1), rtol=1e-9, atol=1e-12 * root.max())
    assert np.allclose(1 / np.diag(found.L), np.diag(root), rtol=1e-9)


def sides_of_model(S: np.ndarray, lo: np.ndarray, hi: np.ndarray, q: np.ndarray) -> np.ndarray | None:
    """Return what `guess` writes, from the model's whole matrix; None where none is left free."""
    f = S.sum(0) / np.sqrt(S.sum())
    own = np.maximum(S.diagonal() - f**2, OWN * S.diagonal())
    side = np.zeros(len(S), int)
    for _ in range(GUESSES):
        free = side == 0
        if not free.any():
            return None
        w = np.where(side < 0, lo, hi)
        model = (np.diag(own) + np.outer(f, f))[np.ix_(free, free)]
        rest = q[free] - f[free] * (f[~free] @ w[~free])
        one, other = np.linalg.solve(model, np.c_[rest, np.ones(free.sum())]).T
        lam = (1 - w[~free].sum() - one.sum()) / other.sum()
        w[free] = one + lam * other
        there = (q + lam - f * (f @ w)) / own
        before, side = side, np.where(there < lo - SLACK, -1, np.where(there > hi + SLACK, 1, 0))
        if (side == before).all():
            break
    return side


@given(programmes)
def test_the_guess_is_the_models(given: tuple[np.ndarray, ...]) -> None:
    S, lo, hi, q = given
    n, width = len(S), padded(len(S))
    assume(n > 1 and S.sum() > 0)
    expected = sides_of_model(*given)
    f, inverse, sums = np.full((3, width), np.nan)
    side = np.full(width, 7)
    done = guessed(np.pad(S, (0, width - n)), lo, hi, q, f, inverse, sums, side, n)
    if expected is None:
        assert not done
    else:
        assert done and side[:n].tolist() == expected.tolist()


@pytest.mark.parametrize("cap", [0.1, 0.2, 1.0])
def test_stocks_are_started_near_the_end(sp500: pd.DataFrame, cap: float) -> None:
    returns = simple_returns(sp500)
    missing, reached, stops = [], [], range(252, len(returns), 105)
    for stop in stops:
        S = np.cov(returns[stop - 252 : stop].T)
        given = S, np.zeros(20), np.full(20, cap), np.zeros(20)
        begun, done = Solved(*given, CRASH_ONLY), Solved(*given, FROM_ONE)
        reached.append(begun.first > 0)
        missing.append((begun.side != done.side).mean() if begun.first else 0.0)
    assert len(stops) > 70 and np.mean(reached) > 0.9 and np.mean(missing) < 0.1


@pytest.mark.parametrize(
    "S",
    [np.zeros((3, 3)), np.array([[1.0, -1.0], [-1.0, 1.0]]), np.ones((4, 4)), np.diag([1.0, 0.0, 2.0])],
    ids=["nothing moves", "a perfect hedge", "all move alike", "one does not move"],
)
def test_what_is_singular_is_not_started_from(S: np.ndarray) -> None:
    n = len(S)
    assert not Solved(S, np.zeros(n), np.ones(n), np.zeros(n), CRASH_ONLY).first


@pytest.mark.parametrize(("left", "starts"), [(0.25, False), (0.9, False), (1.1, True), (4.0, True)])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_an_asset_is_singular_by_the_share_of_its_variance_that_others_leave(
    left: float, starts: bool, scale: float
) -> None:
    """Its pivot is var (1 - rho^2), compared with SINGULAR var: whatever the unit of returns is."""
    rho = np.sqrt(1 - left * SINGULAR)
    S = scale * np.array([[1.0, rho], [rho, 1.0]])
    assert bool(Solved(S, np.zeros(2), np.ones(2), np.zeros(2), CRASH_ONLY).first) == starts


def test_an_asset_alone_has_it_all() -> None:
    found = Solved(np.array([[4e-4]]), np.zeros(1), np.ones(1), np.zeros(1), CRASH_ONLY)
    assert found.first == 1 and found.w.tolist() == [1.0]
