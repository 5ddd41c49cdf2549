"""Quadratic programme in a box: `min 1/2 w'Sw - q'w` subject to `sum w = 1` and `lo <= w <= hi`.

1. Each asset is free, or fixed at its lower or upper bound. Given which, `S_FF w_F = q_F - S_FB w_B + lam 1` with the
   sum gives the best weights and the multiplier `lam` (`target`).
2. Go there from the present feasible weights, until the first bound: fix that asset, and repeat from 1 (`advance`).
3. Where no bound is in the way, free the fixed asset that gains most by leaving its bound, and repeat from 1; where
   none gains, the Karush-Kuhn-Tucker conditions hold, exact up to rounding (`release`).

The free assets' Cholesky factor is kept: an asset that becomes free appends a row, one that is fixed has the rows
below it written again. Starting with a single free asset (`start`), a wide universe of which few are held stays cheap;
`crash` starts with many.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.estimators.solvers.linear import factor, solve_both
from metabt.numerics.kernels import FAST, inner

ROUNDING = 1e-15
"""How far a free weight may leave its box before it counts."""

CANCELLED = 1e-9
"""Part of the sum that cancellation took, which one correction puts back to the last bit."""

MULTIPLIER = 1e-13
"""How wrong the sign of a multiplier may be, relative to the terms that it is the sum of."""

SINGULAR = 1e-10
"""Part of an asset's variance that the free ones leave unexplained, below which S counts as singular."""


@inner()
def start(S, L, w, lo, hi, side, index, n):
    """Fill the assets of least variance up to their bounds; leave the last one free."""
    rest, best = 1.0, 0
    for i in range(n):
        w[i] = lo[i]
        rest -= lo[i]
        side[i] = -1
    for _ in range(n):
        best = -1
        for i in range(n):
            if side[i] < 0 and (best < 0 or S[i, i] < S[best, best]):
                best = i
        room = hi[best] - lo[best]
        if room >= rest:
            break
        side[best] = 1
        w[best] = hi[best]
        rest -= room
    index[0], side[best] = best, 0
    w[best] = min(lo[best] + rest, hi[best])
    return factor(S, index, np.int64(0), np.int64(1), L)


@inner(fastmath=FAST)
def gradient_of(S, w, q, gradient, n):
    """Write S w - q, a row of S at a time: most weights are 0."""
    for i in range(n):
        gradient[i] = -q[i]
    for j in range(n):
        weight = w[j]
        if weight != 0.0:
            row = S[j]
            for i in range(n):
                gradient[i] += weight * row[i]


@inner(fastmath=FAST)
def target(S, L, w, q, goal, part, ones, side, index, n, free):
    """Write the weights `goal` that are best with the fixed assets where they are; return lam."""
    rest, total_ones = 1.0, 0.0
    for i in range(n):
        goal[i] = w[i] if side[i] != 0 else 0.0
        rest -= goal[i]
    gradient_of(S, goal, q, ones, n)
    for a in range(free):
        part[a] = -ones[index[a]]
    for a in range(free):
        ones[a] = 1.0
    solve_both(L, free, part, ones)
    for a in range(free):
        rest -= part[a]
        total_ones += ones[a]
    lam = rest / total_ones
    for a in range(free):
        goal[index[a]] = part[a] + lam * ones[a]
    for _ in range(3):  # what cancellation took from the sum, all of it where one asset nearly has no variance
        rest = 1.0
        for i in range(n):
            rest -= goal[i]
        for a in range(free):
            goal[index[a]] += rest / total_ones * ones[a]
        if abs(rest) < CANCELLED:
            break
    return lam


@inner()
def advance(w, lo, hi, goal, side, index, free):
    """Go to the goal or to the first bound on the way; fix its asset and return its place, or -1."""
    step, first = 1.0, -1
    for a in range(free if free > 1 else 0):
        i = index[a]
        there = goal[i]
        if there < lo[i] - ROUNDING or there > hi[i] + ROUNDING:
            reach = ((lo[i] if there < lo[i] else hi[i]) - w[i]) / (there - w[i])
            if first < 0 or reach < step:
                step, first = max(reach, 0.0), a
    if first < 0:
        for a in range(free):
            w[index[a]] = goal[index[a]]
        return first
    for a in range(free):
        i = index[a]
        w[i] += step * (goal[i] - w[i])
    i = index[first]
    below = goal[i] < lo[i]
    side[i], w[i] = -1 if below else 1, lo[i] if below else hi[i]
    for a in range(first, free - 1):
        index[a] = index[a + 1]
    return first


@inner(fastmath=FAST)
def release(S, w, q, side, gradient, n, lam):
    """Return the fixed asset that gains most by leaving its bound, or -1 if none gains more than rounding."""
    gradient_of(S, w, q, gradient, n)
    risk = 0.0
    for i in range(n):
        if w[i] != 0.0:
            risk += math.sqrt(S[i, i]) * abs(w[i])
    best, most = -1, 0.0
    for i in range(n):
        gain = side[i] * (gradient[i] - lam)
        if gain > most and gain > MULTIPLIER * (math.sqrt(S[i, i]) * risk + abs(q[i]) + abs(lam)):
            best, most = i, gain
    return best


@inner()
def minimise(S, L, w, lo, hi, q, goal, part, ones, side, index, n, free):
    """Write the solution w, from the feasible weights there; return the number of free assets.

    0 where the free assets' covariance is singular, -1 where the steps run out. `side` is -1 for an asset that is
    fixed at its lower bound, 0 for a free one, 1 at the upper bound; `index` lists the free ones. Scratch: `goal`, the
    weights to go to, and two right-hand sides over the free assets, `part` and `ones`.
    """
    for _ in range(50 * n + 50):
        lam = target(S, L, w, q, goal, part, ones, side, index, n, free)
        place = advance(w, lo, hi, goal, side, index, free)
        if place >= 0:
            free -= 1
        else:
            i = release(S, w, q, side, part, n, lam)
            if i < 0:
                return free
            index[free], side[i], place = i, 0, free
            free += 1
        if factor(S, index, place, free, L) < SINGULAR:
            return 0
    return -1
