"""Gaussian elimination of a general square matrix: `P B = L U` with partial pivoting, and solves with B and B'.

Small systems only, taken apart anew whenever B changes: no error is handed on, and inner loops run along rows.
"""

from __future__ import annotations

from metabt.numerics.kernels import FAST, inner


@inner(fastmath=FAST)
def eliminate(B, n, swapped):
    """Replace the leading n rows and columns of B by L and U; return whether B is regular.

    `swapped[k]` is the row that was swapped with row k. The diagonal of U is kept as reciprocals.
    """
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(B[i, k]) > abs(B[best, k]):
                best = i
        swapped[k] = best
        row, other = B[k], B[best]
        if not abs(other[k]) > 0.0:
            return False
        if best != k:
            for j in range(n):
                row[j], other[j] = other[j], row[j]
        row[k] = 1.0 / row[k]
        for i in range(k + 1, n):
            below = B[i]
            share = below[k] * row[k]
            below[k] = share
            if share != 0.0:
                for j in range(k + 1, n):
                    below[j] -= share * row[j]
    return True


@inner(fastmath=FAST)
def solve(B, n, swapped, x):
    """Replace the leading n numbers b of x by the solution of B x = b; B as `eliminate` leaves it."""
    for k in range(n):
        i = swapped[k]
        x[k], x[i] = x[i], x[k]
    for i in range(1, n):
        row, total = B[i], x[i]
        for j in range(i):
            total -= row[j] * x[j]
        x[i] = total
    for i in range(n - 1, -1, -1):
        row, total = B[i], x[i]
        for j in range(i + 1, n):
            total -= row[j] * x[j]
        x[i] = total * row[i]


@inner(fastmath=FAST)
def solve_transposed(B, n, swapped, x):
    """Replace the leading n numbers b of x by the solution of B' x = b; B as `eliminate` leaves it."""
    for i in range(n):
        row = B[i]
        here = x[i] * row[i]
        x[i] = here
        for j in range(i + 1, n):
            x[j] -= here * row[j]
    for i in range(n - 1, 0, -1):
        row, here = B[i], x[i]
        for j in range(i):
            x[j] -= here * row[j]
    for k in range(n - 1, -1, -1):
        i = swapped[k]
        x[k], x[i] = x[i], x[k]
