"""Hierarchical risk parity: order assets by similarity, then halve the list again and again.

1. Ward's tree on the distances `sqrt((1 - rho) / 2)`, in optimal leaf order (`metabt.clustering`).
2. An order and its reverse are equally good: the end with the smaller variance comes first, ties by column.
3. Split the list in the middle. Each half's risk is the variance of its inverse-variance portfolio; the left half
   gets `1 - left / (left + right)` of the weight, within what each half's bounds leave possible. Repeat in each half.
"""

from __future__ import annotations

import numpy as np

from metabt.clustering import CHAIN, COLUMN, ORDER, STACK, optimal_orders, trees
from metabt.kernels import inner, kernel
from metabt.optimizers.base import Optimizer, feasible
from metabt.risk.covariance import check_name, covariance
from metabt.windows import Windows

BLOCK = 32
"""Decisions whose trees are held at a time, so that they stay in the processor's cache."""


class HierarchicalRiskParity(Optimizer):
    """Hierarchical risk parity with Ward's tree, Pearson distance and optimal leaf order.

    Parameters
    ----------
    covariance : {"sample", "ledoit_wolf"}
    min_weight, max_weight : float
        Bounds of every supported asset's weight; each split respects what they leave possible below it.

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

    def __init__(self, *, covariance: str = "sample", min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        check_name(covariance)
        self.covariance = covariance

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        S = covariance(windows, self.covariance, support)
        positive = (np.diagonal(S, axis1=1, axis2=2) > 0.0) | ~support
        solved[:] = feasible(S, support, self.min_weight, self.max_weight) & positive.all(axis=1)
        usable = support & solved[:, None]
        for first in range(0, len(S), BLOCK):
            part = slice(first, first + BLOCK)
            D, count, m, _ = trees(S[part], usable[part])
            optimal_orders(D, count, m)
            _allocate(S[part], count, self.min_weight, self.max_weight, m, weights[part])


@kernel()
def _allocate(covariance, count, lo, hi, m, weights):
    for d in range(len(count)):
        if count[d] > 0:
            _orient(covariance[d], count[d], m[d])
            _halve(covariance[d], count[d], lo, hi, m[d], weights[d])


@inner()
def _orient(covariance, n, m):
    """Turn leaves in row ORDER into columns, with the end of smaller variance first."""
    for a in range(n):
        m[ORDER, a] = m[COLUMN, m[ORDER, a]]
    first, last = m[ORDER, 0], m[ORDER, n - 1]
    one, two = covariance[first, first], covariance[last, last]
    if two < one or (two == one and last < first):
        for a in range(n // 2):
            m[ORDER, a], m[ORDER, n - 1 - a] = m[ORDER, n - 1 - a], m[ORDER, a]


@inner()
def _risk(covariance, start, stop, m):
    """Return the variance of the inverse-variance portfolio of the assets at these places."""
    total, variance = 0.0, 0.0
    for a in range(start, stop):
        i = m[ORDER, a]
        total += 1.0 / covariance[i, i]
        for b in range(start, stop):
            j = m[ORDER, b]
            variance += covariance[i, j] / (covariance[i, i] * covariance[j, j])
    return variance / (total * total)


@inner()
def _halve(covariance, n, lo, hi, m, weights):
    """Write the weights: every pending part of the list lies between rows STACK and CHAIN, its weight on each asset."""
    for a in range(n):
        weights[m[ORDER, a]] = 1.0
    depth = 1
    m[STACK, 0], m[CHAIN, 0] = 0, n
    while depth > 0:
        depth -= 1
        start, stop = m[STACK, depth], m[CHAIN, depth]
        if stop - start == 1:  # within its bounds but for rounding
            weights[m[ORDER, start]] = min(max(weights[m[ORDER, start]], lo), hi)
            continue
        middle = start + (stop - start) // 2
        weight = weights[m[ORDER, start]]
        left, right = _risk(covariance, start, middle, m), _risk(covariance, middle, stop, m)
        least = max((middle - start) * lo, weight - (stop - middle) * hi)
        most = min((middle - start) * hi, weight - (stop - middle) * lo)
        share = min(max(weight * (right / (left + right)), least), most)
        for a in range(start, stop):
            weights[m[ORDER, a]] = share if a < middle else weight - share
        m[STACK, depth], m[CHAIN, depth] = start, middle
        m[STACK, depth + 1], m[CHAIN, depth + 1] = middle, stop
        depth += 2
