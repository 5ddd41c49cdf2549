"""Products for kernels: of two rows of numbers, and a row times a number, added to another.

Both take the leading n numbers, in whatever order vector registers take them: the same for the same n.
"""

from __future__ import annotations

from metabt.numerics.kernels import FAST, inner


@inner(fastmath=FAST)
def dot(x, y, n):
    """Return the scalar product."""
    total = 0.0
    for i in range(n):
        total += x[i] * y[i]
    return total


@inner(fastmath=FAST)
def add_multiple(factor, x, y, n):
    """Add `factor` times x to y."""
    for i in range(n):
        y[i] += factor * x[i]
