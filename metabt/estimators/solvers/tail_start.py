"""Where the search for the least mean of the worst losses begins: a vertex of `tail_simplex`.

1. Assets are filled up to their bounds, the one of least risk by itself first; the last one stays free.
2. Its losses' quantile is a, of which one session is the kink.

Kinks and bounds are moved by up to twice `JOLT` outwards, each by an amount of its own, so that no two coincide.
"""

from __future__ import annotations

import math

from metabt.numerics.kernels import FAST, inner

JOLT = 1e-12
"""How far bounds and kinks are moved, in weights, and in returns of which the largest is one."""

GOLDEN = 0.6180339887498949
"""Multiples of it, less their whole parts, are numbers of which none is near the next ones."""


@inner()
def jolt(i):
    """Return between one and two times JOLT: another amount for every whole number."""
    return JOLT * (1.0 + (i + 1) * GOLDEN - math.floor((i + 1) * GOLDEN))


@inner()
def quantile(x, n, k):
    """Return the k-th largest (from 0) of the leading n numbers, which are put into another order (Hoare 1961)."""
    low, high = 0, n - 1
    while low < high:
        pivot = x[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while x[i] > pivot:
                i += 1
            while x[j] < pivot:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i, j = i + 1, j - 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return x[k]


@inner(fastmath=FAST)
def mean_of_worst(losses, n, u, a):
    """Return `a + u sum_t max(l_t - a, 0)`."""
    total = 0.0
    for t in range(n):
        total += max(losses[t] - a, 0.0)
    return a + u * total


@inner()
def alone(columns, n, rows, u, tail, risk, scratch):
    """Write the risk of each of n assets by itself, of whose losses `tail` lie wholly in the worst part."""
    for k in range(n):
        values = columns[k]
        for t in range(rows):
            scratch[t] = -values[t]
        risk[k] = mean_of_worst(scratch, rows, u, quantile(scratch, rows, tail))


@inner()
def fill(n, lo, hi, risk, w, side):
    """Write the weights of the start, and at which bound each asset is; return the one that is free."""
    rest, best = 1.0, 0
    for k in range(n):
        w[k], side[k] = lo[k], -1
        rest -= lo[k]
    for _ in range(n):
        best = -1
        for k in range(n):
            if side[k] < 0 and (best < 0 or risk[k] < risk[best]):
                best = k
        if hi[best] - lo[best] >= rest:
            break
        side[best], w[best] = 1, hi[best]
        rest -= hi[best] - lo[best]
    side[best], w[best] = 0, w[best] + rest if side[best] < 0 else w[best]
    return best


@inner()
def split(excess, rows, tail, state, scratch):
    """Take the quantile from the losses; write which of them are in the tail; return the session of the kink."""
    for t in range(rows):
        scratch[t] = excess[t]
    a, kink = quantile(scratch, rows, tail), -1
    for t in range(rows):
        excess[t] -= a
        state[t] = 1 if excess[t] > 0.0 else -1
        if excess[t] == 0.0 and kink < 0:
            kink, state[t] = t, 0
    return kink
