"""Risk by asset, ex ante, of many assets over overlapping windows, without forming their covariance.

1. Decisions are taken LANES at a time, over the sessions that any of their windows has.
2. A portfolio's stream is `p_t = sum_a w_a x_ta`, a chain of additions over assets.
3. It is centred over its own window, and 0 elsewhere: what is centred on one side need not be on the other.
4. `w_a sum_t p_t x_ta / sum_t p_t^2`, a chain of additions over time: zeros ahead of a window or behind it add nothing.

So a decision's bits depend on its own window, and neither on the others' nor on where the returns are cut.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.moments.arrays import aligned, index, matrix
from metabt.numerics.kernels import inner, kernel
from metabt.numerics.vectors import LANES, TILE, add_outer

ROWS = 4 * LANES
"""Sessions of returns that are read again while they are in the processor's cache."""


def ex_ante_by_asset(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return shares of variance, (n_decisions, n_assets), that sum to one; NaN where the variance is not positive.

    Parameters
    ----------
    returns : (n_rows, n_assets) finite simple returns, oldest first
    stops, lengths : (n_decisions,) int64
        Window d is rows `stops[d] - lengths[d] : stops[d]`.
    weights : (n_decisions, n_assets)
    """
    X, stops, lengths = matrix(returns), index(stops), index(lengths)
    shares, n_panels = np.empty(weights.shape), -(-X.shape[1] // LANES)
    group, streams, sums, edge, side = aligned(
        (X.shape[1], LANES), (len(X) + LANES, LANES), (n_panels, TILE), (LANES, X.shape[1]), (ROWS, LANES)
    )
    _shares(X, stops, lengths, matrix(weights), group, streams, sums, edge, side, shares)
    return shares


@kernel()
def _shares(returns, stops, lengths, weights, group, streams, sums, edge, side, shares):
    """Take decisions LANES at a time; `group` are their weights, `edge` and `side` the ends of returns, padded."""
    edge[:] = 0.0
    side[:] = 0.0
    for first in range(0, len(stops), LANES):
        count = min(LANES, len(stops) - first)
        begin, stop = stops[first] - lengths[first], stops[first]
        for d in range(first, first + count):
            begin, stop = min(begin, stops[d] - lengths[d]), max(stop, stops[d])
        for a in range(len(group)):
            for i in range(LANES):
                group[a, i] = weights[first + i, a] if i < count else 0.0
        streams[: stop - begin + LANES] = 0.0
        sums[:] = 0.0
        for t in range(begin, stop, LANES):
            if _seen(stops, lengths, first, count, t, t + LANES):
                _portfolios(returns, t, min(LANES, stop - t), group, edge, streams, t - begin)
        for i in range(count):
            window = stops[first + i] - lengths[first + i] - begin
            shares[first + i, 0] = _centre(streams, i, window, lengths[first + i], stop - begin)
        for t in range(begin, stop, ROWS):
            if _seen(stops, lengths, first, count, t, t + ROWS):
                _marginals(returns, t, min(ROWS, stop - t), streams, t - begin, side, sums)
        for i in range(count):
            variance = shares[first + i, 0]
            for a in range(len(group)):
                marginal = sums[a // LANES, i * LANES + a % LANES]
                shares[first + i, a] = group[a, i] * marginal / variance if variance > 0.0 else np.nan


@inner()
def _seen(stops, lengths, first, count, begin, stop):
    """Return whether any window of a group has one of the rows from `begin` to `stop`."""
    for d in range(first, first + count):
        if stops[d] > begin and stops[d] - lengths[d] < stop:
            return True
    return False


@inner()
def _portfolios(returns, t, rows, group, edge, streams, row):
    """Write what the portfolios of a group returned in LANES sessions from `t` on, of which there are `rows`."""
    n = returns.shape[1]
    if rows == LANES:
        add_outer(returns, t * n, n, 1, group, 0, LANES, n, streams, row * LANES)
        return
    for k in range(rows):
        for a in range(n):
            edge[k, a] = returns[t + k, a]
    add_outer(edge, 0, n, 1, group, 0, LANES, n, streams, row * LANES)


@inner()
def _centre(streams, i, begin, rows, stop):
    """Centre a portfolio's stream over its window, with 0 before and after; return its sum of squares."""
    total, squares = 0.0, 0.0
    for t in range(begin, begin + rows):
        total += streams[t, i] - streams[begin, i]
    mean = streams[begin, i] + total / rows  # of what never changes, exactly its value
    for t in range(stop):
        centred = streams[t, i] - mean if begin <= t < begin + rows else 0.0
        streams[t, i] = centred
        squares += centred * centred
    return squares


@inner()
def _marginals(returns, t, rows, streams, row, side, sums):
    """Add up what the portfolios and every asset returned together in `rows` sessions from `t` on."""
    n = returns.shape[1]
    for p in range(n // LANES):
        add_outer(streams, row * LANES, 1, LANES, returns, t * n + p * LANES, n, rows, sums, p * TILE)
    left = n // LANES * LANES
    if left < n:
        for k in range(rows):
            for a in range(left, n):
                side[k, a - left] = returns[t + k, a]
        add_outer(streams, row * LANES, 1, LANES, side, 0, LANES, rows, sums, len(sums) * TILE - TILE)
