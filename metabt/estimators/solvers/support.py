"""The support of one decision: its columns, and whether weights on them can be solved for at all."""

from __future__ import annotations

import numpy as np

from metabt.estimators.solvers.tolerance import FEASIBLE
from metabt.numerics.kernels import FAST, inner


@inner()
def supported(support, column):
    """Write the supported columns; return how many there are."""
    n = 0
    for i in range(len(support)):
        column[n] = i
        n += support[i]
    return n


@inner(fastmath=FAST)
def feasible(S, column, n, lo, hi):
    """Return whether there are n > 0 assets whose bounds can sum to one, and the covariances at `column` are finite."""
    if n == 0 or n * lo > 1.0 + FEASIBLE or n * hi < 1.0 - FEASIBLE:
        return False
    finite, adjacent = 0, column[n - 1] - column[0] == n - 1
    for a in range(n):
        row = S[column[a]]
        if adjacent:  # loads of what lies side by side are faster
            row = row[column[0] :]
            for b in range(n):
                finite += abs(row[b]) < np.inf
        else:
            for b in range(n):
                finite += abs(row[column[b]]) < np.inf
    return finite == n * n
