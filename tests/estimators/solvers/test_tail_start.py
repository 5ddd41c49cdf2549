"""Start of the search for the least tail risk: quantiles, risks by themselves, weights within their bounds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.solvers.tail_start import JOLT, alone, fill, jolt, quantile, split
from metabt.numerics.kernels import kernel
from tests.shared.optimality import cvar


@kernel()
def _quantile(x, k, out):
    out[0] = quantile(x, len(x), k)


@kernel()
def _alone(columns, u, tail, risk, scratch):
    alone(columns, len(columns), len(scratch), u, tail, risk, scratch)


@kernel()
def _fill(lo, hi, risk, w, side, out):
    out[0] = fill(len(w), lo, hi, risk, w, side)


@kernel()
def _split(excess, tail, state, scratch, out):
    out[0] = split(excess, len(excess), tail, state, scratch)


@kernel()
def _jolts(out):
    for i in range(len(out)):
        out[i] = jolt(i)


@given(st.integers(0, 10**6), st.integers(1, 60), st.booleans())
def test_the_quantile_is_what_a_sort_has_there(seed: int, n: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, n) / 7.0 if tied else rng.normal(size=n)
    k, out, work = int(rng.integers(n)), np.empty(1), x.copy()
    _quantile(work, k, out)
    assert out[0] == np.sort(x)[::-1][k] and sorted(work) == sorted(x)


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 5), st.floats(0.01, 0.99))
def test_the_risk_of_an_asset_by_itself_is_its_cvar(seed: int, rows: int, assets: int, beta: float) -> None:
    X = np.random.default_rng(seed).normal(size=(rows, assets)).round(1)
    risk, worst = np.empty(assets), (1 - beta) * rows
    _alone(np.ascontiguousarray(X.T), 1 / worst, max(int(np.ceil(worst - 1e-9)) - 1, 0), risk, np.empty(rows))
    assert np.allclose(risk, [cvar(X, w, beta) for w in np.eye(assets)], rtol=1e-12, atol=1e-14)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_weights_of_the_start_are_at_bounds_but_for_one_and_sum_to_one(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    lo = rng.dirichlet(np.ones(n)) * rng.random()
    hi = lo + rng.dirichlet(np.ones(n)) * (1 - lo.sum()) * rng.uniform(1, 3) + 1e-9
    risk, w, side, out = rng.normal(size=n), np.empty(n), np.empty(n, np.int64), np.empty(1, np.int64)
    _fill(lo, hi, risk, w, side, out)
    free = int(out[0])
    assert np.isclose(w.sum(), 1, rtol=0, atol=1e-14) and np.flatnonzero(side == 0).tolist() == [free]
    assert (w == np.where(side < 0, lo, np.where(side > 0, hi, w))).all() and lo[free] <= w[free] <= hi[free] + 1e-15
    better = risk < risk[free]
    assert (side[better] == 1).all() and (side[~better] <= 0).all()


def test_losses_above_the_quantile_are_the_tail_and_one_is_its_kink() -> None:
    excess, state, out = np.array([3.0, 1.0, 2.0, 2.0, 0.0]), np.empty(5, np.int64), np.empty(1, np.int64)
    _split(excess, 1, state, np.empty(5), out)
    assert excess.tolist() == [1, -1, 0, 0, -2] and state.tolist() == [1, -1, 0, -1, -1] and out[0] == 2
    excess = np.array([2.0, 1.0, 2.0, 3.0, 2.0])  # the first of several is the kink, also where it is the very first
    _split(excess, 1, state, np.empty(5), out)
    assert excess.tolist() == [0, -1, 0, 1, 0] and state.tolist() == [0, -1, -1, 1, -1] and out[0] == 0


def test_no_two_are_moved_by_the_same_amount() -> None:
    out = np.empty(3000)
    _jolts(out)
    apart = np.diff(np.sort(out))
    assert out.min() >= JOLT and out.max() < 2 * JOLT and apart.min() > 1e-4 * JOLT
