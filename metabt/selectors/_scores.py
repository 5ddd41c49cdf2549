"""Scores of the eligible assets of every decision, and the best of each cluster.

1. Take the eligible assets' values of a metric together; an asset's average rank is a count: how many are lower, and
   half of the others that are equal.
2. Add up `a_k ln P` over the metrics, and what the shortfall takes off.
3. An asset is among the best of its cluster where fewer than `top` candidates of the cluster come before it.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.kernels import inner, kernel
from metabt.selectors._metrics import SHORTFALL, SKEWNESS, UPSIDE


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
    _scores(values, eligible, metrics, exponents, np.empty(n, np.int64), np.empty((2, n)), out)
    return out


def best_of_clusters(score: np.ndarray, candidate: np.ndarray, cluster: np.ndarray, top: int) -> np.ndarray:
    """Return (n_decisions, n_assets) bool: the `top` candidates of each cluster by score, ties by column."""
    support = np.zeros(candidate.shape, bool)
    _best(score, candidate, cluster, top, support)
    return support


@kernel()
def _scores(values, eligible, metrics, exponents, column, work, out):
    known, total = work[0], work[1]
    for d in range(len(eligible)):
        n = 0
        for i in range(len(column)):
            column[n] = i
            n += eligible[d, i]
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
            _add_ranks(known, n, exponents[k], total)
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
def _add_ranks(known, n, exponent, total):
    """Add the exponent times the logarithm of P, which is 1 for a single asset."""
    for a in range(n if n > 1 else 0):
        lower, same, own = 0, 0, known[a]
        for b in range(n):
            lower += known[b] < own
            same += known[b] == own
        total[a] += exponent * math.log(0.01 + 0.99 * (lower + 0.5 * (same - 1)) / (n - 1))


@kernel()
def _best(score, candidate, cluster, top, support):
    for d in range(len(support)):
        for i in range(len(support[d])):
            if not candidate[d, i]:
                continue
            before = 0
            for j in range(len(support[d])):
                if candidate[d, j] and cluster[d, j] == cluster[d, i]:
                    before += score[d, j] > score[d, i] or (score[d, j] == score[d, i] and j < i)
            support[d, i] = before < top
