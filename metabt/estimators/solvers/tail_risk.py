"""Least tail risk of a stack of windows: the weights whose mean of the worst losses is least, and the proof that it is.

For each window, by itself:

1. Sort the supported assets by their returns, and let one stand for all that are identical (`distinct_columns`).
2. From the start of `tail_start` go down to the lowest vertex (`tail_simplex`).
3. Put back what had been moved to tell ties apart, and go on from there; no step is left, as a rule.
4. The multipliers bound the risk of every portfolio from below: `sum_t p_t l_t` of the best for these p. Where the
   risk that was found lies further above that bound than rounding explains, there is no solution.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.estimators.moments.arrays import index, matrix
from metabt.estimators.solvers.distinct_columns import in_order, merge
from metabt.estimators.solvers.tail_simplex import descend, place
from metabt.estimators.solvers.tail_start import alone, fill, jolt, split
from metabt.estimators.solvers.tolerance import FEASIBLE
from metabt.numerics.kernels import inner, kernel
from metabt.numerics.products import add_multiple, dot

GAP = 1e-10
"""Most by which a risk may miss its lower bound, as a part of the portfolio's largest loss or gain."""

ROUNDING = 1e-15
"""What it may miss it by in any case, the largest return being one: sums of returns are not more exact."""

STEPS = 50
"""Steps at most, per asset and session; a tenth of one is usual."""

STILL = 1e-14
"""How far on the wrong side of its kink a loss may be, returns being at most 1: rounding is not to be followed."""

WHOLE = 1e-9
"""Part of a session that counts as none."""


def least_tail_risk(
    returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray, support: np.ndarray, beta: float, lo: float, hi: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the weights of the assets in their order, that order, and which windows are solved.

    Parameters
    ----------
    returns : (n_rows, n_assets) simple returns, oldest first
    stops, lengths : (n_decisions,) int64
        Window d is rows `stops[d] - lengths[d] : stops[d]`.
    support : (n_decisions, n_assets) bool
    beta : float
        Level: the worst `1 - beta` of the sessions count.
    lo, hi : float
        Bounds of every supported asset.

    Returns
    -------
    ordered : (n_decisions, n_assets)
        Weights within rounding of bounds and budget.
    order : (n_decisions, n_assets) int64
        The columns they are of: the supported ones in the order of their returns, then the others.
    solved : (n_decisions,) bool
    """
    n, rows = support.shape[1], int(lengths.max(initial=0))
    size = min(n, rows) + 1
    ordered, order = np.zeros(support.shape), np.zeros(support.shape, np.int64)
    solved = np.zeros(len(support), bool)
    square, by_session, by_asset = np.zeros((size, size)), np.zeros((5, rows)), np.zeros((6, n + 1))
    sessions, assets = np.zeros((3, rows), np.int64), np.zeros((5, n + 1), np.int64)
    work = np.zeros((n, rows)), square, by_session, by_asset, sessions, assets
    member = np.array(support, dtype=np.bool_)
    _stack(matrix(returns), index(stops), index(lengths), member, beta, lo, hi, *work, ordered, order, solved)
    return ordered, order, solved


@kernel()
def _stack(returns, stops, lengths, support, beta, lo, hi, columns, B, v, a, s, m, ordered, order, solved):
    group, size = m[0], m[1]
    w, floor, ceiling = a[0], a[1], a[2]
    for d in range(len(stops)):
        rows, first = lengths[d], stops[d] - lengths[d]
        count = in_order(returns, first, rows, support[d], order[d])
        if rows == 0 or count == 0 or count * lo > 1.0 + FEASIBLE or count * hi < 1.0 - FEASIBLE:
            continue
        n, unit = merge(returns, first, rows, order[d], count, group, size, columns)
        if unit == 0.0:
            continue
        for k in range(n):
            floor[k], ceiling[k] = size[k] * lo, min(size[k] * hi, 1.0)
        if _least(columns, n, rows, (1.0 - beta) * rows, w, floor, ceiling, B, v, a, s, m):
            solved[d] = True
            for k in range(count):
                ordered[d, k] = max(w[group[k]] / size[group[k]], 0.0)


@inner()
def _least(columns, n, rows, worst, w, lo, hi, B, v, a, s, m):
    """Write the weights of least mean loss in the `worst` sessions; return whether they are proved to be."""
    excess, p, shift = v[0], v[2], v[4]
    y, z, side = a[4], a[5], m[2]
    free, swapped = m[3], m[4]
    state, kinks = s[0], s[1]
    u = 1.0 / max(worst, 1.0)  # the multipliers sum to one: none is above it anyway
    _begin(columns, n, rows, u, worst, w, lo, hi, v, a, s, m)
    count, lam = np.int64(1), 0.0
    for turn in range(2):
        if turn > 0:
            _put_back(n, rows, w, lo, hi, side, shift)
            place(columns, n, rows, w, free, kinks, count, shift, B, swapped, z, excess)
            for t in range(rows):
                if state[t] * excess[t] < -STILL:
                    state[t] = -state[t]
        vectors = (excess, v[1], p, v[3])
        count, lam = descend(
            columns,
            n,
            rows,
            u,
            lo,
            hi,
            w,
            side,
            state,
            free,
            kinks,
            count,
            B,
            swapped,
            y,
            z,
            vectors,
            s[2],
            STEPS * (n + rows),
        )
        if count == 0:
            return False
    level = place(columns, n, rows, w, free, kinks, count, shift, B, swapped, z, excess)
    return _is_proved(columns, n, rows, u, w, lo, hi, p, lam, excess, level)


@inner()
def _begin(columns, n, rows, u, worst, w, lo, hi, v, a, s, m):
    """Move bounds and kinks, and write the vertex of the start: one free asset, one session on its kink."""
    excess, scratch, shift = v[0], v[3], v[4]
    risk, side, free = a[3], m[2], m[3]
    state, kinks = s[0], s[1]
    tail = min(max(int(math.ceil(worst - WHOLE)) - 1, 0), rows - 1)
    alone(columns, n, rows, u, tail, risk, scratch)
    for k in range(n):
        lo[k] -= jolt(k)
        hi[k] += jolt(k)
    free[0] = fill(n, lo, hi, risk, w, side)
    for t in range(rows):
        shift[t] = jolt(t)
        excess[t] = shift[t]
    for k in range(n):
        if w[k] != 0.0:
            add_multiple(-w[k], columns[k], excess, rows)
    kinks[0] = split(excess, rows, tail, state, scratch)


@inner()
def _put_back(n, rows, w, lo, hi, side, shift):
    """Put bounds and kinks back to where they belong, and with them the assets that are fixed."""
    for k in range(n):
        lo[k] += jolt(k)
        hi[k] -= jolt(k)
        if side[k] != 0:
            w[k] = lo[k] if side[k] < 0 else hi[k]
    for t in range(rows):
        shift[t] = 0.0


@inner()
def _is_proved(columns, n, rows, u, w, lo, hi, p, lam, excess, level):
    """Return whether the risk of w is its lower bound, and w within its bounds, up to GAP."""
    risk, bound, largest, outside = level, lam, 0.0, 0.0
    for t in range(rows):
        risk += u * max(excess[t], 0.0)
        largest = max(largest, abs(excess[t] + level))
        p[t] = min(max(p[t], 0.0), u)
    for k in range(n):
        slope = -dot(columns[k], p, rows) - lam
        bound += slope * (lo[k] if slope > 0.0 else hi[k])
        outside = max(outside, lo[k] - w[k], w[k] - hi[k])
    return risk - bound <= GAP * largest + ROUNDING and outside <= GAP
