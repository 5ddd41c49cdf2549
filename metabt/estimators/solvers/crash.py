"""A start of the box programme of `active_set` near its end: `min 1/2 w'Sw - q'w`, `sum w = 1`, `lo <= w <= hi`.

1. Model S by one factor, `diag(own) + f f'`, with the row sums and the diagonal of S. Given which assets are fixed, two
   equations in `lam` and `phi = f'w` give the model's best weights, `w_i = (q_i + lam - f_i phi) / own_i`, in O(n).
2. Fix those outside the box, free those whose formula lies inside; repeat until none changes sides (`guess`).
3. Factor the free assets' S at once, and find their best weights as it truly is. Where one leaves its box, fix all that
   do, free all that gain by it, and repeat from 3 (block pivoting; Portugal, Judice and Vicente 1994).

The weights are feasible then, and the active set method goes on from there: what it proves does not depend on where it
began. Where nothing was reached in ROUNDS, or free assets are singular, it begins with a single free asset.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.estimators.solvers.active_set import ROUNDING, SINGULAR, gradient_of, target
from metabt.estimators.solvers.linear import factor_whole, product, width_of
from metabt.numerics.kernels import FAST, inner

GUESSES, ROUNDS = 8, 4
"""Times that assets change sides in the model, and in earnest."""

OWN = 0.1
"""Least part of a variance that the model leaves to the asset itself: it stays regular where correlations are one."""

SLACK = 1e-9
"""How far the model's weights may leave the box: the only free asset must not be fixed by rounding."""


@inner()
def crash(S, squares, w, lo, hi, q, goal, part, ones, side, index, n):
    """Write feasible weights, best given which assets are fixed; return the number of free ones, 0 if not reached.

    S is padded with zeros. `squares` are scratch, the free assets' factor, and scratch; `side` and `index` become what
    `minimise` takes, and the other vectors are scratch.
    """
    H, L, U = squares
    if not guess(S, lo, hi, q, goal, part, ones, side, n):
        return 0
    for _ in range(ROUNDS):
        free = np.int64(0)
        for i in range(n):
            index[free] = i
            free += side[i] == 0
            w[i] = lo[i] if side[i] < 0 else hi[i]
        if free == 0 or not _factored(S, H, U, L, index, free):
            return 0
        lam = target(S, L, w, q, goal, part, ones, side, index, n, free)
        if _outside(goal, lo, hi, index, free) == 0:
            for a in range(free):
                w[index[a]] = goal[index[a]]
            return free
        gradient_of(S, goal, q, part, n)
        for i in range(n):
            if side[i] == 0:
                side[i] = -1 if goal[i] < lo[i] - ROUNDING else 1 if goal[i] > hi[i] + ROUNDING else 0
            elif side[i] * (part[i] - lam) > 0.0:
                side[i] = 0
    return 0


@inner(fastmath=FAST)
def guess(S, lo, hi, q, f, inverse, sums, side, n):
    """Write the side of each asset that is best in the model; return whether S has such a model, and any was free.

    Written as well: the loadings `f` and the reciprocals of `own`. `sums` is scratch.
    """
    for i in range(width_of(n)):
        f[i] = 1.0
    product(S, f, sums, n)
    total = 0.0
    for i in range(n):
        total += sums[i]
    if not total > 0.0:
        return False
    for i in range(n):
        variance = S[i, i]
        if not variance > 0.0:
            return False
        f[i], side[i] = sums[i] / math.sqrt(total), 0
        inverse[i] = 1.0 / max(variance - f[i] * f[i], OWN * variance)
    for _ in range(GUESSES):
        lam, phi = _multipliers(lo, hi, q, f, inverse, side, n)
        if not abs(lam) < np.inf:
            return False
        changed = 0
        for i in range(n):
            there = (q[i] + lam - f[i] * phi) * inverse[i]
            new = -1 if there < lo[i] - SLACK else 1 if there > hi[i] + SLACK else 0
            changed += new != side[i]
            side[i] = new
        if changed == 0:
            break
    return True


@inner(fastmath=FAST)
def _multipliers(lo, hi, q, f, inverse, side, n):
    """Return `lam` and `phi` of the model with the fixed assets where they are; not finite where none is free."""
    rest, common, one, first, second, wanted, pull = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        held = 0.0 if side[i] == 0 else lo[i] if side[i] < 0 else hi[i]
        free = inverse[i] if side[i] == 0 else 0.0
        rest -= held
        common += f[i] * held
        one += free
        first += f[i] * free
        second += f[i] * f[i] * free
        wanted += q[i] * free
        pull += f[i] * q[i] * free
    share = first / (1.0 + second)
    lam = (rest - wanted + share * (common + pull)) / (one - share * first)
    return lam, (common + pull + lam * first) / (1.0 + second)


@inner()
def _factored(S, H, U, L, index, free):
    """Write the factor L of the free assets; return whether they are not singular."""
    for a in range(free):
        row, given = H[a], S[index[a]]
        for b in range(free):
            row[b] = given[index[b]]
    factor_whole(H, U, L, free, width_of(free))
    for a in range(free):
        pivot = L[a, a]  # a reciprocal
        if not 1.0 >= SINGULAR * pivot * pivot * H[a, a]:
            return False
    return True


@inner()
def _outside(goal, lo, hi, index, free):
    """Return how many free assets' goals lie outside the box."""
    count = 0
    for a in range(free):
        i = index[a]
        count += goal[i] < lo[i] - ROUNDING or goal[i] > hi[i] + ROUNDING
    return count
