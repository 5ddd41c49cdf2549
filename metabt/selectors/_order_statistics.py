"""Quantiles of one window, by counting.

1. Begin at a pivot that may be near, such as the quantile of the window before. Count the values up to it.
2. Stride off, each time twice as far, until the value that is sought has been passed; where that does not happen, take
   the range of all values.
3. Halve the range until few values are left in it, and sort these.

Where it begins decides how long that takes, and nothing of what is found.
"""

from __future__ import annotations

import numpy as np

from metabt.kernels import inner

FEW, STRIDES = 12, 8
"""Values that are sorted rather than counted; strides, before the whole range is halved."""


@inner()
def _range(x, rows):
    """Return the smallest and the largest value; four of each at a time, which do not wait for each other."""
    low, low_1, low_2, low_3 = np.inf, np.inf, np.inf, np.inf
    high, high_1, high_2, high_3 = -np.inf, -np.inf, -np.inf, -np.inf
    whole = rows // 4 * 4
    for t in range(0, whole, 4):
        low, high = min(low, x[t]), max(high, x[t])
        low_1, high_1 = min(low_1, x[t + 1]), max(high_1, x[t + 1])
        low_2, high_2 = min(low_2, x[t + 2]), max(high_2, x[t + 2])
        low_3, high_3 = min(low_3, x[t + 3]), max(high_3, x[t + 3])
    for t in range(whole, rows):
        low, high = min(low, x[t]), max(high, x[t])
    return min(min(low, low_1), min(low_2, low_3)), max(max(high, high_1), max(high_2, high_3))


@inner()
def quantile(x, rows, level, begin, stride, scratch):
    """Return the quantile by linear interpolation between order statistics."""
    place = level * (rows - 1)
    k = int(place)
    low, high = _neighbours(x, rows, k, begin, stride, scratch)
    return low + (place - k) * (high - low) if place > k else low


@inner()
def _neighbours(x, rows, k, begin, stride, scratch):
    """Return the value of rank k, counted from 0, and the next one; the last one has itself next to it."""
    low, high, below, up_to = -np.inf, np.inf, 0, rows  # values up to low, and up to high
    pivot = begin
    for _ in range(STRIDES if stride > 0.0 else 0):
        count = count_up_to(x, rows, pivot)
        if count == k + 1:
            return _either_side(x, rows, pivot)
        if count <= k:
            low, below = pivot, count
            pivot += stride
        else:
            high, up_to = pivot, count
            pivot -= stride
        if -np.inf < low and high < np.inf:
            break
        stride *= 2.0
    if low == -np.inf or high == np.inf:
        least, most = _range(x, rows)
        low, high = max(low, least - (most - least)), min(high, most)
    for _ in range(60):
        pivot = 0.5 * (low + high)
        if up_to - below <= FEW or not low < pivot < high:
            break
        count = count_up_to(x, rows, pivot)
        if count == k + 1:
            return _either_side(x, rows, pivot)
        if count <= k:
            low, below = pivot, count
        else:
            high, up_to = pivot, count
    return _sorted_between(x, rows, low if below > 0 else -np.inf, high, k - below, scratch)


@inner()
def count_up_to(x, rows, pivot):
    count = 0
    for t in range(rows):
        count += x[t] <= pivot
    return count


@inner()
def _either_side(x, rows, middle):
    """Return the largest value up to `middle` and the smallest one above, or the former twice."""
    low, high = -np.inf, np.inf
    for t in range(rows):
        low = max(low, x[t] if x[t] <= middle else -np.inf)
        high = min(high, x[t] if x[t] > middle else np.inf)
    return low, high if high < np.inf else low


@inner()
def _sorted_between(x, rows, low, high, k, scratch):
    """Return the value of rank k among those above `low` and up to `high`, and the next one."""
    count = 0
    for t in range(rows):
        scratch[count] = x[t]
        count += low < x[t] <= high
    for a in range(1, count):
        value, b = scratch[a], a
        while b > 0 and scratch[b - 1] > value:
            scratch[b] = scratch[b - 1]
            b -= 1
        scratch[b] = value
    return scratch[k], scratch[min(k + 1, count - 1)]
