"""Sums over the rows of one window in place of products with its covariance, which is never formed.

D are the deviations of the window's returns from their means, `S = D'D` the scatter matrix of all its assets. The
window's copy is (rows, n_assets), so that a pass over it runs along rows; deviations are kept for the few members of
a working set alone, (k, rows), so that their products run along time.
"""

from __future__ import annotations

from metabt.numerics.kernels import FAST, inner


@inner(fastmath=FAST)
def copied(returns, begin, rows, column, n, copy, mean, variance):
    """Write the window less its first row, so that what never changes is 0, its means, and the sums of squares."""
    first = returns[begin]
    for j in range(n):
        mean[j], variance[j] = 0.0, 0.0
    for t in range(rows):
        row, given = copy[t], returns[begin + t]
        if n == len(given):
            for j in range(n):
                row[j] = given[j] - first[j]
        else:
            for j in range(n):
                row[j] = given[column[j]] - first[column[j]]
        for j in range(n):
            mean[j] += row[j]
            variance[j] += row[j] * row[j]
    for j in range(n):
        mean[j] /= rows
        variance[j] -= rows * mean[j] * mean[j]


@inner(fastmath=FAST)
def with_all(copy, rows, n, mean, gradient):
    """Write the covariance of every asset with the sum of all."""
    level = 0.0
    for j in range(n):
        level += mean[j]
        gradient[j] = 0.0
    for t in range(rows):
        row, total = copy[t], -level
        for j in range(n):
            total += row[j]
        for j in range(n):
            gradient[j] += total * row[j]


@inner(fastmath=FAST)
def stream_of(deviations, rows, w, k, G, index, free, stream):
    """Write the deviations of the portfolio; return the multiplier, and the risk if all correlations were one."""
    for t in range(rows):
        stream[t] = 0.0
    risk, lam, held = 0.0, 0.0, 0.0
    for a in range(k):
        if w[a] > 0.0:
            deviation, weight = deviations[a], w[a]
            risk += G[a, a] ** 0.5 * weight
            for t in range(rows):
                stream[t] += weight * deviation[t]
    for a in range(free):
        row, total = G[index[a]], 0.0
        for b in range(k):
            total += row[b] * w[b]
        lam += w[index[a]] * total
        held += w[index[a]]
    return lam / held, risk


@inner(fastmath=FAST)
def gradients(copy, rows, n, stream, mean, gradient):
    """Write D'(Dw) of every asset."""
    total = 0.0
    for t in range(rows):
        total += stream[t]
    for j in range(n):
        gradient[j] = -total * mean[j]
    whole = rows // 4 * 4
    for t in range(0, whole, 4):
        one, two, three, four = copy[t], copy[t + 1], copy[t + 2], copy[t + 3]
        a, b, c, d = stream[t], stream[t + 1], stream[t + 2], stream[t + 3]
        for j in range(n):
            gradient[j] += a * one[j] + b * two[j] + c * three[j] + d * four[j]
    for t in range(whole, rows):
        one, a = copy[t], stream[t]
        for j in range(n):
            gradient[j] += a * one[j]


@inner(fastmath=FAST)
def append(copy, rows, mean, member, first, stop, deviations, G, ridge):
    """Write the deviations of members first to stop, and their scatter with all before them."""
    for t in range(rows):
        row = copy[t]
        for a in range(first, stop):
            deviations[a, t] = row[member[a]] - mean[member[a]]
    for a in range(first, stop):
        one = deviations[a]
        for b in range(a + 1):
            other, total = deviations[b], 0.0
            for t in range(rows):
                total += one[t] * other[t]
            G[a, b] = total
            G[b, a] = total
        G[a, a] += ridge * max(G[a, a], ridge)
