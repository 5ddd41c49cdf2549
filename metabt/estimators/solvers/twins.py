"""Bit-identical assets: merged before a programme is solved, so that ties are shared evenly and exactly.

Two columns are twins if their covariances with every supported column, and their means or whatever else tells them
apart, are the same bits. A moment's bits come from its own columns alone, so that two equal streams are always found.
"""

from __future__ import annotations

from metabt.numerics.kernels import inner


@inner()
def twins(S, mean, column, n, variance, first):
    """Write the place of the first asset that each of the n at `column` is identical to; return how many are distinct.

    `variance` is filled with theirs.
    """
    distinct = 0
    for a in range(n):
        i = column[a]
        variance[a], first[a] = S[i, i], a
        for b in range(a):
            j = column[b]
            if variance[b] == S[i, i] and S[i, j] == S[i, i] and mean[i] == mean[j] and _alike(S, i, j, column, n):
                first[a] = b  # the first one: any twin in between has not been reached
                break
        distinct += first[a] == a
    return distinct


@inner()
def _alike(S, i, j, column, n):
    for a in range(n):
        if S[i, column[a]] != S[j, column[a]]:
            return False
    return True


@inner()
def share_evenly(weights, first, n, total, size):
    """Give each of n weights the mean of its twins' weights, which a solver's rounding may have made different."""
    for a in range(n):
        total[a], size[a] = 0.0, 0
    for a in range(n):
        total[first[a]] += weights[a]
        size[first[a]] += 1
    for a in range(n):
        weights[a] = total[first[a]] / size[first[a]]
