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
from metabt.optimizers._linear import factor, solve

ENOUGH = 1e-9
"""Decrement after which a Newton step leaves an error of its square, below rounding."""


@inner(fastmath=FAST)
def value(C, x, Cx, n, lam):
    """Write C x; return the function."""
    total = 0.0
    for i in range(n):
        product = 0.0
        for j in range(n):
            product += C[i, j] * x[j]
        Cx[i] = product
        total += 0.5 * x[i] * product - lam * math.log(x[i])
    return total


@inner()
def newton(C, H, L, x, lo, hi, Cx, step, index, n, lam):
    """Write the relative Newton step of the free assets, ordered as index; return their number and the decrement."""
    free = np.int64(0)
    for i in range(n):
        slope = x[i] * Cx[i] - lam
        if not (x[i] <= lo[i] and slope > 0.0) and not (x[i] >= hi[i] and slope < 0.0):
            index[free] = i
            step[free] = -slope
            free += 1
    for a in range(free):
        i = index[a]
        for b in range(a + 1):
            j = index[b]
            H[i, j] = C[i, j] * x[i] * x[j]
        H[i, i] += lam
    factor(H, index, np.int64(0), free, L)
    solve(L, free, step)
    decrement = 0.0
    for a in range(free):
        i = index[a]
        decrement += step[a] * (lam - x[i] * Cx[i]) / lam
    return free, math.sqrt(max(decrement, 0.0))


@inner()
def _trial(x, lo, hi, step, index, trial, n, free, size):
    """Write the next iterate; return whether a bound cut the step."""
    cut = False
    for i in range(n):
        trial[i] = x[i]
    for a in range(free):
        i = index[a]
        there = x[i] * (1.0 + size * step[a])
        trial[i] = min(max(there, lo[i]), hi[i])
        cut = cut or trial[i] != there
    return cut


@inner()
def minimise(C, H, L, x, lo, hi, Cx, step, trial, index, n, lam):
    """Write the solution x, from the iterate there; return how many assets are free, -1 if it was not reached.

    It does not exist where positive weights have no risk at all, and is not reached where that is nearly so. `Cx` is
    C x, `step` the relative step, `trial` the next iterate, `index` the free assets.
    """
    here = value(C, x, Cx, n, lam)
    for _ in range(200):
        free, decrement = newton(C, H, L, x, lo, hi, Cx, step, index, n, lam)
        size = 1.0 if decrement < 0.25 else 1.0 / (1.0 + decrement)
        for _ in range(41):
            cut = _trial(x, lo, hi, step, index, trial, n, free, size)
            there = value(C, trial, Cx, n, lam)
            if not cut or there < here or decrement <= 1e-6:
                break
            size *= 0.5
        for i in range(n):
            x[i] = trial[i]
        here = there
        if not cut and decrement < ENOUGH:
            return free
    return -1
