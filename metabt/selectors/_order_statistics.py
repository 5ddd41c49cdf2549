"""Quantiles of one window, by splitting it.

1. Split the window at a pivot that may be near, such as the quantile of the window before: how many values are up to
   it, the greatest of these, and the least of the others. Where the number is right, these two are what is sought.
2. Else the one of them that lies towards it is the next candidate, and the number says how many values away what is
   sought is from there. Go there by the distance of two values, a guess that grows until both sides are known; then
   from the nearer side. Every split leaves out one value at least.

Where it begins decides how long that takes, and nothing of what is found.
"""

from __future__ import annotations

import numpy as np

from metabt.kernels import inner
from metabt.reductions import split_below, split_up_to


@inner()
def quantile(series, first, rows, level, pivot, distance):
    """Return the quantile by linear interpolation between order statistics."""
    place = level * (rows - 1)
    k = int(place)
    low, high = _neighbours(series, first, rows, k, pivot, distance)
    return low + (place - k) * (high - low) if place > k else low


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
            pivot = low + ahead * distance
            count, under, over = split_up_to(series, first, rows, pivot if low < pivot < high else low)
        else:
            pivot = high - back * distance
            count, under, over = split_below(series, first, rows, pivot if low < pivot < high else high)
        distance *= 2.0
