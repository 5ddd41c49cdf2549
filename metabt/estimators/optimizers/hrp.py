"""Hierarchical risk parity: order assets by similarity, then halve the list again and again.

1. Ward's tree on the distances `sqrt((1 - rho) / 2)`, in optimal leaf order (`metabt.estimators.clustering`).
2. An order and its reverse are equally good: the end with the smaller variance comes first, ties by column.
3. Split the list in the middle. Each half's risk is the variance of its inverse-variance portfolio; the left half
   gets `1 - left / (left + right)` of the weight, within what each half's bounds leave possible. Repeat in each half.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.clustering import CHAIN, COLUMN, ORDER, STACK, optimal_orders, trees
from metabt.estimators.moments.covariance import COVARIANCES, Covariance
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.solvers.support import feasible, supported
from metabt.estimators.windows import Windows
from metabt.numerics.kernels import inner, kernel

BLOCK = 32
"""Decisions whose trees are held at a time, so that they stay in the processor's cache."""


class HierarchicalRiskParity(Optimizer):
    """Hierarchical risk parity with Ward's tree, Pearson distance and optimal leaf order.

    Parameters
    ----------
    covariance : str or dict
        `sample`, `ewma`, `ledoit_wolf`, `oas` or `denoised` (`metabt.estimators.moments.covariance`), or one with
        parameters: {"name": "ewma", "half_life": 63}.
    min_weight, max_weight : float
        Bounds of every supported asset's weight; each split respects what they leave possible below it.

    Raises
    ------
    ConfigError
        For bounds out of order or range, or an unknown covariance.

    Notes
    -----
    Needs no inverse, so a singular covariance is fine. No solution: an asset without variance, bounds that cannot sum
    to one over the supported assets. The weights are not a symmetric function of the assets: two equal columns may
    get different weights.

    References
    ----------
    Lopez de Prado (2016), "Building diversified portfolios that outperform out of sample", Journal of Portfolio
    Management 42.
    """

    def __init__(self, *, covariance: Covariance = "sample", min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.covariance = COVARIANCES.build("covariance", covariance)

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        S = self.covariance(windows, support)
        usable = np.zeros(support.shape, bool)
        _admit(S, support, self.min_weight, self.max_weight, np.empty(support.shape[1], np.int64), usable, solved)
        for first in range(0, len(S), BLOCK):
            part = slice(first, first + BLOCK)
            D, count, m, _ = trees(S[part], usable[part])
            optimal_orders(D, count, m)
            _allocate(S[part], count, self.min_weight, self.max_weight, m, np.empty(len(S[0])), weights[part])


@kernel()
def _admit(covariance, support, lo, hi, column, usable, solved):
    """Write the assets of the decisions that have a solution: all of their assets have a variance."""
    for d in range(len(support)):
        n = supported(support[d], column)
        if not feasible(covariance[d], column, n, lo, hi):
            continue
        solved[d] = True
        for a in range(n):
            solved[d] = solved[d] and covariance[d, column[a], column[a]] > 0.0
        for a in range(n if solved[d] else 0):
            usable[d, column[a]] = True


@kernel()
def _allocate(covariance, count, lo, hi, m, inverse, weights):
    for d in range(len(count)):
        if count[d] > 0:
            rows = m[d]
            order = rows[ORDER]
            _orient(covariance[d], count[d], rows[COLUMN], order)
            for a in range(count[d]):
                inverse[a] = 1.0 / covariance[d, order[a], order[a]]
            _halve(covariance[d], count[d], lo, hi, order, inverse, rows[STACK], rows[CHAIN], weights[d])


@inner()
def _orient(S, n, column, order):
    """Turn the order's leaves into columns, with the end of smaller variance first."""
    for a in range(n):
        order[a] = column[order[a]]
    first, last = order[0], order[n - 1]
    if S[last, last] < S[first, first] or (S[last, last] == S[first, first] and last < first):
        for a in range(n // 2):
            b = n - 1 - a
            order[a], order[b] = order[b], order[a]


@inner()
def _risk(S, start, stop, order, inverse):
    """Return the variance of the inverse-variance portfolio of the assets at these places; `inverse` is by place."""
    total, variance = 0.0, 0.0
    for a in range(start, stop):
        row, above = S[order[a]], 0.0
        for b in range(start, a):
            above += row[order[b]] * inverse[b]
        total += inverse[a]
        variance += inverse[a] * (2.0 * above + 1.0)
    return variance / (total * total)


@inner()
def _halve(S, n, lo, hi, order, inverse, starts, stops, weights):
    """Write the weights: each pending part of the list lies between a start and a stop, its weight on each asset."""
    for a in range(n):
        weights[order[a]] = 1.0
    depth = 1
    starts[0], stops[0] = 0, n
    while depth > 0:
        depth -= 1
        start, stop = starts[depth], stops[depth]
        weight = weights[order[start]]
        if stop - start == 1:  # within its bounds but for rounding
            weights[order[start]] = min(max(weight, lo), hi)
            continue
        half, other = (stop - start) // 2, stop - start - (stop - start) // 2
        middle = start + half
        left, right = _risk(S, start, middle, order, inverse), _risk(S, middle, stop, order, inverse)
        share = min(max(weight * (right / (left + right)), half * lo), half * hi)
        share = min(max(share, weight - other * hi), weight - other * lo)
        for a in range(start, stop):
            weights[order[a]] = share if a < middle else weight - share
        stops[depth] = middle
        depth += 1
        starts[depth], stops[depth] = middle, stop
        depth += 1
