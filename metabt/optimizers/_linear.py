"""Dense linear algebra on the leading part of work arrays: Cholesky factors, solves, products.

Kernels get work arrays that are large enough for every window of a call: square matrices (n, n), vectors `v` (rows, n)
and whole numbers `m` (rows, n). They take the rows apart and hand them on by name: numba compiles `x[i]` twice as fast
as `v[X, i]`. Nothing is allocated per window.

`factor` and `solve_both` work on a factor that grows and shrinks by rows. `factor_whole` and `solve_whole` work on a
matrix at once, with rows of a padded `width`: every inner loop then runs over whole vector registers, which is four
times as fast for a few dozen assets. What stands beyond the n-th column is zero, or is never looked at.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils

from metabt.kernels import FAST, inner
from metabt.vectors import LANES as REGISTER
from metabt.vectors import begin, data, instruction, load, spread, store

VECTOR = ir.VectorType(ir.DoubleType(), REGISTER)

LANES = 16
"""Numbers that a vectorised loop takes at a time."""


def padded(n: int) -> int:
    """Return the width of the rows of work arrays for n assets."""
    return -(-n // LANES) * LANES


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
                L[a, b] = total / L[b, b]
        if not total > 0.0:
            return 0.0
        L[a, a] = total**0.5
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
        x[a], y[a] = one / row[a], other / row[a]
    for a in range(n - 1, -1, -1):
        row = L[a]
        one, other = x[a] / row[a], y[a] / row[a]
        x[a], y[a] = one, other
        for b in range(a):
            x[b] -= row[b] * one
            y[b] -= row[b] * other


@instruction
def product(typing, C, x, out, n):
    """Write C x over the padded width, for a symmetric C of n rows.

    A row is added to one of four sums in turn, 16 columns at a time: those stay in registers. Rows are read up to a
    multiple of four, of numbers that are zero.
    """
    signature = types.void(C, x, out, types.intp)

    def generate(context, builder, signature, args):
        matrix, factors, target = (data(context, builder, signature, args, which) for which in (0, 1, 2))
        shape = context.make_array(signature.args[0])(context, builder, value=args[0]).shape
        stride = builder.extract_value(shape, 1)
        size, zero = stride.type, ir.Constant(VECTOR, [0.0] * REGISTER)
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{REGISTER}f64")
        with cgutils.for_range_slice(builder, size(0), args[3], size(LANES)) as (column, _):
            chains = [[begin(builder, zero) for _ in range(LANES // REGISTER)] for _ in range(4)]
            with cgutils.for_range_slice(builder, size(0), args[3], size(4)) as (first, _):
                for k, chain in enumerate(chains):
                    row = builder.add(first, size(k))
                    factor = spread(builder, builder.load(builder.gep(factors, [row])))
                    place = builder.add(builder.mul(row, stride), column)
                    for j, total in enumerate(chain):
                        values = load(builder, matrix, builder.add(place, size(j * REGISTER)))
                        builder.store(builder.call(fused, [factor, values, builder.load(total)]), total)
            for j in range(LANES // REGISTER):
                one, two, three, four = (builder.load(chain[j]) for chain in chains)
                total = builder.fadd(builder.fadd(one, two), builder.fadd(three, four))
                store(builder, total, target, builder.add(column, size(j * REGISTER)))
        return context.get_dummy_value()

    return signature, generate


@inner(fastmath=FAST)
def factor_whole(H, U, L, n, width):
    """Write U with H = U'U, and its transpose L; their diagonals are written as reciprocals."""
    for i in range(n):
        first = i // LANES * LANES
        row, given, rest = U[i, first:width], H[i, first:width], width - first
        for j in range(rest):
            row[j] = given[j]
        column, whole = L[i], i // 4 * 4
        for k in range(0, whole, 4):
            one, two, three, four = (
                U[k, first:width],
                U[k + 1, first:width],
                U[k + 2, first:width],
                U[k + 3, first:width],
            )
            a, b, c, d = column[k], column[k + 1], column[k + 2], column[k + 3]
            for j in range(rest):
                row[j] -= a * one[j] + b * two[j] + c * three[j] + d * four[j]
        for k in range(whole, i):
            other, a = U[k, first:width], column[k]
            for j in range(rest):
                row[j] -= a * other[j]
        pivot = row[i - first] ** -0.5
        for j in range(rest):
            row[j] *= pivot
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
