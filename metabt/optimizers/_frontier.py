"""The efficient frontier of a stack of windows: a portfolio of given risk aversion, and its tangency portfolio.

For each window:

1. Merge bit-identical assets into one with the bounds of all of them.
2. A portfolio on the frontier is the box programme with q = mean over risk aversion; minimum variance has q = 0.
3. Tangency: `w(g)` solves the programme with q = g mu. Where `g = w'Sw / mu'w`, the Sharpe ratio is stationary, hence
   (it is pseudoconcave where the mean is positive) maximal; `w'Sw - g mu'w` changes its sign there and nowhere else.
   With a given set of fixed assets `w = a + g b`, and the root is `g = a'Sa / mu'a`. Try it, and keep a bracket.
4. Where free assets turn out singular (fewer rows than assets), the answer is not unique: start again with a ridge of
   1e-8 of each variance.
"""

from __future__ import annotations

import numpy as np

from metabt.kernels import FAST, inner, kernel
from metabt.optimizers._active_set import minimise, start, target
from metabt.optimizers._twins import twins
from metabt.optimizers.base import feasible

RIDGE = 1e-8
"""Part of each variance that is added to a singular S."""


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
    n = support.shape[1]
    weights, solved = np.zeros(support.shape), feasible(covariance, support, lo, hi)
    if tangency:
        solved &= _attainable(covariance, mean, support, lo, hi)
    first = twins(covariance, mean, support)
    v, m, squares = np.empty((8, n)), np.empty((4, n), np.int64), np.empty((2, n, n))
    free = np.zeros(len(support), np.int64)
    for ridge in (0.0, RIDGE):
        todo = solved & (free == 0)
        _stack(covariance, mean, support, first, todo, lo, hi, tangency, ridge, squares, v, m, weights, free)
    return weights, solved & (free > 0)


def _attainable(covariance: np.ndarray, mean: np.ndarray, support: np.ndarray, lo: float, hi: float) -> np.ndarray:
    """Return (n_decisions,) bool: every asset has a variance, and a portfolio within the bounds a positive mean."""
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    falling = -np.sort(-np.where(support, mean, -np.inf), axis=1)
    count = support.sum(axis=1)[:, None]
    place = np.arange(support.shape[1])
    weight = np.where(place < count, lo + np.clip(1.0 - count * lo - place * (hi - lo), 0.0, hi - lo), 0.0)
    best = np.add.accumulate(weight * np.where(place < count, falling, 0.0), axis=1)[:, -1]
    return (best > 0.0) & ((variance > 0.0) | ~support).all(axis=1)


@kernel()
def _stack(covariance, mean, support, first, todo, lo, hi, tangency, ridge, squares, v, m, weights, free):
    """Write the weights of the decisions `todo`, and how many assets are free: 0 if singular, -1 if not reached."""
    S, L = squares[0], squares[1]
    w, floor, ceiling = v[0], v[1], v[2]
    mu, q, goal = v[3], v[4], v[5]
    part, ones = v[6], v[7]
    side, index = m[0], m[1]
    group, size = m[2], m[3]  # each column's merged asset; how many columns an asset stands for
    for d in range(len(support)):
        if not todo[d]:
            continue
        n = _merge(support[d], first[d], index, group, size)
        for a in range(n):
            mu[a] = mean[d, index[a]]
            q[a] = 0.0 if tangency else mu[a]
            floor[a], ceiling[a] = size[a] * lo, min(size[a] * hi, 1.0)
            for b in range(n):
                S[a, b] = covariance[d, index[a], index[b]]
            S[a, a] += ridge * max(S[a, a], ridge)
        low, high, g = 0.0, np.inf, 0.0
        k = 1 if start(S, L, w, floor, ceiling, side, index, n) > 0.0 else 0
        for _ in range(200):
            if k > 0:
                k = minimise(S, L, w, floor, ceiling, q, goal, part, ones, side, index, n, k)
            if k <= 0 or not tangency:
                break
            variance, average, most = _moments(S, mu, w, n)
            if abs(variance - g * average) <= 1e-13 * variance + 1e-15 * most:
                break
            low, high = (g, high) if variance > g * average else (low, g)
            for i in range(n):
                q[i] = 0.0
            target(S, L, w, q, goal, part, ones, side, index, n, k)
            variance, average, _ = _moments(S, mu, goal, n)
            g = variance / average if average > 0.0 else np.inf
            if not low < g < high:
                g = _between(low, high, S, mu, n)
            for i in range(n):
                q[i] = g * mu[i]
        else:
            k = -1
        free[d] = k
        for i in range(len(group)):
            if support[d, i]:
                a = group[i]
                weights[d, i] = min(max(w[a], floor[a]), ceiling[a]) / size[a]


@inner()
def _merge(support, first, index, group, size):
    """Write the first column of each distinct asset, and what stands for each column; return how many there are."""
    n = 0
    for i in range(len(support)):
        if support[i]:
            if first[i] == i:
                group[i], index[n], size[n] = n, i, 0
                n += 1
            group[i] = group[first[i]]
            size[group[i]] += 1
    return n


@inner(fastmath=FAST)
def _moments(S, mu, w, n):
    """Return the variance of weights w, their mean, and the variance it would have if all correlations were one."""
    variance, mean, risk = 0.0, 0.0, 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += S[i, j] * w[j]
        variance += w[i] * total
        mean += w[i] * mu[i]
        risk += S[i, i] ** 0.5 * abs(w[i])
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
