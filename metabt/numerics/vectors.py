"""Vector instructions for kernels (`metabt.numerics.kernels`): eight columns at a time, written out, row by row.

A compiler that looks for vectors by itself sums the last columns of a matrix by other code than the first ones, fused
or not, and an entry's bits would depend on its place. Here every entry is one chain of operations in time, whatever its
place, its neighbours, and the width of the processor's registers.

A *panel* is (rows, LANES) floats, contiguous; places in an array are counted in floats from its beginning. Every array
is C-contiguous.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
"""Columns of a panel: what a register of 512 bits holds; two or four narrower ones hold it as well."""

TILE = LANES * LANES
"""Entries of a tile: the products of two panels."""

PAIR = 2 * LANES
"""Columns of two panels."""

CHAINS = 3
"""Sums, each of every third row, that add up to a column's sum: one alone would wait for each addition."""

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def instruction(function: Callable[..., Any]) -> Any:
    """Return a function for kernels to call; `function` says how a call of it is compiled."""
    return intrinsic(function)


def data(context: Any, builder: Any, signature: Any, args: Any, which: int) -> Any:
    """Return the address at which the data of array argument number `which` begin."""
    return context.make_array(signature.args[which])(context, builder, value=args[which]).data


def _at(builder: Any, base: Any, place: Any) -> Any:
    """Return the address of the vector that begins at a place."""
    return builder.bitcast(builder.gep(base, [place]), _VECTOR.as_pointer())


def load(builder: Any, base: Any, place: Any) -> Any:
    """Return the vector that begins at a place."""
    return builder.load(_at(builder, base, place), align=8)


def store(builder: Any, value: Any, base: Any, place: Any) -> None:
    """Write a vector from a place on."""
    builder.store(value, _at(builder, base, place), align=8)


def begin(builder: Any, value: Any) -> Any:
    """Return a variable that holds a vector, in a register where there are enough."""
    variable = cgutils.alloca_once(builder, value.type)
    builder.store(value, variable)
    return variable


def _tile_row(builder: Any, tile: Any, row: int) -> Any:
    """Return the place of a row of the tile that begins at a place."""
    return builder.add(tile, tile.type(row * LANES))


def spread(builder: Any, number: Any) -> Any:
    """Return a vector of the same number."""
    index = ir.IntType(32)
    nothing = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
    mask = ir.Constant(ir.VectorType(index, LANES), [0] * LANES)
    return builder.shuffle_vector(builder.insert_element(nothing, number, index(0)), nothing, mask)


def _zero() -> Any:
    return ir.Constant(_VECTOR, [0.0] * LANES)


@instruction
def add_products(typing, panels, left, right, rows, blocks, sums, place):
    """Add the products of two panels to a tile, `sum_t panels[left + t, i] panels[right + t, j]`, a block at a time.

    The tile begins at `place` in `sums`; `blocks` follow each other, of `rows` rows each. A block's sum over time
    begins at zero, is a chain of fused multiply-adds, and is then added to the tile.
    """
    signature = types.void(panels, types.intp, types.intp, types.intp, types.intp, sums, types.intp)

    def generate(context, builder, signature, args):
        source, target = (data(context, builder, signature, args, which) for which in (0, 5))
        _, left, right, rows, blocks, _, place = args
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64")
        totals = [begin(builder, load(builder, target, _tile_row(builder, place, i))) for i in range(LANES)]
        products = [begin(builder, _zero()) for _ in totals]
        with cgutils.for_range(builder, blocks) as block:
            first = builder.mul(block.index, rows)
            for product in products:
                builder.store(_zero(), product)
            with cgutils.for_range(builder, rows) as row:
                step = builder.mul(builder.add(first, row.index), rows.type(LANES))
                columns = load(builder, source, builder.add(right, step))
                for i, product in enumerate(products):
                    where = builder.add(builder.add(left, step), rows.type(i))
                    factor = spread(builder, builder.load(builder.gep(source, [where])))
                    builder.store(builder.call(fused, [factor, columns, builder.load(product)]), product)
            for total, product in zip(totals, products, strict=True):
                builder.store(builder.fadd(builder.load(total), builder.load(product)), total)
        for i, total in enumerate(totals):
            store(builder, builder.load(total), target, _tile_row(builder, place, i))
        return context.get_dummy_value()

    return signature, generate


@instruction
def add_outer(typing, left, first, lane, step, right, column, stride, rows, sums, place):
    """Add outer products to the tile at `place`, each entry a chain of `rows` fused multiply-adds from what it was.

    `sums[i, j] += sum_t left[first + i lane + t step] right[column + t stride + j]`, i and j less than LANES.
    """
    spot = types.intp
    signature = types.void(left, spot, spot, spot, right, spot, spot, spot, sums, spot)

    def generate(context, builder, signature, args):
        factors, columns, target = (data(context, builder, signature, args, which) for which in (0, 4, 8))
        _, first, lane, step, _, column, stride, rows, _, place = args
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64")
        totals = [begin(builder, load(builder, target, _tile_row(builder, place, i))) for i in range(LANES)]
        lanes = [builder.add(first, builder.mul(lane, lane.type(i))) for i in range(LANES)]
        with cgutils.for_range(builder, rows) as row:
            values = load(builder, columns, builder.add(column, builder.mul(row.index, stride)))
            further = builder.mul(row.index, step)
            for total, start in zip(totals, lanes, strict=True):
                factor = spread(builder, builder.load(builder.gep(factors, [builder.add(start, further)])))
                builder.store(builder.call(fused, [factor, values, builder.load(total)]), total)
        for i, total in enumerate(totals):
            store(builder, builder.load(total), target, _tile_row(builder, place, i))
        return context.get_dummy_value()

    return signature, generate


@instruction
def add_tiles(typing, sums, first, count, place):
    """Add to the tile at `place` in `sums` the `count` tiles from the one at `first` on, one after another."""
    signature = types.void(sums, types.intp, types.intp, types.intp)

    def generate(context, builder, signature, args):
        room = data(context, builder, signature, args, 0)
        _, first, count, place = args
        totals = [begin(builder, load(builder, room, _tile_row(builder, place, i))) for i in range(LANES)]
        with cgutils.for_range(builder, count) as loop:
            tile = builder.add(first, builder.mul(loop.index, count.type(TILE)))
            for i, total in enumerate(totals):
                row = load(builder, room, _tile_row(builder, tile, i))
                builder.store(builder.fadd(builder.load(total), row), total)
        for i, total in enumerate(totals):
            store(builder, builder.load(total), room, _tile_row(builder, place, i))
        return context.get_dummy_value()

    return signature, generate


@instruction
def turn(typing, table, first, stride, out, place, apart):
    """Write the columns of a tile as rows: LANES rows from `first` on, `stride` apart, as rows that lie `apart`."""
    spot = types.intp
    signature = types.void(table, spot, spot, out, spot, spot)

    def generate(context, builder, signature, args):
        source, target = (data(context, builder, signature, args, which) for which in (0, 3))
        _, first, stride, _, place, apart = args
        rows = [load(builder, source, builder.add(first, builder.mul(stride, stride.type(k)))) for k in range(LANES)]
        for width in (1 << k for k in range(LANES.bit_length() - 1)):  # exchange the halves of ever larger squares
            for k in range(LANES):
                if not k & width:
                    rows[k], rows[k + width] = _exchanged(builder, rows[k], rows[k + width], width)
        for k, row in enumerate(rows):
            store(builder, row, target, builder.add(place, builder.mul(apart, apart.type(k))))
        return context.get_dummy_value()

    return signature, generate


def _exchanged(builder: Any, one: Any, other: Any, width: int) -> tuple[Any, Any]:
    """Return two vectors with every second `width` lanes of the one exchanged for those before them of the other."""
    lanes, index = range(LANES), ir.VectorType(ir.IntType(32), LANES)
    left = ir.Constant(index, [LANES + k - width if k & width else k for k in lanes])
    right = ir.Constant(index, [LANES + k if k & width else k + width for k in lanes])
    return builder.shuffle_vector(one, other, left), builder.shuffle_vector(one, other, right)


@instruction
def drawdowns(typing, returns, first, stride, rows, out, place):
    """Write the largest fall of compounded returns from their highest point, the start included, of LANES columns.

    A column is `w_t = w_(t-1) (1 + x_t)` from one on, and what is written the greatest of zero and `1 - w_t / max w`.
    """
    spot = types.intp
    signature = types.void(returns, spot, spot, spot, out, spot)

    def generate(context, builder, signature, args):
        source, target = (data(context, builder, signature, args, which) for which in (0, 4))
        _, first, stride, rows, _, place = args
        one = ir.Constant(_VECTOR, [1.0] * LANES)
        wealth, peak, worst = (begin(builder, value) for value in (one, one, _zero()))

        def raise_to(variable: Any, value: Any) -> Any:
            before = builder.load(variable)
            after = builder.select(builder.fcmp_ordered(">", value, before), value, before)
            builder.store(after, variable)
            return after

        with cgutils.for_range(builder, rows) as loop:
            values = load(builder, source, builder.add(first, builder.mul(loop.index, stride)))
            now = builder.fmul(builder.load(wealth), builder.fadd(one, values))
            builder.store(now, wealth)
            raise_to(worst, builder.fsub(one, builder.fdiv(now, raise_to(peak, now))))
        store(builder, builder.load(worst), target, place)
        return context.get_dummy_value()

    return signature, generate


@instruction
def centre(typing, source, base, first, stride, rows, weight, total, scale, panels, panel, means, mean):
    """Write LANES columns, less their means, to the panel at `panel` in `panels`, the means at `mean` in `means`.

    The columns begin at `first` in `source`, whose rows lie `stride` apart. With x_0 what lies at `base` in `source`,
    the mean is `m = x_0 + weight sum_t (x_t - x_0) / total`: that of a column that never changes is its value, exactly.
    What is written is `scale (x_t - m)`.
    """
    number, place = types.float64, types.intp
    signature = types.void(source, place, place, place, place, number, number, number, panels, place, means, place)

    def generate(context, builder, signature, args):
        source, target, middle = (data(context, builder, signature, args, which) for which in (0, 8, 10))
        _, base, first, stride, rows, weight, total, scale, _, panel, _, mean = args
        start, factor = load(builder, source, base), spread(builder, scale)
        sums = [begin(builder, _zero()) for _ in range(CHAINS)]

        def add(row: Any, partial: Any) -> None:
            values = load(builder, source, builder.add(first, builder.mul(row, stride)))
            store(builder, values, target, builder.add(panel, builder.mul(row, rows.type(LANES))))
            builder.store(builder.fadd(builder.load(partial), builder.fsub(values, start)), partial)

        chains = rows.type(CHAINS)
        rounds = builder.sdiv(rows, chains)
        with cgutils.for_range(builder, rounds) as loop:
            for k, partial in enumerate(sums):
                add(builder.add(builder.mul(loop.index, chains), rows.type(k)), partial)
        with cgutils.for_range_slice(builder, builder.mul(rounds, chains), rows, rows.type(1)) as (row, _):
            add(row, sums[0])
        gained = builder.fmul(spread(builder, weight), reduce(builder.fadd, [builder.load(it) for it in sums]))
        average = builder.fadd(start, builder.fdiv(gained, spread(builder, total)))
        store(builder, average, middle, mean)
        with cgutils.for_range(builder, rows) as loop:
            where = builder.add(panel, builder.mul(loop.index, rows.type(LANES)))
            deviation = builder.fsub(load(builder, target, where), average)
            store(builder, builder.fmul(factor, deviation), target, where)
        return context.get_dummy_value()

    return signature, generate


@instruction
def combine(typing, matrix, factors, count, first, stop, sums):
    """Write `sums[j] = sum_k factors[k] matrix[k, j]` over `count` rows, for j from `first` to `stop`, PAIRs apart.

    Four rows are added to four chains of fused multiply-adds, what is left over to the first one.
    """
    signature = types.void(matrix, factors, types.intp, types.intp, types.intp, sums)

    def generate(context, builder, signature, args):
        source, weights, target = (data(context, builder, signature, args, which) for which in (0, 1, 5))
        _, _, count, first, stop, _ = args
        stride = builder.extract_value(context.make_array(signature.args[0])(context, builder, value=args[0]).shape, 1)
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64")
        size, whole = count.type, builder.and_(count, count.type(-4))

        def add(row: Any, column: Any, pair: list[Any]) -> None:
            factor = spread(builder, builder.load(builder.gep(weights, [row])))
            for half, total in enumerate(pair):
                place = builder.add(builder.add(builder.mul(row, stride), column), size(half * LANES))
                values = load(builder, source, place)
                builder.store(builder.call(fused, [factor, values, builder.load(total)]), total)

        with cgutils.for_range_slice(builder, first, stop, size(PAIR)) as (column, _):
            chains = [[begin(builder, _zero()) for _ in range(2)] for _ in range(4)]
            with cgutils.for_range_slice(builder, size(0), whole, size(4)) as (row, _):
                for k, pair in enumerate(chains):
                    add(builder.add(row, size(k)), column, pair)
            with cgutils.for_range_slice(builder, whole, count, size(1)) as (row, _):
                add(row, column, chains[0])
            for half in range(2):
                one, two, three, four = (builder.load(pair[half]) for pair in chains)
                total = builder.fadd(builder.fadd(one, two), builder.fadd(three, four))
                store(builder, total, target, builder.add(column, size(half * LANES)))
        return context.get_dummy_value()

    return signature, generate
