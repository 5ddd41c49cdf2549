"""Near what is held: no exchange of two assets gains, and each part says what its formula does, ties included."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.solvers.linear import padded, work_arrays
from metabt.estimators.solvers.nearby import (
    GAIN,
    NUMBERS,
    SQUARES,
    VECTORS,
    _change_sides,
    _share,
    _slope,
    near,
)
from metabt.numerics.kernels import kernel
from tests.shared.returns import factor_returns


@kernel()
def changed_sides(S, q, p, lo, hi, kappa, w, sign):
    return _change_sides(S, q, p, lo, hi, kappa, w, sign)


@kernel()
def slope_of(L, free, part, ones, index, sign):
    return _slope(L, free, part, ones, index, sign)


@kernel()
def shared(covariance, mean, column, p, w, total, m):
    _share(covariance, mean, column, p, w, total, m[0], m[1], m[2])


def naive_sides(
    S: np.ndarray, q: np.ndarray, p: np.ndarray, lo: float, hi: float, kappa: float, w: np.ndarray, sign: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Return sides after the best exchange, of equally good ones the first, and whether any changed."""
    after = np.where(sign == 0, np.where((w > p) | (p <= lo), 1, -1), sign)
    gradient = S @ w - q
    buying = np.where(w < hi, gradient + kappa * np.where(w >= p, 1, -1), np.inf)
    selling = np.where(w > lo, kappa * np.where(w <= p, 1, -1) - gradient, np.inf)
    i, j = int(np.argmin(buying)), int(np.argmin(selling))
    size = max(kappa, (abs(q) + abs(S * w).sum(1)).max())
    if buying[i] + selling[j] < -GAIN * size:
        after[i] = 1 if after[i] < 0 and w[i] >= p[i] else after[i]
        after[j] = -1 if after[j] > 0 and w[j] <= p[j] else after[j]
    return after, bool((after != sign).any())


def test_sides_are_changed_by_the_best_exchange_and_of_equal_ones_by_the_first() -> None:
    """Numbers are multiples of 1/8, so that ties, and weights at bounds and at what is held, are exact."""
    seen = set()
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 10))
        S = rng.integers(-1, 2, (n, n)).astype(float)
        S = S + S.T + np.diag(rng.integers(0, 3, n))
        q, kappa = rng.integers(-2, 3, n) / 2, float(rng.choice([0.0, 0.25, 1.0]))
        lo, hi = float(rng.choice([0.0, 0.125])), float(rng.choice([0.25, 1.0]))
        w, p = np.clip(rng.integers(0, 5, n) / 8, lo, hi), rng.integers(0, 5, n) / 8
        p = np.where(rng.random(n) < 0.6, w, p)
        sign = np.where(w > p, 1, np.where(w < p, -1, rng.integers(-1, 2, n)))
        wanted, changed = naive_sides(S, q, p, lo, hi, kappa, w, sign)
        found = sign.copy()
        assert changed_sides(S, q, p, lo, hi, kappa, w, found) == changed
        assert found.tolist() == wanted.tolist()
        seen.add((bool((sign == 0).any()), changed))
    assert seen == {(False, False), (False, True), (True, True)}


@pytest.mark.parametrize("turned", [1, -1])
def test_of_assets_that_are_traded_equally_well_the_first_changes_its_side(turned: int) -> None:
    S, p = np.eye(4), np.full(4, 0.25)
    q = turned * np.array([0.0, 1.0, 0.0, 1.0])  # two to be bought and two to be sold, alike
    sign = turned * np.array([1, -1, 1, -1])
    assert changed_sides(S, q, p, 0.0, 1.0, 0.1, p.copy(), sign)
    assert sign.tolist() == (turned * np.array([-1, 1, 1, -1])).tolist()


@pytest.mark.parametrize("gap", [0.5, 1.0])
def test_an_exchange_that_gains_nothing_changes_nothing(gap: float) -> None:
    S, p, sign = np.eye(2), np.full(2, 0.5), np.array([1, -1])
    assert not changed_sides(S, np.array([0.0, gap]), p, 0.0, 1.0, 0.5, p.copy(), sign) and sign.tolist() == [1, -1]
    assert changed_sides(S, np.array([0.0, 1.125]), p, 0.0, 1.0, 0.5, p.copy(), sign) and sign.tolist() == [-1, 1]


def test_what_is_at_a_bound_is_not_traded_beyond_it() -> None:
    p, sign = np.array([1.0, 0.0, 0.0]), np.array([-1, 1, 1])
    # the first, which is worth most, is at its cap; the others, worth least, have nothing to be sold
    assert not changed_sides(np.eye(3), np.array([9.0, 0.0, 0.0]), p, 0.0, 1.0, 0.1, p.copy(), sign)
    assert sign.tolist() == [-1, 1, 1]


def test_the_slope_is_how_the_free_weights_trades_change_with_the_price() -> None:
    for seed, n in itertools.product(range(8), range(1, 10)):
        rng = np.random.default_rng(seed)
        S = np.atleast_2d(np.cov(factor_returns(seed, 4 * n + 6, n + 2).T))
        index, sign = rng.permutation(n + 2)[:n], rng.choice([-1, 1], n + 2)
        own, signs = S[np.ix_(index, index)], sign[index]
        factor = np.linalg.cholesky(own)
        L = factor - np.diag(factor.diagonal()) + np.diag(1 / factor.diagonal())
        border = np.block([[own, -np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]])
        moves = np.linalg.solve(border, np.r_[-signs, 0.0])[:n]  # w' at a kappa more, its sum as before
        found = slope_of(L, n, np.full(n, np.nan), np.full(n, np.nan), index, sign)
        scale = abs(np.linalg.inv(own)).sum()
        assert found == pytest.approx(signs @ moves, abs=1e-10 * scale) and found < 1e-10 * scale


def test_equal_assets_of_which_as_much_is_held_share_alike() -> None:
    S = np.cov(factor_returns(0, 60, 3).T)
    of = np.array([0, 1, 0, 0, 2, 1, 0])  # seven assets are copies of three
    covariance, mean = S[np.ix_(of, of)], np.array([0.1, 0.2, 0.3])[of]
    mean[6] = 0.7  # worth something else
    p = np.array([0.1, 0.2, 0.1, 0.4, 0.0, 0.2, 0.1])
    w = np.array([0.3, 0.25, 0.1, 0.1, 0.05, 0.15, 0.05])
    m = np.full((3, 7), 55)
    shared(covariance, mean, np.arange(7), p, w, np.full(7, np.nan), m)
    assert w == pytest.approx([0.2, 0.2, 0.2, 0.1, 0.05, 0.2, 0.05], abs=1e-16) and w[0] == w[2] and w[1] == w[5]
    w = np.array([0.3, 0.25, 0.1])
    shared(covariance, mean, np.array([0, 1, 4]), p[[0, 1, 4]], w, np.full(3, np.nan), m)
    assert w.tolist() == [0.3, 0.25, 0.1]


def decide(
    S: np.ndarray, q: np.ndarray, support: np.ndarray, p: np.ndarray, lo: float, hi: float, kappa: float, limit: float
) -> np.ndarray | None:
    """Return the weights of one decision, None without a solution; what scratch held before must not matter."""
    n = len(p)
    v, m, squares = work_arrays(n, VECTORS, NUMBERS, SQUARES)
    v[:], m[:], squares[:] = np.nan, 7, np.nan
    weights = np.zeros(n)
    return weights if near(S, q, support, p, lo, hi, kappa, limit, weights, squares, v, m) else None


def prices(S: np.ndarray, q: np.ndarray, p: np.ndarray, lo: float, hi: float, w: np.ndarray) -> tuple[float, float]:
    """Return the least and the highest kappa at which no exchange of two assets gains; none if the first is higher."""
    gradient, least, highest = S @ w - q, 0.0, np.inf
    for i, j in itertools.product(np.flatnonzero(w < hi - 1e-12), np.flatnonzero(w > lo + 1e-12)):
        if i == j:
            continue
        units = (1 if w[i] >= p[i] - 1e-12 else -1) + (1 if w[j] <= p[j] + 1e-12 else -1)
        gain = gradient[j] - gradient[i]  # of buying i for j, less what the units cost
        if units > 0:
            least = max(least, gain / 2)
        elif units < 0:
            highest = min(highest, -gain / 2)
        elif gain > 1e-11 * abs(gradient).max() + 1e-17:
            return np.inf, -np.inf
    return least, highest


@st.composite
def decisions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Draw S, q, support, p and bounds: assets that are equal, and holdings at bounds, outside them, and at nothing."""
    n, seed = draw(st.integers(1, 9)), draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    of = rng.integers(0, n, n) if rng.random() < 0.5 else np.arange(n)
    X = factor_returns(seed, draw(st.sampled_from([3, 40])) + n, n)[:, of]
    support = rng.random(n) < 0.8
    support[rng.integers(n)] = True
    count = int(support.sum())
    lo = draw(st.sampled_from([0.0, 0.5])) / count
    hi = min(draw(st.sampled_from([1.0, 1.5, 99.0])) / count, 1.0)
    p = rng.dirichlet(np.ones(n)) * draw(st.sampled_from([0.0, 0.7, 1.0]))
    p = np.where(rng.random(n) < 0.4, rng.choice([0.0, lo, hi], n), p)
    q = X.mean(0) * draw(st.sampled_from([0.0, 0.1]))
    return np.atleast_2d(np.cov(X.T)), q, support, p, lo, hi


@given(decisions(), st.sampled_from([0.0, 1e-6, 1e-5, 1e-4, 1e-2]))
def test_at_a_price_no_exchange_gains(drawn: tuple, kappa: float) -> None:
    S, q, support, p, lo, hi = drawn
    w = decide(S, q, support, p, lo, hi, kappa, np.inf)
    assert w is not None and not w[~support].any()
    assert abs(w.sum() - 1) < 1e-12 and (w[support] >= lo).all() and (w[support] <= hi).all()
    least, highest = prices(S[np.ix_(support, support)], q[support], p[support], lo, hi, w[support])
    slack = 1e-8 * (S.diagonal().max() + abs(q).max())  # what a ridge adds where S is singular
    assert least - slack <= kappa <= highest + slack


@given(decisions(), st.floats(0.0, 1.5))
def test_within_a_limit_it_is_the_optimum_at_some_price(drawn: tuple, limit: float) -> None:
    S, q, support, p, lo, hi = drawn
    w = decide(S, q, support, p, lo, hi, 0.0, limit)
    assert w is not None and abs(w.sum() - 1) < 1e-12
    free = decide(S, q, support, p, lo, hi, 0.0, np.inf)
    assert free is not None
    traded, inside = abs(w - p).sum(), np.clip(p[support], lo, hi)
    forced = p[~support].sum() + abs(inside - p[support]).sum() + abs(1 - inside.sum())
    most = max(limit, forced)
    assert traded <= most + 2e-12
    if abs(free - p).sum() <= most:
        assert w.tobytes() == free.tobytes()
    else:
        assert traded == pytest.approx(most, abs=1e-11)
    least, highest = prices(S[np.ix_(support, support)], q[support], p[support], lo, hi, w[support])
    assert least - 1e-8 * (S.diagonal().max() + abs(q).max()) <= highest


def test_padding_is_not_read() -> None:
    """The widths of work arrays are those of all assets, whatever is supported."""
    S, p = np.cov(factor_returns(3, 60, 20).T), np.full(20, 0.05)
    alone = decide(S[:5, :5].copy(), np.zeros(5), np.ones(5, bool), p[:5], 0.0, 1.0, 1e-5, np.inf)
    among = decide(S, np.zeros(20), np.arange(20) < 5, p, 0.0, 1.0, 1e-5, np.inf)
    assert alone is not None and among is not None and alone.tobytes() == among[:5].tobytes()
    assert padded(5) < padded(20)
