"""Least mean of the worst losses: `min a + u sum_t max(l_t - a, 0)`, `l = -X w`, `sum w = 1`, `lo <= w <= hi`.

A function of w and a that is linear between kinks, where a session's loss is a. A *vertex* has as many free assets
(inside their bounds) as sessions on their kink; they and the budget determine it. All other sessions lie in the tail
(above a) or out of it.

1. The multipliers of the kinks, p, are to lie between 0 and u, and no asset at a bound may gain by leaving it
   (`price`). If so, p proves the vertex optimal: it is a solution of the dual programme.
2. Else let the worst offender go: one edge leads downwards (`edge`).
3. Follow it through the kinks of other sessions, each of which makes it less steep, to where it would rise, or to a
   free asset's bound (`follow`): many steps of a simplex method in one (Barrodale and Roberts 1973). Repeat from 1.

Ties would let steps have no length, and the method go round in circles. So kinks and bounds are moved a little, each by
an amount of its own (`tail_start`), and put back at the end, from where the method goes on (`tail_risk`).

References
----------
Barrodale and Roberts (1973), "An improved algorithm for discrete l1 linear approximation", SIAM Journal on Numerical
Analysis 10. Bassett, Koenker and Kordas (2004), "Pessimistic portfolio allocation and Choquet expected utility",
Journal of Financial Econometrics 2: minimum CVaR as quantile regression.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.solvers.elimination import eliminate, solve, solve_transposed
from metabt.numerics.kernels import inner
from metabt.numerics.products import add_multiple, dot

GAIN = 1e-13
"""How wrong the sign of a multiplier may be, returns being at most 1."""

MOVES = 1e-11
"""How much a loss or a weight has to change along an edge to count as changing."""


@inner()
def take_apart(columns, free, kinks, m, B, swapped):
    """Take the matrix of a vertex apart: a kink `x_t'w + a = ...` a row, then the budget; a free asset a column, a."""
    for r in range(m):
        row, t = B[r], kinks[r]
        for j in range(m):
            row[j] = columns[free[j], t]
        row[m] = 1.0
    row = B[m]
    for j in range(m):
        row[j] = 1.0
    row[m] = 0.0
    return eliminate(B, m + 1, swapped)


@inner()
def place(columns, n, rows, w, free, kinks, m, shift, B, swapped, z, excess):
    """Write the vertex: weights of the free assets, and every session's loss less a, into `excess`; return a."""
    for t in range(rows):
        excess[t] = shift[t]
    rest = 1.0
    for j in range(m):
        w[free[j]] = 0.0
    for i in range(n):
        if w[i] != 0.0:
            add_multiple(-w[i], columns[i], excess, rows)
            rest -= w[i]
    for r in range(m):
        z[r] = excess[kinks[r]]
    z[m] = rest
    solve(B, m + 1, swapped, z)
    for j in range(m):
        w[free[j]] = z[j]
        add_multiple(-z[j], columns[free[j]], excess, rows)
    for t in range(rows):
        excess[t] -= z[m]
    for r in range(m):
        excess[kinks[r]] = 0.0
    return z[m]


@inner()
def price(columns, n, rows, u, side, state, free, kinks, m, B, swapped, p, y):
    """Write the multipliers p; return what gains most by going, how much it gains, the direction, and the budget's.

    What goes is kink number r, or asset i as m + i; -1 if nothing gains.
    """
    tail = 0
    for t in range(rows):
        p[t] = u if state[t] > 0 else 0.0
        tail += state[t] > 0
    for j in range(m):
        y[j] = -dot(columns[free[j]], p, rows)
    y[m] = 1.0 - u * tail
    solve_transposed(B, m + 1, swapped, y)
    lam, best, most, way = y[m], -1, 0.0, 1.0
    for r in range(m):
        p[kinks[r]] = y[r]
        gain = max(-y[r], y[r] - u)
        if gain > GAIN and gain > most:
            best, most, way = r, gain, -1.0 if y[r] < 0.0 else 1.0
    for i in range(n):
        if side[i] != 0:
            gain = side[i] * (-dot(columns[i], p, rows) - lam)
            if gain > GAIN and gain > most:
                best, most, way = m + i, gain, -float(side[i])
    return best, most, way, lam


@inner()
def edge(columns, rows, goes, way, free, kinks, m, B, swapped, z, move):
    """Write how free weights and a (`z`) and the losses less a (`move`) change when one constraint is left."""
    for t in range(rows):
        move[t] = 0.0
    for r in range(m + 1):
        z[r] = 0.0
    if goes < m:
        z[goes] = -way
    else:
        column = columns[goes - m]
        for r in range(m):
            z[r] = -way * column[kinks[r]]
        z[m] = -way
        add_multiple(-way, column, move, rows)
    solve(B, m + 1, swapped, z)
    for j in range(m):
        add_multiple(-z[j], columns[free[j]], move, rows)
    for t in range(rows):
        move[t] -= z[m]
    for r in range(m):
        move[kinks[r]] = 0.0
    if goes < m:
        move[kinks[goes]] = way


@inner()
def nearest_bound(w, lo, hi, free, m, z, goes):
    """Return the length of the edge up to the first bound, and the place of its asset; m for the one that goes."""
    reach, first = np.inf, -1
    if goes >= m:
        i = goes - m
        reach, first = hi[i] - lo[i], m
    for j in range(m):
        if abs(z[j]) > MOVES:
            i = free[j]
            length = max(((lo[i] if z[j] < 0.0 else hi[i]) - w[i]) / z[j], 0.0)
            if length < reach:
                reach, first = length, j
    return reach, first


@inner()
def follow(rows, u, excess, move, state, slope, reach, length, which):
    """Pass kinks while the edge leads down; return the length of the way, and the session at its end, -1 for a bound.

    What is passed goes into the tail or out of it.
    """
    count = 0
    for t in range(rows):
        if state[t] * move[t] < -MOVES:
            to = max(-excess[t] / move[t], 0.0)
            if to < reach:
                length[count], which[count] = to, t
                count += 1
    while count > 0:
        first = 0
        for k in range(1, count):
            if length[k] < length[first]:
                first = k
        t, to = which[first], length[first]
        slope += u * abs(move[t])
        if slope >= 0.0:
            return to, t
        state[t] = -state[t]
        count -= 1
        length[first], which[first] = length[count], which[count]
    return reach, -1


@inner()
def exchange(lo, hi, w, side, state, free, kinks, m, goes, way, z, bound, session):
    """Exchange what goes for what the way ended at; return the number of free assets."""
    if goes >= m and session < 0 and bound == m:  # from one bound to the other
        i = goes - m
        side[i] = -side[i]
        w[i] = hi[i] if side[i] > 0 else lo[i]
        return m
    if session < 0:
        i = free[bound]
        side[i] = -1 if z[bound] < 0.0 else 1
        w[i] = hi[i] if side[i] > 0 else lo[i]
        if goes >= m:
            free[bound], side[goes - m] = goes - m, 0
            return m
        state[kinks[goes]] = 1 if way > 0.0 else -1
        free[bound], kinks[goes] = free[m - 1], kinks[m - 1]
        return m - 1
    state[session] = 0
    if goes < m:
        state[kinks[goes]] = 1 if way > 0.0 else -1
        kinks[goes] = session
        return m
    kinks[m], free[m], side[goes - m] = session, goes - m, 0
    return m + 1


@inner()
def descend(columns, n, rows, u, lo, hi, w, side, state, free, kinks, m, B, swapped, y, z, vectors, which, most):
    """Go down from a vertex to the lowest, in `most` steps; return its number of free assets, the budget's multiplier.

    0 free assets where a vertex is singular. Else its matrix is left taken apart, and p has its multipliers.
    """
    excess, move, p, length = vectors
    lam = 0.0
    for step in range(most + 1):
        if not take_apart(columns, free, kinks, m, B, swapped):
            return 0, lam
        goes, slope, way, lam = price(columns, n, rows, u, side, state, free, kinks, m, B, swapped, p, y)
        if goes < 0 or step == most:
            break
        edge(columns, rows, goes, way, free, kinks, m, B, swapped, z, move)
        reach, bound = nearest_bound(w, lo, hi, free, m, z, goes)
        along, session = follow(rows, u, excess, move, state, -slope, reach, length, which)
        for j in range(m):
            w[free[j]] += along * z[j]
        if goes >= m:
            w[goes - m] += along * way
        add_multiple(along, move, excess, rows)
        m = exchange(lo, hi, w, side, state, free, kinks, m, goes, way, z, bound, session)
        if session >= 0:
            excess[session] = 0.0
    return m, lam
