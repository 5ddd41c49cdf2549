"""Least tail risk: beside HiGHS, below a bound from its dual solution, in windows that are tied, short and lopsided."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.optimality import cvar

KINDS = ("plain", "cents", "zeros", "signs", "repeated rows", "repeated columns", "nearly alike", "outlier", "one row")


def returns(seed: int, kind: str, rows: int, assets: int) -> np.ndarray:
    """Return returns with a common factor and fat tails, which are hard in some way."""
    rng = np.random.default_rng(seed)
    X = 0.01 * (rng.standard_t(3, (rows, 1)) * rng.uniform(0, 2, assets) + rng.standard_t(3, (rows, assets)))
    if kind == "cents":
        return X.round(2)
    if kind == "zeros":
        return X * (rng.random(X.shape) < 0.3)
    if kind == "signs":
        return 0.01 * rng.integers(-1, 2, X.shape)
    if kind == "repeated rows":
        return X[rng.integers(0, rows, rows)]
    if kind == "repeated columns":
        return X[:, rng.integers(0, assets, assets)]
    if kind == "nearly alike":
        return X[:, :1] + 1e-9 * rng.normal(size=X.shape)
    if kind == "outlier":
        X[0, 0] *= 1e3
    return np.repeat(X[:1], rows, axis=0) if kind == "one row" else X


def highs(X: np.ndarray, beta: float, lo: float, hi: float) -> tuple[float, np.ndarray]:
    """Return the least risk that HiGHS finds, and its multiplier of every session."""
    rows, n = X.shape
    unit = abs(X).max() or 1.0
    cost = np.r_[np.zeros(n), 1.0, np.full(rows, 1 / ((1 - beta) * rows))]
    losses = sparse.hstack([-X / unit, -np.ones((rows, 1)), -sparse.eye_array(rows)], format="csr")
    bounds = [(lo, hi)] * n + [(None, None)] + [(0, None)] * rows
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    budget = np.r_[np.ones(n), np.zeros(1 + rows)][None]
    found = linprog(cost, losses, np.zeros(rows), budget, [1.0], bounds, method="highs-ds", options=tight)
    assert found.status == 0
    return unit * found.fun, -found.ineqlin.marginals


def lower_bound(X: np.ndarray, p: np.ndarray, lo: float, hi: float) -> float:
    """Return the least mean loss that a portfolio within the bounds can have where session t weighs p_t."""
    loss = np.sort(-p @ X)
    w, rest = np.full(len(loss), lo), 1.0 - lo * len(loss)
    for i in range(len(loss)):
        w[i] += min(hi - lo, rest)
        rest -= w[i] - lo
    return float(w @ loss)


def level(seed: int, rows: int) -> float:
    """Return a level, for every other seed one such that the worst part is a whole number of sessions."""
    rng = np.random.default_rng(seed)
    if seed % 2 and rows > 1:
        return 1.0 - int(rng.integers(1, rows)) / rows
    return float(rng.choice([0.05, 0.5, 0.8, 0.95, 0.99, 0.999]))


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 25), st.sampled_from([(0, 1), (0, 1.5), (0.5, 2)]))
def test_the_risk_is_the_least_and_its_dual_proves_it(
    kind: str, seed: int, rows: int, assets: int, bounds: tuple[float, float]
) -> None:
    X, beta = returns(seed, kind, rows, assets), level(seed, rows)
    lo, hi = bounds[0] / assets, 1.0 if bounds[1] == 1 else min(bounds[1] / assets, 1.0)
    w = optimizer("min_cvar", beta=beta, min_weight=lo, max_weight=hi).fit(X).weights_
    assert abs(w.sum() - 1) < 1e-12 and w.min() >= lo and w.max() <= hi
    risk, (least, p) = cvar(X, w, beta), highs(X, beta, lo, hi)
    rounding = 1e-15 * abs(X).max()
    scale = max(abs(risk), abs(X @ w).mean())
    assert abs(risk - least) <= 1e-9 * scale + 1e-10 * rounding / 1e-15
    p = np.clip(p, 0, 1 / ((1 - beta) * rows))
    assert abs(p.sum() - 1) < 1e-8
    gap = risk - lower_bound(X, p / p.sum(), lo, hi)
    assert -rounding <= gap <= 1e-9 * scale + rounding


def test_ties_do_not_lead_round_in_circles() -> None:
    rng = np.random.default_rng(0)
    calm, wild = rng.standard_t(3, (1500, 1)) * 0.01 * rng.uniform(0, 2, 25), 10 ** np.linspace(-3, -1.5, 25)
    X = (calm + rng.standard_t(3, (1500, 25)) * wild).round(2)  # most returns of most assets are -0.01, 0 or 0.01
    stops = np.arange(120, 1501, 4)
    windows = Windows(X, stops, np.full(len(stops), 120))
    weights, solved = optimizer("min_cvar", beta=0.36).weigh(windows, np.ones((len(stops), 25), bool))
    assert solved.all()
    for d in range(0, len(stops), 50):
        least = highs(windows.window(d), 0.36, 0.0, 1.0)[0]
        assert abs(cvar(windows.window(d), weights[d], 0.36) - least) <= 1e-9 * abs(least)


@given(st.integers(0, 10**6), st.sampled_from(KINDS), st.integers(1, 12))
def test_tied_windows_have_the_same_bits_alone_and_in_a_stack(seed: int, kind: str, assets: int) -> None:
    X, rng = returns(seed, kind, 60, assets), np.random.default_rng(seed)
    stops = np.sort(rng.integers(1, 61, 6))
    lengths = rng.integers(0, stops + 1)
    rule, every = optimizer("min_cvar", beta=level(seed, 20)), np.ones((6, assets), bool)
    windows = Windows(X, stops, lengths)
    weights, solved = rule.weigh(windows, every)
    assert (solved == (lengths > 0)).all()
    for d in np.flatnonzero(solved):
        part = slice(d, d + 1)
        assert rule.weigh(windows.take(part), every[part])[0].tobytes() == weights[d].tobytes()
        alone = Windows.single(windows.window(d))
        assert rule.weigh(alone, every[:1])[0].tobytes() == weights[d].tobytes()


def test_a_window_that_is_not_finite_has_no_solution_and_spoils_no_other() -> None:
    X = returns(0, "plain", 40, 4)
    X[25, 1] = np.nan
    support = np.ones((3, 4), bool)
    support[2, 1] = False
    windows = Windows(X, np.array([20, 40, 40]), np.full(3, 20))
    weights, solved = optimizer("min_cvar").weigh(windows, support)
    assert solved.tolist() == [True, False, True] and not weights[1].any()


def test_bounds_that_cannot_sum_to_one_have_no_solution() -> None:
    X, every = returns(1, "plain", 40, 4), np.ones((1, 4), bool)
    for bounds in ({"max_weight": 0.2}, {"min_weight": 0.3}):
        assert not optimizer("min_cvar", **bounds).weigh(Windows.single(X), every)[1].any()
