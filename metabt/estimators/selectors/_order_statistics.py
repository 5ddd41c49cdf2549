"""Quantiles of one window, by splitting it.

1. Split the window at a pivot that may be near, such as the quantile of the window before: how many values are up to
   it, the greatest of these, and the least of the others. Where the number is right, these two are what is sought.
2. Else the one of them that lies towards it is the next candidate, and the number says how many values away what is
   sought is from there. Go there by the distance of two values, a guess that grows until both sides are known; then
   from the nearer side. Every split leaves out one value at least.

Of a window's tails, few values can be the quantile: those that are far out are put together once for all windows of an
asset, the low ones and the high ones. Should they turn out too few, the quantile is looked for among all values.

Where it begins, and what is far out, decides how long that takes, and nothing of what is found.
"""

from __future__ import annotations

import numpy as np

from metabt.numerics.kernels import inner
from metabt.numerics.reductions import split_below, split_up_to


@inner()
def quantile(series, first, rows, level, pivot, distance):
    """Return the quantile by linear interpolation between order statistics."""
    place = level * (rows - 1)
    low, high = _neighbours(series, first, rows, int(place), pivot, distance)
    return _between(place, low, high)


@inner()
def tail_quantile(series, first, rows, tail, count, level, pivot, distance):
    """Return the quantile, which is looked for among the `count` values that begin at the place `tail` first.

    These are the window's lowest ones, those up to some bound, or its highest ones where the level is above one half.
    """
    place = level * (rows - 1)
    k = int(place)
    rank = k if level < 0.5 else k - (rows - count)
    if 0 <= rank < count - 1:
        low, high = _neighbours(series, tail, count, rank, pivot, distance)
        return _between(place, low, high)
    return quantile(series, first, rows, level, pivot, distance)


@inner()
def _between(place, low, high):
    """Return what lies at a place between two ranks, of which the lower one is its whole part."""
    part = place - int(place)
    return low + part * (high - low) if part > 0.0 else low


@inner()
def _neighbours(series, first, rows, k, pivot, distance):
    """Return the value of rank k, counted from 0, and the next one; the last one has itself next to it."""
    low, high, before, up_to = -np.inf, np.inf, 0, rows  # values below `low`, and up to `high`
    count, under, over = split_up_to(series, first, rows, pivot)
    while True:
        if count == k + 1:
            return under, over if count < rows else under
        if count <= k:
            low, before = over, count
        else:
            high, up_to = under, count
        if not low < high:  # all that are left are equal
            return low, high
        if -np.inf < low and high < np.inf:
            distance = (high - low) / (up_to - 1 - before)
        ahead, back = k - before, up_to - 2 - k  # from `low` to the one, from `high` to the other
        if high == np.inf or (low > -np.inf and ahead <= back):
            pivot = low + (ahead + 0.5) * distance if ahead > 0 else low
            count, under, over = split_up_to(series, first, rows, pivot if low < pivot < high else low)
        else:
            pivot = high - (back + 0.5) * distance if back > 0 else high
            count, under, over = split_below(series, first, rows, pivot if low < pivot < high else high)
        distance *= 2.0
