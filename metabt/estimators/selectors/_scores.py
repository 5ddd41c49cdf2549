"""Scores of the eligible assets of every decision, and the best of each cluster.

1. Take the eligible assets' values of a metric together; an asset's average rank is a count: how many are lower, and
   half of the others that are equal. There are 2n - 1 of them, so that logarithms are looked up.
2. Add up `a_k ln P` over the metrics, and what the shortfall takes off.
3. An asset is among the best of its cluster where fewer than `top` candidates of the cluster come before it.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.estimators.selectors._metrics import SHORTFALL, SKEWNESS, UPSIDE
from metabt.estimators.solvers.support import supported
from metabt.numerics.kernels import inner, kernel
from metabt.numerics.reductions import count_twice
from metabt.numerics.vectors import LANES


def scores(values: np.ndarray, eligible: np.ndarray, metrics: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Return the (n_decisions, n_assets) scores of the eligible assets, 0 for the others.

    Parameters
    ----------
    values : (n_metrics, n_decisions, n_assets), as `measure` returns them
    eligible : (n_decisions, n_assets) bool
    metrics : (n,) int64 rows of `values` to score; -1 is antifragility, of two rows that are scaled first
    exponents : (n,) the a_k of these
    """
    out, n = np.zeros(eligible.shape), eligible.shape[1]
    work = np.zeros((4, 2 * n + LANES))
    _scores(values, eligible, metrics, exponents, np.empty(n, np.int64), work, out)
    return out


def best_of_clusters(score: np.ndarray, candidate: np.ndarray, cluster: np.ndarray, top: int) -> np.ndarray:
    """Return (n_decisions, n_assets) bool: the `top` candidates of each cluster by score, ties by column."""
    support = np.zeros(candidate.shape, bool)
    _best(score, candidate, cluster, top, support)
    return support


@kernel()
def _scores(values, eligible, metrics, exponents, column, work, out):
    known, total, twice, logarithm = work[0], work[1], work[2], work[3]
    before = 0
    for d in range(len(eligible)):
        n = supported(eligible[d], column)
        if n != before:
            _tabulate(n, logarithm)
            before = n
        for a in range(n):
            total[a] = 0.0
        for k in range(len(metrics)):
            if metrics[k] >= 0:
                for a in range(n):
                    known[a] = values[metrics[k], d, column[a]]
            else:
                for a in range(n):
                    known[a] = 0.0
                _add_scaled(values[SKEWNESS, d], column, n, known)
                _add_scaled(values[UPSIDE, d], column, n, known)
            count_twice(work, 0, n, work, 2 * work.shape[1])
            for a in range(n):
                total[a] += exponents[k] * logarithm[int(twice[a])]
        worst = 0.0
        for a in range(n):
            worst = max(worst, values[SHORTFALL, d, column[a]])
        for a in range(n):
            share = values[SHORTFALL, d, column[a]] / worst if worst > 0.0 else 0.0
            out[d, column[a]] = total[a] + math.log(1.0 - 0.5 * share)


@inner()
def _add_scaled(value, column, n, known):
    """Add the metric on a scale from 0, the lowest asset, to 1, the highest; 0 where all are the same."""
    low, high = np.inf, -np.inf
    for a in range(n):
        low, high = min(low, value[column[a]]), max(high, value[column[a]])
    for a in range(n if high > low else 0):
        known[a] += (value[column[a]] - low) / (high - low)


@inner()
def _tabulate(n, logarithm):
    """Write ln P by what `count_twice` counts, 0 for a single asset."""
    for k in range(1, 2 * n):
        logarithm[k] = math.log(0.01 + 0.99 * (0.5 * (k - 1)) / (n - 1)) if n > 1 else 0.0


@kernel()
def _best(score, candidate, cluster, top, support):
    for d in range(len(support)):
        own, member, value = cluster[d], candidate[d], score[d]
        for i in range(len(own)):
            before = 0
            for j in range(len(own)):
                better = (value[j] > value[i]) | ((value[j] == value[i]) & (j < i))
                before += member[j] & (own[j] == own[i]) & better
            support[d, i] = member[i] & (before < top)
