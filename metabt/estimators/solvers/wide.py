"""Minimum variance of many assets, without their covariance: `min w'Sw` subject to `sum w = 1` and `0 <= w <= hi`.

Few of a thousand assets are held, and only their covariances are needed. With D the deviations of a window's returns
from their means, `S = D'D`:

1. Copy the window, less its first row; the sums over time give means and variances.
2. The working set starts with the assets that vary least with the average of all (one pass over the window).
3. Solve the box programme (`active_set`) on the working set, going on from the present weights and factor.
4. The gradient of every asset is `D'(Dw)`, one more pass. Those that gain by entering join the working set, the ones
   that gain most first; repeat from 3. Where none gains, the weights are optimal among all assets.
5. Where free assets turn out singular, start again with a ridge, as `frontier` does.

An asset that is bit-identical to one in the working set does not join it: it raises that one's cap, and shares its
weight evenly.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.moments import arrays
from metabt.estimators.solvers.active_set import MULTIPLIER, minimise, start
from metabt.estimators.solvers.frontier import RIDGE
from metabt.estimators.solvers.linear import factor
from metabt.estimators.solvers.scatter import append, copied, gradients, stream_of, with_all
from metabt.estimators.solvers.support import supported
from metabt.estimators.solvers.tolerance import FEASIBLE
from metabt.estimators.windows import Windows
from metabt.numerics.kernels import inner, kernel

MANY = 150
"""Assets from which on this is faster than the programme on their covariance: 60 to 90 microseconds either way."""

FIRST, JOIN = 48, 16
"""Assets that the working set starts with; that join it at a time."""


def least_variance(windows: Windows, support: np.ndarray, hi: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (n_decisions, n_assets) and solved (n_decisions,) of every window, as `frontier` does.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    support : (n_decisions, n_assets) bool
    hi : float
        Upper bound of every supported asset; the lower one is 0.
    """
    n, rows = support.shape[1], int(windows.lengths.max(initial=0))
    weights, solved = np.zeros(support.shape), np.zeros(len(support), bool)
    X = arrays.matrix(windows.returns)
    stops, lengths = arrays.index(windows.stops), arrays.index(windows.lengths)
    copy, deviations, squares = np.empty((rows, n)), np.empty((n, rows)), np.empty((2, n, n))
    v, m, stream = np.empty((10, n)), np.empty((6, n), np.int64), np.empty(rows)
    _stack(X, stops, lengths, support, hi, copy, deviations, squares, v, m, stream, weights, solved)
    return weights, solved


@kernel()
def _stack(returns, stops, lengths, support, hi, copy, deviations, squares, v, m, stream, weights, solved):
    G, L = squares[0], squares[1]
    mean, variance, gradient = v[0], v[1], v[2]
    w, floor, ceiling = v[3], v[4], v[5]
    q, goal, part, ones = v[6], v[7], v[8], v[9]
    column, side, index = m[0], m[1], m[2]
    member, size, inside = m[3], m[4], m[5]  # the working set, how many each stands for; what has joined
    for d in range(len(support)):
        rows, n = lengths[d], supported(support[d], column)
        if rows < 2 or n == 0 or n * hi < 1.0 - FEASIBLE:
            continue
        copied(returns, stops[d] - rows, rows, column, n, copy, mean, variance)
        if not _finite(variance, n):
            continue
        free = np.int64(0)
        for ridge in (0.0, RIDGE):
            if free != 0:
                break
            with_all(copy, rows, n, mean, gradient)
            for j in range(n):
                inside[j], q[j], floor[j] = 0, 0.0, 0.0
            wanted = min(n, max(np.int64(FIRST), np.int64(2.0 / hi)))
            k = _join(gradient, inside, mean, copy, rows, n, wanted, member, size, np.int64(0))
            append(copy, rows, mean, member, np.int64(0), k, deviations, G, ridge)
            _raise(size, ceiling, hi, k)
            if not start(G, L, w, floor, ceiling, side, index, k) > 0.0:
                continue
            free = np.int64(1)
            while free > 0:
                free = minimise(G, L, w, floor, ceiling, q, goal, part, ones, side, index, k, free)
                if free <= 0:
                    break
                lam, risk = stream_of(deviations, rows, w, k, G, index, free, stream)
                gradients(copy, rows, n, stream, mean, gradient)
                wanted = _gains(gradient, inside, variance, n, lam, risk)
                if wanted == 0:
                    break
                before = k
                k = _join(gradient, inside, mean, copy, rows, n, min(wanted, np.int64(JOIN)), member, size, k)
                append(copy, rows, mean, member, before, k, deviations, G, ridge)
                for a in range(before, k):
                    w[a], side[a] = 0.0, -1
                _raise(size, ceiling, hi, k)
                for a in range(before):
                    if side[a] == 1 and w[a] < ceiling[a] and free > 0:
                        side[a], index[free] = 0, a
                        free = free + 1 if factor(G, index, free, free + 1, L) > 0.0 else np.int64(0)
        solved[d] = free > 0
        if free > 0:
            _share(copy, rows, mean, n, w, member, k, column, weights[d])


@inner()
def _finite(variance, n):
    for j in range(n):
        if not variance[j] < np.inf:
            return False
    return True


@inner()
def _gains(gradient, inside, variance, n, lam, risk):
    """Return how many assets outside gain by entering; the gradient of the others becomes infinite."""
    found = 0
    for j in range(n):
        gain = lam - gradient[j]
        if inside[j] == 0 and gain > MULTIPLIER * (max(variance[j], 0.0) ** 0.5 * risk + abs(lam)):
            found += 1
        else:
            gradient[j] = np.inf
    return found


@inner()
def _join(gradient, inside, mean, copy, rows, n, count, member, size, k):
    """Let `count` assets of least gradient join the k members, ties by column; return how many members there are."""
    for _ in range(count):
        best = -1
        for j in range(n):
            if inside[j] == 0 and (best < 0 or gradient[j] < gradient[best]):
                best = j
        inside[best], a = 1, 0
        while a < k and not _alike(copy, rows, mean, member[a], best):
            a += 1
        if a == k:
            member[k], size[k] = best, 0
            k += 1
        size[a] += 1
    return k


@inner()
def _alike(copy, rows, mean, i, j):
    """Return whether two columns are the same bits."""
    if mean[i] != mean[j]:
        return False
    for t in range(rows):
        if copy[t, i] != copy[t, j]:
            return False
    return True


@inner()
def _raise(size, ceiling, hi, k):
    for a in range(k):
        ceiling[a] = min(size[a] * hi, 1.0)


@inner()
def _share(copy, rows, mean, n, w, member, k, column, weights):
    """Write the weights, each shared evenly by all that are the same bits as its member."""
    for a in range(k):
        if w[a] > 0.0:
            count = 0
            for j in range(n):
                count += mean[j] == mean[member[a]] and _alike(copy, rows, mean, member[a], j)
            for j in range(n if count > 1 else 0):
                if mean[j] == mean[member[a]] and _alike(copy, rows, mean, member[a], j):
                    weights[column[j]] = w[a] / count
            if count == 1:
                weights[column[member[a]]] = w[a]
