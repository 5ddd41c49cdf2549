"""Denoised covariance: eigenvalues of the correlations that chance alone would give are replaced by their mean.

1. Correlations C of the p supported columns over T rows, those without variance left out.
2. Of independent columns, the eigenvalues would lie below `(1 + sqrt(p / T))^2` (Marchenko and Pastur 1967).
3. Those that do are replaced by their mean: the trace stays, what is above the edge stays, and no direction is left
   without risk because of too few rows. Only what is above the edge has to be found (`eigenpairs`): with `level`, the
   mean of the others, C becomes `level I + sum_k (value_k - level) v_k v_k'`.
4. The diagonal is scaled back to ones, and the variances are those of the sample (ddof 1).

Columns that are identical keep no correlation of exactly one: part of it counts as chance.

A window's bits depend on its supported columns alone, in their order.

References
----------
Laloux, Cizeau, Bouchaud and Potters (1999), "Noise dressing of financial correlation matrices", Physical Review
Letters 83.
Lopez de Prado (2018), "Advances in Financial Machine Learning", and (2020), "Machine Learning for Asset Managers",
chapter 2: the constant residual eigenvalue method; here with the edge of unit variance, which needs no fit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metabt.estimators.moments.eigenpairs import above
from metabt.numerics.kernels import inner, kernel
from metabt.numerics.products import add_multiple

if TYPE_CHECKING:
    from metabt.estimators.windows import Windows


def denoised(windows: Windows, support: np.ndarray | None = None) -> np.ndarray:
    """Return the denoised covariance of every window.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    support : (n_decisions, n_assets) bool, optional
        The columns of each decision. Default: all.

    Returns
    -------
    (n_decisions, n_assets, n_assets)
        The sample covariance where a window is not finite or has fewer than two rows, and outside the support.
    """
    S = windows.covariance.copy()
    n = S.shape[1]
    member = np.ones(S.shape[:2], bool) if support is None else np.array(support, dtype=np.bool_)
    lengths = np.array(windows.lengths, dtype=np.int64)
    C, vectors, v, m = np.empty((n, n)), np.empty((n, n)), np.empty((10, n)), np.empty((2, n), np.int64)
    _quieten(S, member, lengths, C, vectors, v, m)
    return S


def edge(p: int, rows: int) -> float:
    """Return the largest eigenvalue that p independent columns would have over so many rows: Marchenko and Pastur's."""
    return (1.0 + math.sqrt(p / rows)) ** 2


_edge = inner()(edge)


@kernel()
def _quieten(S, support, lengths, C, vectors, v, m):
    column, swapped, sigma, values = m[0], m[1], v[8], v[9]
    for d in range(len(S)):
        n = _correlations(S[d], support[d], column, sigma, C)
        if n == 0:
            continue
        trace = 0.0
        for a in range(n):
            trace += C[a, a]
        count = above(C, n, _edge(n, lengths[d]), values, vectors, v, swapped)
        for k in range(count):
            trace -= values[k]
        level = max(trace, 0.0) / (n - count)  # the mean eigenvalue is one, and the edge is above it: some are below
        _put_together(S[d], column, n, sigma, values, vectors, count, level, C[0])


@inner()
def _correlations(S, support, column, sigma, C):
    """Write the lower triangle of the correlations of supported columns that vary; return their number.

    0 where one is not finite.
    """
    n, finite = 0, 0
    for i in range(len(support)):
        if support[i] and S[i, i] > 0.0:
            column[n], sigma[n] = i, math.sqrt(S[i, i])
            n += 1
    for a in range(n):
        for b in range(a + 1):
            C[a, b] = S[column[a], column[b]] / (sigma[a] * sigma[b])
            finite += abs(C[a, b]) < np.inf
    return n if finite == n * (n + 1) // 2 else 0


@inner()
def _put_together(S, column, n, sigma, values, vectors, count, level, row):
    """Write the covariances of what is above the edge, scaled to the variances, which stay."""
    for a in range(n):
        total = level
        for k in range(count):
            total += (values[k] - level) * vectors[k, a] ** 2
        for k in range(count):
            vectors[k, a] *= math.sqrt(values[k] - level) * sigma[a] / math.sqrt(total)
    for a in range(n):
        row[:a] = 0.0
        for k in range(count):
            add_multiple(vectors[k, a], vectors[k], row, a)
        for b in range(a):
            S[column[a], column[b]] = row[b]
            S[column[b], column[a]] = row[b]
