"""Quadratic programme in a box: `min 1/2 w'Sw - q'w` subject to `sum w = 1` and `lo <= w <= hi`.

1. Each asset is free, or fixed at its lower or upper bound. Given which, `S_FF w_F = q_F - S_FB w_B + lam 1` with the
   sum gives the best weights and the multiplier `lam` (`target`).
2. Go there from the feasible weights at hand, until the first bound: fix that asset, and repeat from 1 (`advance`).
3. Where no bound is in the way, free the fixed asset that gains most by leaving its bound, and repeat from 1; where
   none gains, the Karush-Kuhn-Tucker conditions hold, exact up to rounding (`release`).

The free assets' Cholesky factor is kept: an asset that becomes free appends a row, one that is fixed has the rows
below it written again. Starting with a single free asset, a wide universe of which few are held stays cheap.
"""

from __future__ import annotations

import numpy as np

from metabt.kernels import FAST, inner
from metabt.optimizers._linear import INDEX, factor, solve

W, LO, HI, Q, TARGET, GRADIENT, PART, ONES = range(8)
"""Rows of v: weights, bounds, linear term, where to go, S w - q, and two right-hand sides over the free assets."""

SIDE = 1
"""Row of m: -1 fixed at the lower bound, 0 free, 1 fixed at the upper bound."""

ROUNDING = 1e-15
"""How far a free weight may leave its box before it counts."""

MULTIPLIER = 1e-13
"""How wrong the sign of a multiplier may be, relative to the terms that it is the sum of."""

SINGULAR = 1e-10
"""Part of an asset's variance that the free ones leave unexplained, below which S counts as singular."""


@inner()
def start(S, L, v, m, n):
    """Fill the assets of least variance up to their bounds; leave the last one free."""
    rest = 1.0
    for i in range(n):
        v[W, i] = v[LO, i]
        rest -= v[LO, i]
        m[SIDE, i] = -1
    for _ in range(n):
        best = -1
        for i in range(n):
            if m[SIDE, i] < 0 and (best < 0 or S[i, i] < S[best, best]):
                best = i
        room = v[HI, best] - v[LO, best]
        m[INDEX, 0] = best
        if room >= rest:
            break
        m[SIDE, best] = 1
        v[W, best] = v[HI, best]
        rest -= room
    m[SIDE, m[INDEX, 0]] = 0
    v[W, m[INDEX, 0]] = min(v[LO, m[INDEX, 0]] + rest, v[HI, m[INDEX, 0]])
    return factor(S, m, np.int64(0), np.int64(1), L)


@inner(fastmath=FAST)
def target(S, L, v, m, n, free):
    """Write the weights that are best with the fixed assets where they are; return lam."""
    rest, ones = 1.0, 0.0
    for i in range(n):
        v[TARGET, i] = v[W, i] if m[SIDE, i] != 0 else 0.0
        rest -= v[TARGET, i]
    for a in range(free):
        total = v[Q, m[INDEX, a]]
        for j in range(n):
            total -= S[m[INDEX, a], j] * v[TARGET, j]
        v[PART, a] = total
        v[ONES, a] = 1.0
    solve(L, free, v[PART])
    solve(L, free, v[ONES])
    for a in range(free):
        rest -= v[PART, a]
        ones += v[ONES, a]
    lam = rest / ones
    for a in range(free):
        v[TARGET, m[INDEX, a]] = v[PART, a] + lam * v[ONES, a]
    rest = 1.0
    for i in range(n):
        rest -= v[TARGET, i]
    for a in range(free):  # what cancellation took from the sum
        v[TARGET, m[INDEX, a]] += rest / ones * v[ONES, a]
    return lam


@inner()
def advance(v, m, free):
    """Go to the target or to the first bound on the way; fix its asset and return its place, or -1."""
    step, first = 1.0, -1
    for a in range(free if free > 1 else 0):
        i = m[INDEX, a]
        there = v[TARGET, i]
        if there < v[LO, i] - ROUNDING or there > v[HI, i] + ROUNDING:
            reach = ((v[LO, i] if there < v[LO, i] else v[HI, i]) - v[W, i]) / (there - v[W, i])
            if first < 0 or reach < step:
                step, first = max(reach, 0.0), a
    for a in range(free):
        i = m[INDEX, a]
        v[W, i] = v[TARGET, i] if first < 0 else v[W, i] + step * (v[TARGET, i] - v[W, i])
    if first >= 0:
        i = m[INDEX, first]
        m[SIDE, i] = -1 if v[TARGET, i] < v[LO, i] else 1
        v[W, i] = v[LO, i] if m[SIDE, i] < 0 else v[HI, i]
        for a in range(first, free - 1):
            m[INDEX, a] = m[INDEX, a + 1]
    return first


@inner(fastmath=FAST)
def release(S, v, m, n, lam):
    """Return the fixed asset that gains most by leaving its bound, or -1 if none gains more than rounding."""
    risk = 0.0
    for i in range(n):
        risk += S[i, i] ** 0.5 * abs(v[W, i])
    best, most = -1, 0.0
    for i in range(n):
        total = -v[Q, i]
        for j in range(n):
            total += S[i, j] * v[W, j]
        v[GRADIENT, i] = total
        gain = m[SIDE, i] * (total - lam)
        if gain > most and gain > MULTIPLIER * (S[i, i] ** 0.5 * risk + abs(v[Q, i]) + abs(lam)):
            best, most = i, gain
    return best


@inner()
def minimise(S, L, v, m, n, free):
    """Write the solution to row W, from the feasible weights there; return the number of free assets.

    0 where the free assets' covariance is singular, -1 where the steps run out.
    """
    for _ in range(50 * n + 50):
        lam = target(S, L, v, m, n, free)
        place = advance(v, m, free)
        if place >= 0:
            free -= 1
        else:
            i = release(S, v, m, n, lam)
            if i < 0:
                return free
            m[INDEX, free], m[SIDE, i], place = i, 0, free
            free += 1
        if factor(S, m, place, free, L) < SINGULAR:
            return 0
    return -1
