"""Reductions for kernels (see `metabt.numerics.kernels`): sums, counts and neighbours of numbers that lie side by side.

A stretch is `rows` numbers of an array from the place `first` on. It is taken LANES at a time, by CHAINS chains in
turn; what is left over goes to the first chain, the last few numbers to the second one. Chains, then lanes are joined
in pairs. That order is written out (see `metabt.numerics.vectors` for why), so that a result is a function of the
stretch alone.

The last numbers are loaded LANES at a time as well, and what lies behind the stretch is left out: the array must go on
for LANES - 1 numbers there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from metabt.numerics.vectors import LANES, begin, data, instruction, load, spread, store

CHAINS = 4
"""Number of vectors that are taken at a time; their additions do not wait for each other."""

COUNTS = ir.VectorType(ir.IntType(64), LANES)
NUMBERS = ir.VectorType(ir.DoubleType(), LANES)

Join = Callable[[Any, Any, Any], Any]
"""(builder, one, other) -> both in one: an addition, the lesser, the greater."""


def _sum(builder: Any, one: Any, other: Any) -> Any:
    return builder.fadd(one, other)


def _number(builder: Any, one: Any, other: Any) -> Any:
    return builder.add(one, other)


def _least(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", one, other), one, other)


def _greatest(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", one, other), one, other)


START: dict[Join, Any] = {
    _sum: ir.Constant(NUMBERS, [0.0] * LANES),
    _number: ir.Constant(COUNTS, [0] * LANES),
    _least: ir.Constant(NUMBERS, [float("inf")] * LANES),
    _greatest: ir.Constant(NUMBERS, [float("-inf")] * LANES),
}
"""Value of a reduction over no numbers."""


def _fold(builder: Any, base: Any, first: Any, rows: Any, joins: Sequence[Join], take: Callable[..., Any]) -> list[Any]:
    """Return the reductions of a stretch: `take(values, inside)` returns (which lanes count, what is joined) of each.

    None for the lanes is all of them; `inside` are the lanes of the stretch, None where all are.
    """
    chains = [[begin(builder, START[join]) for join in joins] for _ in range(CHAINS)]
    size = rows.type

    def visit(place: Any, chain: list[Any], inside: Any = None) -> None:
        for join, total, (lanes, value) in zip(
            joins, chain, take(load(builder, base, builder.add(first, place)), inside), strict=True
        ):
            counted = value if lanes is None else builder.select(lanes, value, START[join])
            builder.store(join(builder, counted, builder.load(total)), total)

    rounds = builder.sdiv(rows, size(LANES * CHAINS))
    with cgutils.for_range(builder, rounds) as loop:
        for k, chain in enumerate(chains):
            visit(builder.add(builder.mul(loop.index, size(LANES * CHAINS)), size(k * LANES)), chain)
    whole = builder.mul(builder.sdiv(rows, size(LANES)), size(LANES))
    with cgutils.for_range_slice(builder, builder.mul(rounds, size(LANES * CHAINS)), whole, size(LANES)) as (place, _):
        visit(place, chains[0])
    with builder.if_then(builder.icmp_signed("<", whole, rows)):
        lanes = ir.Constant(COUNTS, list(range(LANES)))
        visit(whole, chains[1], builder.icmp_signed("<", lanes, spread(builder, builder.sub(rows, whole))))
    return [_joined(builder, join, [builder.load(chain[k]) for chain in chains]) for k, join in enumerate(joins)]


def _joined(builder: Any, join: Join, vectors: list[Any]) -> Any:
    """Return the reduction of all lanes of some vectors."""
    while len(vectors) > 1:
        vectors = [join(builder, one, other) for one, other in zip(vectors[::2], vectors[1::2], strict=True)]
    (vector,) = vectors
    index = ir.IntType(32)
    half = LANES // 2
    while half:
        mask = ir.Constant(ir.VectorType(index, LANES), [(k + half) % LANES for k in range(LANES)])
        vector = join(builder, vector, builder.shuffle_vector(vector, vector, mask))
        half //= 2
    return builder.extract_element(vector, index(0))


def _both(builder: Any, lanes: Any, inside: Any) -> Any:
    """Return which of the lanes are inside; None has all."""
    return lanes if inside is None else builder.and_(lanes, inside)


def _split(relation: str) -> Any:
    @instruction
    def split(typing, array, first, rows, pivot):
        signature = types.Tuple((types.int64, types.float64, types.float64))(
            array, types.intp, types.intp, types.float64
        )

        def generate(context, builder, signature, args):
            _, first, rows, pivot = args
            bound, one = spread(builder, pivot), ir.Constant(COUNTS, [1] * LANES)

            def take(values: Any, inside: Any) -> Any:
                before = _both(builder, builder.fcmp_ordered(relation, values, bound), inside)
                behind = _both(builder, builder.not_(builder.fcmp_ordered(relation, values, bound)), inside)
                return (before, one), (before, values), (behind, values)

            base = data(context, builder, signature, args, 0)
            found = _fold(builder, base, first, rows, (_number, _greatest, _least), take)
            return context.make_tuple(builder, signature.return_type, found)

        return signature, generate

    return split


split_up_to = _split("<=")
"""(array, first, rows, pivot) -> how many are up to the pivot, the greatest of them, the least of the others."""

split_below = _split("<")
"""(array, first, rows, pivot) -> how many are below the pivot, the greatest of them, the least of the others."""


@instruction
def tails(typing, array, first, rows, low, high):
    """Return the sum and number of those up to `low`, then of those above `high`."""
    number, count = types.float64, types.int64
    signature = types.Tuple((number, count, number, count))(array, types.intp, types.intp, number, number)

    def generate(context, builder, signature, args):
        _, first, rows, low, high = args
        one, least, most = ir.Constant(COUNTS, [1] * LANES), spread(builder, low), spread(builder, high)

        def take(values: Any, inside: Any) -> Any:
            under = _both(builder, builder.fcmp_ordered("<=", values, least), inside)
            over = _both(builder, builder.fcmp_ordered(">", values, most), inside)
            return (under, values), (under, one), (over, values), (over, one)

        base = data(context, builder, signature, args, 0)
        found = _fold(builder, base, first, rows, (_sum, _number, _sum, _number), take)
        return context.make_tuple(builder, signature.return_type, found)

    return signature, generate


@instruction
def cubes(typing, array, first, rows, middle):
    """Return the sum of `(x - middle)^3`."""
    signature = types.float64(array, types.intp, types.intp, types.float64)

    def generate(context, builder, signature, args):
        _, first, rows, middle = args
        centre = spread(builder, middle)

        def take(values: Any, inside: Any) -> Any:
            deviation = builder.fsub(values, centre)
            return ((inside, builder.fmul(builder.fmul(deviation, deviation), deviation)),)

        base = data(context, builder, signature, args, 0)
        return _fold(builder, base, first, rows, (_sum,), take)[0]

    return signature, generate


@instruction
def net_and_path(typing, array, first, rows):
    """Return the sum, and the sum of absolute values."""
    signature = types.UniTuple(types.float64, 2)(array, types.intp, types.intp)

    def generate(context, builder, signature, args):
        _, first, rows = args
        kind = ir.FunctionType(NUMBERS, [NUMBERS])
        size = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fabs.v{LANES}f64")

        def take(values: Any, inside: Any) -> Any:
            return (inside, values), (inside, builder.call(size, [values]))

        base = data(context, builder, signature, args, 0)
        return context.make_tuple(builder, signature.return_type, _fold(builder, base, first, rows, (_sum, _sum), take))

    return signature, generate


@instruction
def nearest(typing, array, first, rows):
    """Return the least value, and the place of the first that has it, counted from `first`; rows are whole vectors."""
    signature = types.Tuple((types.float64, types.intp))(array, types.intp, types.intp)

    def generate(context, builder, signature, args):
        _, first, rows = args
        base = data(context, builder, signature, args, 0)
        least = _fold(builder, base, first, rows, (_least,), lambda values, inside: ((inside, values),))[0]
        sought, found, whole = spread(builder, least), begin(builder, rows), ir.IntType(LANES)
        with cgutils.for_range_slice(builder, rows.type(0), rows, rows.type(LANES)) as (done, _):
            place = builder.sub(builder.sub(rows, rows.type(LANES)), done)  # from the last vector to the first
            equal = builder.fcmp_ordered("==", load(builder, base, builder.add(first, place)), sought)
            lanes = builder.zext(builder.bitcast(equal, whole), rows.type)
            there = builder.add(place, builder.cttz(lanes, ir.Constant(ir.IntType(1), 0)))
            some = builder.icmp_signed("!=", lanes, rows.type(0))
            builder.store(builder.select(some, there, builder.load(found)), found)
        return context.make_tuple(builder, signature.return_type, [least, builder.load(found)])

    return signature, generate


@instruction
def count_twice(typing, array, first, rows, out, place):
    """Write twice the number of those that are lower than each, and the number of those that are equal to it.

    Numbers behind the stretch are read, and their places written, up to a whole vector.
    """
    signature = types.void(array, types.intp, types.intp, out, types.intp)

    def generate(context, builder, signature, args):
        base, target = (data(context, builder, signature, args, which) for which in (0, 3))
        _, first, rows, _, place = args
        one, two = (ir.Constant(NUMBERS, [number] * LANES) for number in (1.0, 2.0))
        with cgutils.for_range_slice(builder, rows.type(0), rows, rows.type(LANES)) as (done, _):
            own, total = load(builder, base, builder.add(first, done)), begin(builder, START[_sum])
            with cgutils.for_range(builder, rows) as loop:
                other = spread(builder, builder.load(builder.gep(base, [builder.add(first, loop.index)])))
                equal = builder.select(builder.fcmp_ordered("==", other, own), one, START[_sum])
                counted = builder.select(builder.fcmp_ordered("<", other, own), two, equal)
                builder.store(builder.fadd(builder.load(total), counted), total)
            store(builder, builder.load(total), target, builder.add(place, done))
        return context.get_dummy_value()

    return signature, generate


@instruction
def least_of_sums(typing, numbers, first, count, table, corner, stride, out, place):
    """Write `min_k numbers[first + k] + table[corner + k stride + j]`, k less than count, for LANES columns j."""
    spot = types.intp
    signature = types.void(numbers, spot, spot, table, spot, spot, out, spot)

    def generate(context, builder, signature, args):
        addends, rows, target = (data(context, builder, signature, args, which) for which in (0, 3, 6))
        _, first, count, _, corner, stride, _, place = args
        least = begin(builder, START[_least])
        with cgutils.for_range(builder, count) as loop:
            number = spread(builder, builder.load(builder.gep(addends, [builder.add(first, loop.index)])))
            row = load(builder, rows, builder.add(corner, builder.mul(loop.index, stride)))
            builder.store(_least(builder, builder.fadd(number, row), builder.load(least)), least)
        store(builder, builder.load(least), target, place)
        return context.get_dummy_value()

    return signature, generate
