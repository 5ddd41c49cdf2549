"""The efficient frontier of a stack of windows: a portfolio of given risk aversion, and its tangency portfolio.

For each window:

1. Merge bit-identical assets into one with the bounds of all of them.
2. A portfolio on the frontier is the box programme with q = mean over risk aversion; minimum variance has q = 0. It is
   solved by `active_set`, from where `crash` guesses its end or, where it cannot, from a single free asset.
3. Tangency: `w(g)` solves the programme with q = g mu. Where `g = w'Sw / mu'w`, the Sharpe ratio is stationary, hence
   (it is pseudoconcave where the mean is positive) maximal; `w'Sw - g mu'w` changes its sign there and nowhere else.
   With a given set of fixed assets `w = a + g b`, and the root is `g = a'Sa / mu'a`. Try it, and keep a bracket.
4. Where free assets turn out singular (fewer rows than assets), the answer is not unique: start again with a ridge of
   1e-8 of each variance.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.estimators.solvers.active_set import minimise, start, target
from metabt.estimators.solvers.crash import crash
from metabt.estimators.solvers.linear import width_of, work_arrays
from metabt.estimators.solvers.support import feasible, supported
from metabt.estimators.solvers.twins import twins
from metabt.numerics.kernels import FAST, inner, kernel

RIDGE = 1e-8
"""Part of each variance that is added to a singular S; of variances below it, which may be zero, its square."""


def frontier(
    covariance: np.ndarray, mean: np.ndarray, support: np.ndarray, lo: float, hi: float, tangency: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (n_decisions, n_assets) and solved (n_decisions,) of every window.

    Parameters
    ----------
    covariance : (n_decisions, n_assets, n_assets)
    mean : (n_decisions, n_assets)
        For a portfolio of given risk aversion, divided by it; zero for minimum variance.
    support : (n_decisions, n_assets) bool
    lo, hi : float
        Bounds of every supported asset.
    tangency : bool
        Maximum Sharpe ratio; else `min w'Sw/2 - mean'w`.
    """
    weights, solved = np.zeros(support.shape), np.zeros(len(support), bool)
    v, m, squares = work_arrays(support.shape[1], vectors=8, numbers=7, squares=4)
    _stack(covariance, mean, support, lo, hi, tangency, squares, v, m, weights, solved)
    return weights, solved


@kernel()
def _stack(covariance, mean, support, lo, hi, tangency, squares, v, m, weights, solved):
    S, more = squares[0], (squares[1], squares[2], squares[3])
    w, floor, ceiling = v[0], v[1], v[2]
    mu, q, goal = v[3], v[4], v[5]
    part, ones = v[6], v[7]
    side, index, column = m[0], m[1], m[2]
    first, group = m[3], m[4]  # the first twin of each asset, and which merged one stands for it
    size, kept = m[5], m[6]  # how many a merged asset stands for, and the column of the first of them
    for d in range(len(support)):
        count = supported(support[d], column)
        if not feasible(covariance[d], column, count, lo, hi):
            continue
        twins(covariance[d], mean[d], column, count, part, first)
        n = _merge(column, first, count, group, size, kept)
        for a in range(n):
            mu[a], floor[a], ceiling[a] = mean[d, kept[a]], size[a] * lo, min(size[a] * hi, 1.0)
        if tangency and not _attainable(covariance[d], mu, kept, n, floor, ceiling, side):
            continue
        free = np.int64(0)
        for ridge in (0.0, RIDGE):
            if free == 0:
                gather(covariance[d], kept, n, ridge, S)
                free = _optimum(S, more, w, floor, ceiling, mu, q, goal, part, ones, side, index, n, tangency)
        solved[d] = free > 0
        for a in range(count if free > 0 else 0):
            b = group[a]
            weights[d, column[a]] = min(max(min(max(w[b], floor[b]), ceiling[b]) / size[b], lo), hi)


@inner()
def _merge(column, first, count, group, size, kept):
    """Write the merged asset of each asset, and of how many each is made and its first column; return their number."""
    n = 0
    for a in range(count):
        if first[a] == a:
            group[a], kept[n], size[n] = n, column[a], 0
            n += 1
        group[a] = group[first[a]]
        size[group[a]] += 1
    return n


@inner()
def _attainable(S, mu, kept, n, floor, ceiling, taken):
    """Return whether every asset has a variance, and a portfolio within the bounds a positive mean."""
    rest, best = 1.0, 0.0
    for a in range(n):
        if not S[kept[a], kept[a]] > 0.0:
            return False
        rest -= floor[a]
        best += floor[a] * mu[a]
        taken[a] = 0
    for _ in range(n):
        highest = -1
        for a in range(n):
            if taken[a] == 0 and (highest < 0 or mu[a] > mu[highest]):
                highest = a
        share = min(max(rest, 0.0), ceiling[highest] - floor[highest])
        taken[highest] = 1
        rest -= share
        best += share * mu[highest]
    return best > 0.0


@inner()
def gather(covariance, kept, n, ridge, S):
    """Write the covariance of the merged assets, with a ridge, padded with zeros."""
    width, adjacent = width_of(n), kept[n - 1] - kept[0] == n - 1
    for a in range(n):
        row, given = S[a], covariance[kept[a]]
        if adjacent:  # loads of what lies side by side are faster
            given = given[kept[0] :]
            for b in range(n):
                row[b] = given[b]
        else:
            for b in range(n):
                row[b] = given[kept[b]]
        row[a] += ridge * max(row[a], ridge)
        for b in range(n, width):
            row[b] = 0.0
    for a in range(n, (n + 3) // 4 * 4):
        for b in range(width):
            S[a, b] = 0.0


@inner()
def _optimum(S, squares, w, floor, ceiling, mu, q, goal, part, ones, side, index, n, tangency):
    """Write the weights of n assets; return how many are free, 0 if they are singular, -1 if it was not reached."""
    L, low, high, g = squares[1], 0.0, np.inf, 0.0
    for i in range(n):
        q[i] = 0.0 if tangency else mu[i]
    free = begin(S, squares, w, floor, ceiling, q, goal, part, ones, side, index, n)
    if tangency and free > 0:  # near minimum variance; from there on to where its assets have their tangency portfolio
        g = _stationary(S, L, w, mu, q, goal, part, ones, side, index, n, free)
        g = g if g < np.inf else 0.0
        for i in range(n):
            q[i] = g * mu[i]
        free = begin(S, squares, w, floor, ceiling, q, goal, part, ones, side, index, n)
    for _ in range(200):
        if free > 0:
            free = minimise(S, L, w, floor, ceiling, q, goal, part, ones, side, index, n, free)
        if free <= 0 or not tangency:
            return free
        variance, average, most = _moments(S, mu, w, n)
        if abs(variance - g * average) <= 1e-13 * variance + 1e-15 * most:
            return free if average > 0.0 else np.int64(0)  # hedged away but for rounding: singular after all
        low, high = (g, high) if variance > g * average else (low, g)
        g = _stationary(S, L, w, mu, q, goal, part, ones, side, index, n, free)
        if not low < g < high:
            g = _between(low, high, S, mu, n)
        for i in range(n):
            q[i] = g * mu[i]
    return -1


@inner()
def begin(S, squares, w, floor, ceiling, q, goal, part, ones, side, index, n):
    """Write feasible weights and what `minimise` takes; return how many are free, 0 if they are singular."""
    free = crash(S, squares, w, floor, ceiling, q, goal, part, ones, side, index, n)
    if free == 0 and start(S, squares[1], w, floor, ceiling, side, index, n) > 0.0:
        return np.int64(1)
    return free


@inner()
def _stationary(S, L, w, mu, q, goal, part, ones, side, index, n, free):
    """Return the g at which the Sharpe ratio is stationary with the fixed assets where they are, or infinity."""
    for i in range(n):
        q[i] = 0.0
    target(S, L, w, q, goal, part, ones, side, index, n, free)
    variance, average, _ = _moments(S, mu, goal, n)
    return variance / average if average > 0.0 else np.inf


@inner(fastmath=FAST)
def _moments(S, mu, w, n):
    """Return the variance of weights w, their mean, and the variance it would have if all correlations were one."""
    variance, mean, risk = 0.0, 0.0, 0.0
    for i in range(n):
        if w[i] != 0.0:
            row, total = S[i], 0.0
            for j in range(n):
                total += row[j] * w[j]
            variance += w[i] * total
            mean += w[i] * mu[i]
            risk += math.sqrt(row[i]) * abs(w[i])
    return variance, mean, risk * risk


@inner()
def _between(low, high, S, mu, n):
    """Return a point of the bracket: its middle on a logarithmic scale, or a step where it is still open."""
    if low > 0.0:
        return (low * high) ** 0.5 if high < np.inf else 4.0 * low
    if high < np.inf:
        return 0.25 * high
    best = 0
    for i in range(n):
        if mu[i] > mu[best]:
            best = i
    return S[best, best] / mu[best]
