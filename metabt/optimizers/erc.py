"""Equal risk contribution: `w_i (Sw)_i` the same for every asset.

1. Solve the barrier problem of `_barrier` with lam = 1; scaled to sum to one, its solution is the portfolio (Spinu).
2. Where it leaves the bounds: solve in the box `[lo, hi]` for the lam at which the weights sum to one. Assets inside
   their bounds then have equal contributions, those at `max_weight` less, those at `min_weight` more. The lam is
   found by Newton steps on its logarithm, kept in a bracket.
3. An answer whose contributions differ by more than 1e-10 of each other is none.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.kernels import inner, kernel
from metabt.optimizers._barrier import minimise
from metabt.optimizers._linear import solve
from metabt.optimizers._twins import share_evenly, twins
from metabt.optimizers.base import FEASIBLE, Optimizer, feasible
from metabt.risk.covariance import COVARIANCES, Covariance
from metabt.windows import Windows


class EqualRiskContribution(Optimizer):
    """Every asset contributes the same share of the portfolio's variance.

    Parameters
    ----------
    covariance : name, or {name: ..., parameter: ...}
        `sample`, `ewma`, `ledoit_wolf`, `oas` or `denoised` (`metabt.risk.covariance`).
    min_weight, max_weight : float
        Bounds of every supported asset's weight; where they bind, constrained risk budgeting.

    Notes
    -----
    Assets may be perfectly correlated, or outnumber the rows. No solution: an asset without variance, weights that
    hedge all variance away, bounds that cannot sum to one over the supported assets. Bit-identical columns get the
    same bits.

    References
    ----------
    Maillard, Roncalli and Teiletche (2010), "The properties of equally weighted risk contribution portfolios".
    Spinu (2013), "An algorithm for computing risk parity weights".
    Richard and Roncalli (2019), "Constrained risk budgeting portfolios: theory, algorithms, applications & puzzles".
    """

    def __init__(self, *, covariance: Covariance = "sample", min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.covariance = COVARIANCES.build("covariance", covariance)

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        S = self.covariance(windows, support)
        positive = (np.diagonal(S, axis1=1, axis2=2) > 0.0) | ~support
        solved[:] = feasible(S, support, self.min_weight, self.max_weight) & positive.all(axis=1)
        n = support.shape[1]
        v, m, squares = np.empty((7, n)), np.empty((2, n), np.int64), np.empty((3, n, n))
        lo, hi = self.min_weight, self.max_weight
        _stack(S, support, lo, hi, squares, v, m, weights, solved)
        share_evenly(weights, twins(S, np.zeros(support.shape), support))


@kernel()
def _stack(covariance, support, lo, hi, squares, v, m, weights, solved):
    C, H, L = squares[0], squares[1], squares[2]
    x, Cx, sigma = v[0], v[1], v[2]
    floor, ceiling = v[3], v[4]
    step, trial = v[5], v[6]
    index, column = m[0], m[1]
    for d in range(len(support)):
        if not solved[d]:
            continue
        n = _correlations(covariance[d], support[d], C, sigma, column)
        total = 0.0
        for i in range(n):
            for j in range(n):
                total += C[i, j]
        for i in range(n):  # the solution, were all correlations the same
            x[i], floor[i], ceiling[i] = (n / total) ** 0.5 if total > 0.0 else n**-0.5, 0.0, np.inf
        lam, low, high, total, inside = 1.0, 0.0, np.inf, 0.0, False
        for attempt in range(100):
            free = minimise(C, H, L, x, floor, ceiling, Cx, step, trial, index, n, lam)
            if free < 0:
                break
            total = _total(x, sigma, n)
            if attempt == 0:
                lam /= total * total  # without bounds, x(lam) = sqrt(lam) x(1)
                inside = _rescale(x, Cx, sigma, floor, ceiling, n, total, lo, hi)
                if inside:
                    break
                continue
            if abs(total - 1.0) <= 1e-15 * (n + 8):
                break
            low, high = (lam, high) if total < 1.0 else (low, lam)
            lam = _next(L, x, sigma, step, index, free, lam, total, low, high)
        reached = free >= 0 and (inside or abs(total - 1.0) <= FEASIBLE)
        solved[d] = reached and _solved(x, Cx, floor, ceiling, n, lam)
        for a in range(n):
            weights[d, column[a]] = min(max(x[a] / sigma[a] if n > 1 else 1.0, lo), hi)


@inner()
def _correlations(S, support, C, sigma, column):
    """Write C, sigma and the columns of the supported assets; return how many there are."""
    n = 0
    for i in range(len(support)):
        if support[i]:
            column[n] = i
            sigma[n] = math.sqrt(S[i, i])
            n += 1
    for a in range(n):
        for b in range(n):
            C[a, b] = S[column[a], column[b]] / (sigma[a] * sigma[b])
    return n


@inner()
def _total(x, sigma, n):
    total = 0.0
    for i in range(n):
        total += x[i] / sigma[i]
    return total


@inner()
def _rescale(x, Cx, sigma, floor, ceiling, n, total, lo, hi):
    """Scale the unbounded solution to a sum of one; put it into its box, and return whether it was inside."""
    inside = True
    for i in range(n):
        x[i] /= total
        Cx[i] /= total
        w = x[i] / sigma[i]
        if not lo <= w <= hi:
            inside = False
            x[i] = sigma[i] * (lo if w < lo else hi)
    for i in range(n if not inside else 0):
        floor[i], ceiling[i] = lo * sigma[i], hi * sigma[i]
    return inside


@inner()
def _next(L, x, sigma, step, index, free, lam, total, low, high):
    """Return the next lam: a Newton step of the sum on the logarithm of lam, or the middle of the bracket."""
    for a in range(free):
        step[a] = lam
    solve(L, free, step)  # the last factor: d ln x / d ln lam
    slope = 0.0
    for a in range(free):
        slope += step[a] * x[index[a]] / sigma[index[a]]
    change = (1.0 - total) / slope if slope > 0.0 else np.inf
    following = lam * math.exp(min(max(change, -3.0), 3.0))
    if low < following < high:
        return following
    if high < np.inf:
        return math.sqrt(low * high) if low > 0.0 else 0.1 * high
    return 10.0 * low


@inner()
def _solved(x, Cx, floor, ceiling, n, lam):
    """Return whether contributions are equal inside the box, and on the right side of lam at its bounds."""
    for i in range(n):
        slope = x[i] * Cx[i] / lam - 1.0
        if not ((slope < 1e-10 or x[i] <= floor[i]) and (slope > -1e-10 or x[i] >= ceiling[i])):
            return False
    return True
