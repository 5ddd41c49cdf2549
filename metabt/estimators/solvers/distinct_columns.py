"""Distinct columns of a window, in an order of their own: whatever is solved of them depends on no order of assets.

Supported columns are sorted by their return of the first session, ties by the next. Those that are the same in all
sessions are one asset, which stands for all of them.
"""

from __future__ import annotations

import math

from metabt.numerics.kernels import inner


@inner()
def _before(returns, first, rows, i, j):
    """Return whether column i comes before column j; neither does where they are the same."""
    for t in range(first, first + rows):
        if returns[t, i] != returns[t, j]:
            return returns[t, i] < returns[t, j]
    return False


@inner()
def in_order(returns, first, rows, support, column):
    """Write the supported columns in their order, then the others; return how many are supported."""
    n = 0
    for i in range(len(support)):
        if support[i]:
            low, high = 0, n
            while low < high:
                middle = (low + high) // 2
                if _before(returns, first, rows, i, column[middle]):
                    high = middle
                else:
                    low = middle + 1
            for a in range(n, low, -1):
                column[a] = column[a - 1]
            column[low] = i
            n += 1
    rest = n
    for i in range(len(support)):
        if not support[i]:
            column[rest] = i
            rest += 1
    return n


@inner()
def merge(returns, first, rows, column, count, group, size, columns):
    """Write the distinct ones of `count` columns, in order, as rows of `columns`; return how many, and their unit.

    `group[a]` is the one that stands for `column[a]`, `size` how many each stands for. Values are in units of a power
    of two such that the largest is between a half and one; 0 units where they are not finite.
    """
    n, most, finite = 0, 0.0, True
    for a in range(count):
        if a == 0 or _before(returns, first, rows, column[a - 1], column[a]):
            size[n] = 0
            n += 1
        group[a] = n - 1
        size[n - 1] += 1
        values = columns[n - 1]
        for t in range(rows):
            value = returns[first + t, column[a]]
            values[t] = value
            most = max(most, abs(value))
            finite &= abs(value) < math.inf
    unit = math.ldexp(1.0, math.frexp(most)[1]) if most > 0.0 else 1.0
    for k in range(n if finite else 0):
        values = columns[k]
        for t in range(rows):
            values[t] /= unit
    return n, unit if finite else 0.0
