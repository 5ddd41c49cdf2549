"""Eigenvalues of a symmetric matrix above an edge, with their vectors; the others are not looked for.

1. Householder's reflections make the matrix tridiagonal (`tridiagonal`).
2. How many eigenvalues lie above a number is the count of positive pivots of the tridiagonal matrix less that number
   (Sylvester's law of inertia). Halving finds the eigenvalues by it, several places at a time (`nth_value`).
3. Inverse iteration finds each vector, orthogonal to those before it, which the reflections take back (`vector_of`).

Equal eigenvalues are as many as they are: nothing rests on one start that might miss a direction.

References
----------
Golub and Van Loan (2013), "Matrix Computations", sections 8.3 and 8.4. Barth, Martin and Wilkinson (1967),
"Calculation of the eigenvalues of a symmetric tridiagonal matrix by the method of bisection", Numerische Mathematik 9.
"""

from __future__ import annotations

import math

from metabt.numerics.kernels import FAST, inner
from metabt.numerics.products import add_multiple, dot

PASSES = 40
"""Times that a bracket is cut in five, or until it cannot be cut any more."""

TURNS = 3
"""Steps of inverse iteration: one or two are enough, unless vectors of nearly equal values have to come apart."""

NONE = 1e-140
"""Length of a row that is as good as zero: its square is still a number."""

SMALL = -1e-300
"""What takes the place of a pivot of zero: an eigenvalue on the edge is not above it."""

GOLDEN = 0.6180339887498949
"""Multiples of it, less their whole parts, are numbers without a pattern: the starts of inverse iteration."""


@inner(fastmath=FAST)
def _add_product(row, x, here, y, n):
    """Add `here` times a row to y; return the row's product with x."""
    total = 0.0
    for i in range(n):
        total += row[i] * x[i]
        y[i] += here * row[i]
    return total


@inner(fastmath=FAST)
def _add_products(a, b, c, d, x, p, q, r, s, y, n):
    """Add p, q, r and s times four rows to y; return the rows' products with x. Each number of x and y is read once."""
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        one += a[i] * x[i]
        two += b[i] * x[i]
        three += c[i] * x[i]
        four += d[i] * x[i]
        y[i] += p * a[i] + q * b[i] + r * c[i] + s * d[i]
    return one, two, three, four


@inner()
def _product(A, x, y, n):
    """Write A x, of which the lower triangle is looked at."""
    for i in range(n):
        y[i] = 0.0
    whole = n // 4 * 4
    for i in range(0, whole, 4):
        p, q, r, s = x[i], x[i + 1], x[i + 2], x[i + 3]
        one, two, three, four = _add_products(A[i], A[i + 1], A[i + 2], A[i + 3], x, p, q, r, s, y, i)
        y[i] += one + A[i, i] * p
        y[i + 1] += two + A[i + 1, i + 1] * q
        y[i + 2] += three + A[i + 2, i + 2] * r
        y[i + 3] += four + A[i + 3, i + 3] * s
        for j in range(i + 1, i + 4):
            y[j] += _add_product(A[j][i:], x[i:], x[j], y[i:], j - i)
    for i in range(whole, n):
        y[i] += _add_product(A[i], x, x[i], y, i) + A[i, i] * x[i]


@inner(fastmath=FAST)
def _take_twice(a, b, x, p, q, y, r, s, n):
    """Subtract `p x + r y` from a row, and `q x + s y` from another."""
    for i in range(n):
        a[i] -= p * x[i] + r * y[i]
        b[i] -= q * x[i] + s * y[i]


@inner(fastmath=FAST)
def _take_both(row, x, here, y, there, n):
    """Subtract `here x + there y` from a row."""
    for i in range(n):
        row[i] -= here * x[i] + there * y[i]


@inner()
def tridiagonal(A, n, diagonal, beside, factor, y):
    """Make A (n, n) tridiagonal, of which the lower triangle is looked at and replaced.

    `beside[k]` stands between `diagonal[k - 1]` and `diagonal[k]`. Row k of A keeps the reflection that has made it
    so, `1 - factor[k] u u'`, with u in its leading k numbers; factor 0 where none was needed.
    """
    for k in range(n - 1, 0, -1):
        u = A[k]
        diagonal[k], factor[k] = u[k], 0.0
        length = math.sqrt(dot(u, u, k))
        beside[k] = u[k - 1] if k == 1 or length < NONE else (-length if u[k - 1] > 0.0 else length)
        if k == 1 or length < NONE:
            continue
        u[k - 1] -= beside[k]
        factor[k] = 2.0 / dot(u, u, k)
        _product(A, u, y, k)
        for i in range(k):
            y[i] *= factor[k]
        add_multiple(-0.5 * factor[k] * dot(u, y, k), u, y, k)
        for i in range(0, k - 1, 2):
            _take_twice(A[i], A[i + 1], u, y[i], y[i + 1], y, u[i], u[i + 1], i + 1)
            A[i + 1, i + 1] -= 2.0 * u[i + 1] * y[i + 1]
        if k % 2 == 1:
            _take_both(A[k - 1], u, y[k - 1], y, u[k - 1], k)
    diagonal[0], beside[0] = A[0, 0], 0.0


@inner()
def count_above(diagonal, beside, n, one, two, three, four):
    """Return how many eigenvalues lie above each of four numbers, whose chains of divisions wait for each other."""
    a = b = c = d = 1.0
    above_a = above_b = above_c = above_d = 0
    for k in range(n):
        middle, square = diagonal[k], beside[k] * beside[k]
        a = middle - one - square / a
        b = middle - two - square / b
        c = middle - three - square / c
        d = middle - four - square / d
        a = a if a != 0.0 else SMALL
        b = b if b != 0.0 else SMALL
        c = c if c != 0.0 else SMALL
        d = d if d != 0.0 else SMALL
        above_a += a > 0.0
        above_b += b > 0.0
        above_c += c > 0.0
        above_d += d > 0.0
    return above_a, above_b, above_c, above_d


@inner()
def nth_value(diagonal, beside, n, low, high, rank):
    """Return the eigenvalue with `rank` others above it, which lies between low and high, as near as halving comes."""
    for _ in range(PASSES):
        step = 0.2 * (high - low)
        one, two, three, four = low + step, low + 2.0 * step, low + 3.0 * step, low + 4.0 * step
        if not (low < one < two < three < four < high):
            break
        a, b, c, d = count_above(diagonal, beside, n, one, two, three, four)
        if d > rank:
            low = four
        elif c > rank:
            low, high = three, four
        elif b > rank:
            low, high = two, three
        elif a > rank:
            low, high = one, two
        else:
            high = one
    return 0.5 * (low + high)


@inner()
def _factor(diagonal, beside, n, value, one, two, three, below, swapped):
    """Take the tridiagonal matrix less a number apart, with partial pivoting: three diagonals of U, and multipliers."""
    here, right = diagonal[0] - value, beside[1] if n > 1 else 0.0
    least = 1e-16 * (abs(value) + 1.0)
    for k in range(n - 1):
        under, middle = beside[k + 1], diagonal[k + 1] - value
        beyond = beside[k + 2] if k + 2 < n else 0.0
        swapped[k] = abs(under) > abs(here)
        if swapped[k]:
            below[k] = here / under
            one[k], two[k], three[k] = under, middle, beyond
            here, right = right - below[k] * middle, -below[k] * beyond
        else:
            one[k] = here if here != 0.0 else least
            below[k] = under / one[k]
            two[k], three[k] = right, 0.0
            here, right = middle - below[k] * right, beyond
    one[n - 1] = here if abs(here) > least else least


@inner()
def _solve(one, two, three, below, swapped, n, x):
    """Replace x by the solution of the system that `_factor` has taken apart."""
    for k in range(n - 1):
        if swapped[k]:
            x[k], x[k + 1] = x[k + 1], x[k] - below[k] * x[k + 1]
        else:
            x[k + 1] -= below[k] * x[k]
    x[n - 1] /= one[n - 1]
    if n > 1:
        x[n - 2] = (x[n - 2] - two[n - 2] * x[n - 1]) / one[n - 2]
    for k in range(n - 3, -1, -1):
        x[k] = (x[k] - two[k] * x[k + 1] - three[k] * x[k + 2]) / one[k]


@inner()
def _normalise(x, n):
    """Divide x by its length; the largest number first, whose square might be none."""
    most = 0.0
    for i in range(n):
        most = max(most, abs(x[i]))
    for i in range(n):
        x[i] /= most
    length = math.sqrt(dot(x, x, n))
    for i in range(n):
        x[i] /= length


@inner()
def vector_of(diagonal, beside, n, value, vectors, rank, scratch, swapped):
    """Write the unit vector of an eigenvalue of the tridiagonal matrix to row `rank`, orthogonal to those before."""
    one, two, three, below = scratch[0], scratch[1], scratch[2], scratch[3]
    x = vectors[rank]
    for i in range(n):
        start = (i + 1 + rank * n) * GOLDEN
        x[i] = 0.5 + start - math.floor(start)
    _factor(diagonal, beside, n, value, one, two, three, below, swapped)
    for _ in range(TURNS):
        _solve(one, two, three, below, swapped, n, x)
        _normalise(x, n)
        for k in range(rank):
            add_multiple(-dot(x, vectors[k], n), vectors[k], x, n)
        _normalise(x, n)


@inner()
def take_back(A, factor, n, x):
    """Turn a vector of the tridiagonal matrix into one of the matrix that `tridiagonal` was given."""
    for k in range(2, n):
        add_multiple(-factor[k] * dot(A[k], x, k), A[k], x, k)


@inner()
def above(A, n, edge, values, vectors, scratch, swapped):
    """Write the eigenvalues of A above an edge, largest first, and their unit vectors; return how many there are.

    The lower triangle of A is replaced. `values` and the rows of `vectors` have room for n numbers, `scratch` for eight
    rows of them.
    """
    diagonal, beside, factor, y = scratch[4], scratch[5], scratch[6], scratch[7]
    tridiagonal(A, n, diagonal, beside, factor, y)
    count = count_above(diagonal, beside, n, edge, edge, edge, edge)[0]
    high = edge
    for k in range(n):
        high = max(high, diagonal[k] + abs(beside[k]) + (abs(beside[k + 1]) if k + 1 < n else 0.0))
    high *= 1.0 + 1e-14
    for rank in range(count):
        values[rank] = nth_value(diagonal, beside, n, edge, high, rank)
        high = values[rank] * (1.0 + 1e-14)  # an equal one may come next
        vector_of(diagonal, beside, n, values[rank], vectors, rank, scratch, swapped)
    for rank in range(count):
        take_back(A, factor, n, vectors[rank])
    return count
