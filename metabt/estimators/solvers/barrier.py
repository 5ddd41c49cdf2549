"""Risk budgeting as a barrier problem: `min 1/2 x'Cx - lam sum b_i ln x_i` in a box, by sweeps, then Newton steps.

With C the correlations, b the budgets and `x_i = sigma_i w_i`, the conditions for an asset inside its box are
`x_i (Cx)_i = lam b_i`: risk contributions in proportion to the budgets.

1. Sweep over the assets, each put where it is best given the others, which is the root of a quadratic. Sweeps end
   when they are near, or when one gains less than half of the last (hedges take thousands; Newton's steps, nine).
2. An asset on its bound that the gradient keeps there is fixed; the others are free.
3. In relative steps `u = dx / x` the free assets' Newton system is `(XCX + lam B) u = lam b - x (Cx)`: well conditioned
   however different the volatilities, and regular however singular C. Divided by lam and the least budget, the
   function is self-concordant.
4. Take the whole step where the decrement is below 1/4, else `1 / (1 + decrement)` of it, which stays positive and
   descends; put what leaves the box back on its bound, and halve the step until the function still descends.
5. Near the solution the factor of one step serves the next ones too, as long as each is a tenth of the last.
6. Once a step is so small that the next would be below rounding, it was the last.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.estimators.solvers.linear import factor_whole, product, solve_whole, width_of
from metabt.numerics.kernels import FAST, inner

SWEEPS, NEAR = 8, 3e-3
"""Sweeps at most; the largest relative change of one after which Newton's steps are cheaper."""

KEPT = 1e-2
"""Decrement below which a step's factor serves the next."""

ENOUGH = 1e-16
"""Decrement that the next step would have, below which it is not taken."""


@inner(fastmath=FAST)
def _sweep(C, budget, x, lo, hi, Cx, n, width, lam):
    """Put one asset after another where it is best, C x along with it, until the changes are small or slow."""
    last = np.inf
    for _ in range(SWEEPS):
        largest = 0.0
        for i in range(n):
            row, here = C[i], x[i]
            rest, pull = Cx[i] - here, 4.0 * lam * budget[i]
            root = math.sqrt(rest * rest + pull)
            there = 0.5 * (root - rest) if rest < 0.0 else 0.5 * pull / (root + rest)
            there = min(max(there, lo[i]), hi[i])
            change = there - here
            x[i] = there
            largest = max(largest, abs(change) / there)
            for j in range(width):
                Cx[j] += change * row[j]
        if largest < NEAR or largest > 0.5 * last:
            return
        last = largest


@inner(fastmath=FAST)
def _value(budget, x, Cx, n, lam):
    """Return the function."""
    total = 0.0
    for i in range(n):
        total += 0.5 * x[i] * Cx[i] - lam * budget[i] * math.log(x[i])
    return total


@inner()
def _free(budget, x, lo, hi, Cx, step, index, n, free, lam):
    """List the free assets and their descent; return their number, and whether the `free` listed ones have changed."""
    count, changed = np.int64(0), False
    for i in range(n):
        slope = x[i] * Cx[i] - lam * budget[i]
        if not (x[i] <= lo[i] and slope > 0.0) and not (x[i] >= hi[i] and slope < 0.0):
            changed = changed or count >= free or index[count] != i
            index[count], step[count] = i, -slope
            count += 1
    return count, changed or count != free


@inner(fastmath=FAST)
def _system(C, budget, x, H, index, n, free, width, lam):
    """Write the Newton system of the free assets."""
    for a in range(free):
        i, row = index[a], H[a]
        if free == n:
            given = C[i]
            for b in range(width):
                row[b] = given[b] * x[i] * x[b]
        else:
            for b in range(free):
                row[b] = C[i, index[b]] * x[i] * x[index[b]]
            for b in range(free, width):
                row[b] = 0.0
        row[a] += lam * budget[i]


@inner()
def _decrement(budget, x, Cx, step, index, free, lam, least):
    total = 0.0
    for a in range(free):
        i = index[a]
        total += step[a] * (lam * budget[i] - x[i] * Cx[i])
    return math.sqrt(max(total, 0.0) / (lam * least))


@inner()
def _trial(x, lo, hi, step, index, trial, width, free, size):
    """Write the next iterate; return whether a bound cut the step."""
    cut = False
    for i in range(width):
        trial[i] = x[i]
    for a in range(free):
        i = index[a]
        there = x[i] * (1.0 + size * step[a])
        trial[i] = min(max(there, lo[i]), hi[i])
        cut = cut or trial[i] != there
    return cut


@inner()
def minimise(C, budget, squares, x, lo, hi, Cx, step, trial, scratch, index, n, lam):
    """Write the solution x, from the iterate there; return how many assets are free, -1 if it was not reached.

    It does not exist where positive weights have no risk at all, and is not reached where that is nearly so. Rows of
    C and vectors are padded with zeros. `squares` are the Newton system and its two factors, `Cx` becomes C x, `step`
    is the relative step, `trial` the next iterate, `index` the free assets.
    """
    H, U, L = squares
    width, least = width_of(n), np.inf
    for i in range(n):
        least = min(least, budget[i])
    product(C, x, Cx, n)
    _sweep(C, budget, x, lo, hi, Cx, n, width, lam)
    free, before = np.int64(-1), np.inf
    for _ in range(200):
        product(C, x, Cx, n)
        free, changed = _free(budget, x, lo, hi, Cx, step, index, n, free, lam)
        part, decrement, rate = width_of(free), np.inf, 1.0
        if before < KEPT and not changed:
            solve_whole(U, L, free, part, step, scratch)
            decrement = _decrement(budget, x, Cx, step, index, free, lam, least)
            rate = decrement / before
        if rate > 0.1:
            free, _ = _free(budget, x, lo, hi, Cx, step, index, n, free, lam)
            _system(C, budget, x, H, index, n, free, part, lam)
            factor_whole(H, U, L, free, part)
            solve_whole(U, L, free, part, step, scratch)
            decrement = _decrement(budget, x, Cx, step, index, free, lam, least)
            rate = decrement
        size = 1.0 if decrement < 0.25 else 1.0 / (1.0 + decrement)
        cut = _trial(x, lo, hi, step, index, trial, width, free, size)
        if cut and decrement > 1e-6:
            here = _value(budget, x, Cx, n, lam)
            for _ in range(40):
                product(C, trial, Cx, n)
                if not cut or _value(budget, trial, Cx, n, lam) < here:
                    break
                size *= 0.5
                cut = _trial(x, lo, hi, step, index, trial, width, free, size)
        for i in range(n):
            x[i] = trial[i]
        if not cut and decrement * rate < ENOUGH:
            product(C, x, Cx, n)
            return free
        before = decrement
    return -1
