"""Dense linear algebra on the leading part of work arrays: Cholesky factors, solves, products.

Kernels get work arrays that are large enough for every window of a call: square matrices (n, n), vectors `v` (rows, n)
and whole numbers `m` (rows, n). They take the rows apart and hand them on by name: numba compiles `x[i]` twice as fast
as `v[X, i]`. Nothing is allocated per window.

`factor` and `solve_both` work on a factor that grows and shrinks by rows. `factor_whole` and `solve_whole` work on a
matrix at once, with rows of a padded `width`: every inner loop then runs over whole vector registers, which is four
times as fast for a few dozen assets. What stands beyond the n-th column is zero, or is never looked at. Both write the
reciprocals of a factor's diagonal.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.estimators.moments.arrays import aligned
from metabt.numerics.kernels import FAST, inner
from metabt.numerics.vectors import PAIR, combine

LANES = PAIR
"""Numbers that a vectorised loop takes at a time."""


def padded(n: int) -> int:
    """Return the width of the rows of work arrays for n assets."""
    return -(-n // LANES) * LANES


def work_arrays(n: int, vectors: int, numbers: int, squares: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return work arrays for up to n assets, filled with zeros: `v`, `m`, and square matrices."""
    width = padded(n)
    v, matrices = aligned((vectors, width), (squares, width, width))
    v[:], matrices[:] = 0.0, 0.0
    return v, np.zeros((numbers, width), np.int64), matrices


@inner()
def width_of(n):
    """Return `padded(n)`."""
    return (n + LANES - 1) // LANES * LANES


# reassociation lets the dot products use vector registers
@inner(fastmath=FAST)
def factor(S, index, start, stop, L):
    """Write rows start to stop of the Cholesky factor L of `S[index, index]`, whose first rows stand.

    `index` lists the assets whose matrix is factored, in the order of the factor.

    Returns the smallest pivot relative to its diagonal entry: the part of an asset's variance that those before it do
    not explain. It is 0 where the factor could not be finished.
    """
    smallest = 1.0
    for a in range(start, stop):
        i = index[a]
        for b in range(a + 1):
            total = S[i, index[b]]
            for c in range(b):
                total -= L[a, c] * L[b, c]
            if b < a:
                L[a, b] = total * L[b, b]
        if not total > 0.0:
            return 0.0
        L[a, a] = 1.0 / math.sqrt(total)
        if total < smallest * S[i, i]:
            smallest = total / S[i, i]
    return smallest


@inner(fastmath=FAST)
def solve_both(L, n, x, y):
    """Replace the leading n numbers b of x by the solution of L L' x = b, and those of y likewise."""
    for a in range(n):
        row, one, other = L[a], x[a], y[a]
        for b in range(a):
            one -= row[b] * x[b]
            other -= row[b] * y[b]
        x[a], y[a] = one * row[a], other * row[a]
    for a in range(n - 1, -1, -1):
        row = L[a]
        one, other = x[a] * row[a], y[a] * row[a]
        x[a], y[a] = one, other
        for b in range(a):
            x[b] -= row[b] * one
            y[b] -= row[b] * other


@inner()
def product(C, x, out, n):
    """Write C x over the padded width, for a symmetric C of n rows; those up to a multiple of four are zero.

    Rows left over from four at a time would be a loop whose end the processor cannot foresee, at half the time again.
    """
    combine(C, x, (n + 3) // 4 * 4, 0, width_of(n), out)


@inner(fastmath=FAST)
def factor_whole(H, U, L, n, width):
    """Write U with H = U'U, and its transpose L."""
    for i in range(n):
        first = i // LANES * LANES
        combine(U, L[i], i, first, width, U[i])
        row, given = U[i, first:width], H[i, first:width]
        pivot = 1.0 / math.sqrt(given[i - first] - row[i - first])
        for j in range(width - first):
            row[j] = (given[j] - row[j]) * pivot
        row[i - first] = pivot
        for j in range(i, n):
            L[j, i] = row[j - first]


@inner(fastmath=FAST)
def solve_whole(U, L, n, width, x, scratch):
    """Replace the leading n numbers b of x by the solution of U'U x = b; U and L as `factor_whole` writes them."""
    for k in range(n):
        first = k // LANES * LANES
        row, rest, length = U[k, first:width], x[first:width], width - first
        here = rest[k - first] * row[k - first]
        scratch[k] = here
        for j in range(length):
            rest[j] -= here * row[j]
    for k in range(n - 1, -1, -1):
        row = L[k]
        here = scratch[k] * row[k]
        x[k] = here
        for j in range(k // LANES * LANES + LANES):
            scratch[j] -= here * row[j]
