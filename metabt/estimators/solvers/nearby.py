"""Near what is held: `min 1/2 w'Sw - q'w + kappa sum |w - p|`, `sum w = 1`, `lo <= w <= hi`, and how much is traded.

1. Each asset is bought (`w >= p`) or sold (`w <= p`); given which, the programme is one in a box, with q lowered or
   raised by kappa (`active_set`). Begin with what the programme without kappa buys and sells.
2. Find the asset that is best bought and the one that is best sold for it. Where one of them stays at p and would have
   to cross it, it changes sides; repeat. What is reached stays feasible and the exchange gains, so each repetition
   lowers the objective, and there are finitely many sides. Where no exchange gains, the optimum is reached.
3. A limit on what is traded is the smallest kappa that keeps to it. While sides and free assets stay, what is traded is
   linear in kappa, and its slope is known: Newton steps, within a bracket that is halved where they leave it.
4. Bit-identical assets of which as much is held share their weight evenly: that is worth no less, and trades no more.

Best, Hlouskova (2005), "An algorithm for portfolio optimization with transaction costs", Management Science 51, for the
penalised programme.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.solvers.active_set import minimise
from metabt.estimators.solvers.frontier import RIDGE, begin, gather
from metabt.estimators.solvers.linear import solve_both
from metabt.estimators.solvers.support import feasible, supported
from metabt.estimators.solvers.twins import share_evenly, twins
from metabt.numerics.kernels import inner, kernel

OVER, UNDER = 1e-13, 1e-12
"""How far what is traded may lie above its limit, and how far beneath is close enough."""
GAIN = 1e-13
"""What an exchange must gain to count, relative to the terms that it is the sum of."""
STEPS = 200
"""Programmes that may be solved for one decision."""
SQUARES, VECTORS, NUMBERS = 4, 10, 4
"""How many work arrays `near` takes of each kind."""


@kernel()
def near(covariance, mean, support, previous, lo, hi, kappa, limit, weights, squares, v, m):
    """Write the weights of one decision; return whether it has any.

    Parameters
    ----------
    covariance, mean : (n_assets, n_assets), (n_assets,) S and q, of which the supported entries matter
    support : (n_assets,) bool
    previous : (n_assets,) weights that are held; those of unsupported assets are sold
    lo, hi : bounds of every supported weight
    kappa : price of a unit that is traded, at least 0
    limit : of the sum of absolute trades; infinite for none. Where more must be traded, it is as little as can be.
    weights : (n_assets,) zeros
    squares, v, m : scratch, as `work_arrays` makes it, of SQUARES matrices, VECTORS and NUMBERS
    """
    column = m[3]
    n = supported(support, column)
    if not feasible(covariance, column, n, lo, hi):
        return False
    q, p, forced, finite = v[7][:n], v[8][:n], 0.0, True
    for i in range(len(support)):
        forced += 0.0 if support[i] else abs(previous[i])
    for i in range(n):
        q[i], p[i] = mean[column[i]], previous[column[i]]
        finite &= abs(q[i]) < np.inf
    if not finite or not _search(covariance, column, q, p, lo, hi, kappa, limit, forced, squares, v, m):
        return False
    w = v[9]
    _share(covariance, mean, column, p, w, v[0], m[0], m[1], m[2])
    for i in range(n):
        weights[column[i]] = min(max(w[i], lo), hi)
    return True


@inner()
def _share(covariance, mean, column, p, w, total, alike, first, size):
    """Share the weight of bit-identical assets evenly among those of which as much is held."""
    n = len(p)
    if twins(covariance, mean, column, n, total, alike) == n:
        return
    for a in range(n):
        first[a] = 0
        while alike[first[a]] != alike[a] or p[first[a]] != p[a]:
            first[a] += 1
    share_evenly(w, first, n, total, size)


@inner()
def _search(covariance, column, q, p, lo, hi, kappa, limit, forced, squares, v, m):
    """Write the weights at the least price that keeps to the limit into v[9]; return whether there are any."""
    S, n, scale, total, least = squares[0], len(p), 1e-300, 0.0, forced
    gather(covariance, column, n, 0.0, S)
    for i in range(n):
        m[2, i] = 0
        scale = max(scale, abs(q[i]), S[i, i])
        nearest = min(max(p[i], lo), hi)
        total += nearest
        least += abs(nearest - p[i])
    most = max(limit, least + abs(1.0 - total)) - forced
    low, high, at, ridged, found = kappa, np.inf, kappa, False, False
    for step in range(STEPS):
        free = _programme(S, q, p, lo, hi, at, squares, v, m)
        if free <= 0 and not ridged:
            gather(covariance, column, n, RIDGE, S)
            free, ridged = _programme(S, q, p, lo, hi, at, squares, v, m), True
        if free <= 0:
            return False
        excess = -most
        for i in range(n):
            v[0, i] = min(max(v[0, i], lo), hi)
            excess += abs(v[0, i] - p[i])
        if excess <= OVER:
            for i in range(n):
                v[9, i] = v[0, i]
            found, high = True, at
            if excess >= -UNDER or step == 0:
                return True
        else:
            low = at
        if found and high - low <= 1e-15 * high:
            return True
        slope = _slope(squares[2], free, v[5], v[6], m[1], m[2])
        at -= (excess + 0.5 * UNDER) / slope if slope < 0.0 else np.inf
        if not low < at < high or step % 4 == 3:
            at = 0.5 * (low + high) if high < np.inf else max(4.0 * low, scale)
    return found


@inner()
def _programme(S, q, p, lo, hi, kappa, squares, v, m):
    """Write the weights into v[0], the free assets' factor, and what is bought and sold into m[2], zeros at first.

    Return the number of free assets, at most 0 where there is no solution.
    """
    more, w, floor, ceiling, tilted = (squares[1], squares[2], squares[3]), v[0], v[1], v[2], v[3]
    goal, part, ones = v[4], v[5], v[6]
    side, index, sign = m[0], m[1], m[2]
    n, free = len(p), np.int64(0)
    for _ in range(2 * n + 20):
        for i in range(n):
            floor[i] = p[i] if sign[i] > 0 and p[i] > lo else lo
            ceiling[i] = p[i] if sign[i] < 0 and p[i] < hi else hi
            tilted[i] = q[i] - kappa * sign[i]
        free = begin(S, more, w, floor, ceiling, tilted, goal, part, ones, side, index, n)
        if free > 0:
            free = minimise(S, more[1], w, floor, ceiling, tilted, goal, part, ones, side, index, n, free)
        if free <= 0:
            return free
        if not _change_sides(S, q, p, lo, hi, kappa, w, sign):
            return free
    return -1


@inner()
def _change_sides(S, q, p, lo, hi, kappa, w, sign):
    """Let an exchange of two assets that gains cross what is held of them; return whether there is one."""
    n, changed = len(p), False
    bought, sold, up, down, size = 0, 0, np.inf, np.inf, kappa
    for i in range(n):
        if sign[i] == 0:
            sign[i] = 1 if w[i] > p[i] or p[i] <= lo else -1
            changed = True
        gradient, terms = -q[i], abs(q[i])
        for j in range(n):
            if w[j] != 0.0:
                gradient += S[i, j] * w[j]
                terms += abs(S[i, j] * w[j])
        size = max(size, terms)
        buying = gradient + (kappa if w[i] >= p[i] else -kappa)
        selling = (kappa if w[i] <= p[i] else -kappa) - gradient
        if w[i] < hi and buying < up:
            bought, up = i, buying
        if w[i] > lo and selling < down:
            sold, down = i, selling
    if up + down < -GAIN * size:
        if sign[bought] < 0 and w[bought] >= p[bought]:
            sign[bought], changed = 1, True
        if sign[sold] > 0 and w[sold] <= p[sold]:
            sign[sold], changed = -1, True
    return changed


@inner()
def _slope(L, free, part, ones, index, sign):
    """Return how what is traded changes with kappa while sides and free assets stay; at most 0 up to rounding.

    The free weights move by `-inv(S) (sign - mu 1)`, with mu such that they keep their sum.
    """
    for a in range(free):
        part[a], ones[a] = sign[index[a]], 1.0
    solve_both(L, free, part, ones)
    moved, total, first, second = 0.0, 0.0, 0.0, 0.0
    for a in range(free):
        moved += part[a]
        total += ones[a]
        first += sign[index[a]] * part[a]
        second += sign[index[a]] * ones[a]
    return moved / total * second - first
