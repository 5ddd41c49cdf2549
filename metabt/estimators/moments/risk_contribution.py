"""Risk contributions: shares of variance that sum to one.

Ex ante, at a decision with weights v and S the sample covariance of its window: `v_c (S v)_c / (v' S v)`.
Realised, over a stream R to which item c contributed x_c: `cov(x_c, R) / var(R)`; cash is an item like any other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metabt.estimators.moments import arrays
from metabt.numerics.kernels import FAST, inner, kernel


def ex_ante(covariance: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return shares of variance, (n_decisions, n_items), NaN where the variance is not positive.

    `covariance` (n_decisions, n_items, n_items), `weights` (n_decisions, n_items).
    """
    shares = np.empty(weights.shape)
    _shares(covariance, weights, shares)
    return shares


@kernel()
def _shares(covariance, weights, shares):
    for d in range(shares.shape[0]):
        total = 0.0
        for i in range(shares.shape[1]):
            marginal = 0.0
            if weights[d, i] != 0.0:
                for j in range(shares.shape[1]):
                    marginal += covariance[d, i, j] * weights[d, j]
            shares[d, i] = weights[d, i] * marginal
            total += shares[d, i]
        for i in range(shares.shape[1]):
            shares[d, i] = shares[d, i] / total if total > 0.0 else np.nan


def ex_ante_of_returns(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what `ex_ante` does without forming a covariance, (n_decisions, n_items).

    `returns` (n_rows, n_items); window d is rows `stops[d] - lengths[d] : stops[d]`; `weights` (n_decisions, n_items).
    With x_a the deviations from their mean of the returns of a: `w_a x_a'(Xw) / (Xw)'(Xw)`.
    """
    shares, n = np.empty(weights.shape), weights.shape[1]
    rows = int(np.max(lengths, initial=0))
    deviations, stream, held = np.empty((n, rows)), np.empty(rows), np.empty(n, np.int64)
    X, stops, lengths = arrays.matrix(returns), arrays.index(stops), arrays.index(lengths)
    _shares_of_returns(X, stops, lengths, arrays.matrix(weights), deviations, stream, held, shares)
    return shares


@kernel(fastmath=FAST)
def _shares_of_returns(returns, stops, lengths, weights, deviations, stream, held, shares):
    for d in range(len(stops)):
        rows, count, total = lengths[d], 0, 0.0
        for i in range(shares.shape[1]):
            shares[d, i] = 0.0
            held[count] = i
            count += weights[d, i] != 0.0
        _deviations(returns, stops[d] - rows, rows, held, count, deviations)
        for t in range(rows):
            stream[t] = 0.0
        for a in range(count):
            row, weight = deviations[a], weights[d, held[a]]
            for t in range(rows):
                stream[t] += weight * row[t]
        for a in range(count):
            row, marginal = deviations[a], 0.0
            for t in range(rows):
                marginal += row[t] * stream[t]
            shares[d, held[a]] = weights[d, held[a]] * marginal
            total += weights[d, held[a]] * marginal
        for i in range(shares.shape[1]):
            shares[d, i] = shares[d, i] / total if total > 0.0 and rows > 1 else np.nan


@inner(fastmath=FAST)
def _deviations(returns, begin, rows, held, count, deviations):
    """Write the deviations of the held columns from their means; exactly 0 where nothing changes."""
    for t in range(rows):
        given, first = returns[begin + t], returns[begin]
        for a in range(count):
            deviations[a, t] = given[held[a]] - first[held[a]]
    for a in range(count):
        row, total = deviations[a], 0.0
        for t in range(rows):
            total += row[t]
        for t in range(rows):
            row[t] -= total / rows


def realised(earned: np.ndarray, gross: np.ndarray) -> np.ndarray:
    """Return shares of realised variance, (n_items + 1,), the last one cash; NaN where the stream does not vary.

    `earned` (n_sessions, n_items) is what each item contributed to `gross` (n_sessions,).
    """
    items = np.concatenate([earned, (gross - earned.sum(axis=1))[:, None]], axis=1)
    centred = gross - gross.mean() if len(gross) else gross
    variance = centred @ centred
    return centred @ items / variance if variance > 0 else np.full(items.shape[1], np.nan)


def realised_by(earned: Callable[[np.ndarray], np.ndarray], gross: np.ndarray, n_items: int) -> np.ndarray:
    """Return shares of realised variance as `realised` does, (n_items + 1,), without the (n_sessions, n_items) matrix.

    `earned` takes a weight per session, (n_sessions,), and returns the weighted sums of what items contributed,
    `sum_t weight_t x_tc`, (n_items,); `gross` (n_sessions,) is the stream.
    """
    centred = gross - gross.mean() if len(gross) else gross
    variance = centred @ centred
    if not variance > 0:
        return np.full(n_items + 1, np.nan)
    items = earned(centred) / variance
    return np.append(items, centred @ gross / variance - items.sum())
