"""Risk budgeting as a barrier problem: `min 1/2 x'Cx - lam sum ln x` in a box, by damped Newton steps.

With C the correlations and `x_i = sigma_i w_i`, the conditions for an asset inside its box are
`x_i (Cx)_i = lam`: equal risk contributions. The function divided by lam is self-concordant.

1. An asset on its bound that the gradient keeps there is fixed; the others are free.
2. In relative steps `u = dx / x` the free assets' Newton system is `(XCX + lam I) u = lam - x (Cx)`: well conditioned
   however different the volatilities, and regular however singular C.
3. Take the whole step where the decrement is below 1/4, else `1 / (1 + decrement)` of it, which stays positive and
   descends; put what leaves the box back on its bound, and halve the step until the function still descends.
4. Once a step is so small that the next would be below rounding, it was the last.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.kernels import FAST, inner
from metabt.optimizers._linear import INDEX, factor, solve

X, LO, HI, CX, STEP, TRIAL = range(6)
"""Rows of v: the iterate, its box, C x, relative step, next iterate."""

ENOUGH = 1e-9
"""Decrement after which a Newton step leaves an error of its square, below rounding."""


@inner(fastmath=FAST)
def value(C, v, n, lam):
    """Write C x to row CX for the x in row TRIAL; return the function."""
    total = 0.0
    for i in range(n):
        product = 0.0
        for j in range(n):
            product += C[i, j] * v[TRIAL, j]
        v[CX, i] = product
        total += 0.5 * v[TRIAL, i] * product - lam * math.log(v[TRIAL, i])
    return total


@inner()
def newton(C, H, L, v, m, n, lam):
    """Write the relative Newton step of the free assets, ordered as INDEX; return their number and the decrement."""
    free = np.int64(0)
    for i in range(n):
        slope = v[X, i] * v[CX, i] - lam
        if not (v[X, i] <= v[LO, i] and slope > 0.0) and not (v[X, i] >= v[HI, i] and slope < 0.0):
            m[INDEX, free] = i
            v[STEP, free] = -slope
            free += 1
    for a in range(free):
        i = m[INDEX, a]
        for b in range(a + 1):
            j = m[INDEX, b]
            H[i, j] = C[i, j] * v[X, i] * v[X, j] + (lam if a == b else 0.0)
    factor(H, m, np.int64(0), free, L)
    solve(L, free, v[STEP])
    decrement = 0.0
    for a in range(free):
        i = m[INDEX, a]
        decrement += v[STEP, a] * (lam - v[X, i] * v[CX, i]) / lam
    return free, math.sqrt(max(decrement, 0.0))


@inner()
def _trial(v, m, n, free, size):
    """Write the next iterate; return whether a bound cut the step."""
    cut = False
    for i in range(n):
        v[TRIAL, i] = v[X, i]
    for a in range(free):
        i = m[INDEX, a]
        there = v[X, i] * (1.0 + size * v[STEP, a])
        v[TRIAL, i] = min(max(there, v[LO, i]), v[HI, i])
        cut = cut or v[TRIAL, i] != there
    return cut


@inner()
def minimise(C, H, L, v, m, n, lam):
    """Write the solution to row X, from the iterate there; return how many assets are free, -1 if it was not reached.

    It does not exist where positive weights have no risk at all, and is not reached where that is nearly so.
    """
    for i in range(n):
        v[TRIAL, i] = v[X, i]
    here = value(C, v, n, lam)
    for _ in range(200):
        free, decrement = newton(C, H, L, v, m, n, lam)
        size = 1.0 if decrement < 0.25 else 1.0 / (1.0 + decrement)
        cut = _trial(v, m, n, free, size)
        there = value(C, v, n, lam)
        for _ in range(40 if cut and decrement > 1e-6 else 0):
            if there < here:
                break
            size *= 0.5
            cut = _trial(v, m, n, free, size)
            there = value(C, v, n, lam)
        for i in range(n):
            v[X, i] = v[TRIAL, i]
        here = there
        if not cut and decrement < ENOUGH:
            return free
    return -1
