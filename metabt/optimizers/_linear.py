"""Dense linear algebra on the leading part of work arrays: Cholesky factor, solves.

Kernels get work arrays that are large enough for every window of a call: square matrices (n, n), vectors `v` (rows, n)
and whole numbers `m` (rows, n). They take the rows apart and hand them on by name: numba compiles `x[i]` twice as fast
as `v[X, i]`. Nothing is allocated per window.
"""

from __future__ import annotations

from metabt.kernels import FAST, inner


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
                L[a, b] = total / L[b, b]
        if not total > 0.0:
            return 0.0
        L[a, a] = total**0.5
        if total < smallest * S[i, i]:
            smallest = total / S[i, i]
    return smallest


@inner(fastmath=FAST)
def solve(L, n, x):
    """Replace the leading n numbers b of x by the solution of L L' x = b."""
    for a in range(n):
        total = x[a]
        for b in range(a):
            total -= L[a, b] * x[b]
        x[a] = total / L[a, a]
    for a in range(n - 1, -1, -1):
        x[a] /= L[a, a]
        for b in range(a):
            x[b] -= L[a, b] * x[a]
