"""Metrics of every asset in a stack of windows.

1. Each asset's returns, and what else has a row for each of their rows, lie in one contiguous row.
2. The order of three successive returns is one of six. How often each has been seen up to a row is worked out once;
   what a window saw is the difference of two rows.
3. Every metric is a sum, a count or an order statistic of one asset's window: its bits depend on nothing else.
4. An order statistic is found by counting: halve the range of values until few are left in it, and sort these.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.kernels import FAST, inner, kernel
from metabt.risk import arrays
from metabt.windows import Windows

(
    MOMENTUM,
    STABILITY,
    LIQUIDITY,
    EFFICIENCY,
    PREDICTABILITY,
    SKEWNESS,
    UPSIDE,
    SHORTFALL,
    DRAWDOWN,
) = range(9)
"""Rows of what `measure` returns."""

EFFICIENCY_ROWS = 120
"""The last sessions of a window that efficiency looks at."""

FEW = 12
"""Values that are sorted rather than counted."""

BITS = 21
"""Bits of each of the three counts that share a number."""

_ONE = np.array([1, 1 << BITS, 1 << 2 * BITS, 0, 0, 0, 0, 0])
_OTHER = np.array([0, 0, 0, 0, 0, 1, 1 << BITS, 1 << 2 * BITS])
"""What an order adds to the two counters; 3 and 4 contradict themselves."""


def measure(windows: Windows, with_drawdown: bool = True) -> np.ndarray:
    """Return (9, n_decisions, n_assets): a row of each metric.

    - momentum: the mean return. Annualising is a monotone map and cancels in ranks.
    - stability: minus the variance, which ranks as 1 / annualised volatility does.
    - liquidity: the median of the known dollar volumes; 0 where none is known, or the dataset has none.
    - efficiency: |sum r| / sum |r| over the last 120 sessions, 0 where nothing moved: 1 is a straight line.
    - predictability: one minus the normalised entropy of the six orders of three successive returns, equal returns
      ordered by time.
    - skewness: third central moment over the second to the 3/2, 0 without variance.
    - upside: mean of the returns above their 95th percentile; the percentile itself where none is above it.
    - shortfall: expected shortfall at 95 %, minus the mean of the returns up to their 5th percentile, at least 0.
    - drawdown: largest fall of the compounded returns from their highest point in the window, its start included, in
      [0, 1]; 0 unless asked for.

    Percentiles interpolate between order statistics.
    """
    n_rows, n_assets = windows.returns.shape
    out = np.zeros((9, len(windows), n_assets))
    stops, lengths = arrays.index(windows.stops), arrays.index(windows.lengths)
    longest = int(np.max(lengths, initial=0))
    scratch = np.empty(longest)
    columns, seen = np.ascontiguousarray(windows.returns.T), np.zeros((2, n_rows + 1), np.int64)
    _measure(columns, seen, stops, lengths, with_drawdown, scratch, out)
    if windows.dollar_volume is not None:
        volume = np.ascontiguousarray(windows.dollar_volume.T)
        _medians(volume, stops, lengths, np.empty(longest), scratch, out[LIQUIDITY])
    return out


@kernel()
def _measure(columns, seen, stops, lengths, with_drawdown, scratch, out):
    for i in range(len(columns)):
        series = columns[i]
        _orders(series, seen[0], seen[1])
        for d in range(len(stops)):
            rows = lengths[d]
            if rows == 0:
                continue
            x = series[stops[d] - rows : stops[d]]
            mean, second, third = _moments(x, rows)
            out[MOMENTUM, d, i] = mean
            out[STABILITY, d, i] = -second
            out[SKEWNESS, d, i] = third / (second * math.sqrt(second)) if second > 0.0 else 0.0
            out[EFFICIENCY, d, i] = _efficiency(x, rows)
            out[PREDICTABILITY, d, i] = _predictability(seen, stops[d], rows)
            least, most = _range(x, rows)
            out[UPSIDE, d, i] = _above(x, rows, _quantile(x, rows, 0.95, least, most, scratch))
            out[SHORTFALL, d, i] = max(-_up_to(x, rows, _quantile(x, rows, 0.05, least, most, scratch)), 0.0)
            if with_drawdown:
                out[DRAWDOWN, d, i] = _drawdown(x, rows)


@kernel()
def _medians(columns, stops, lengths, known, scratch, out):
    """Write the median of the values that are known (not NaN); 0 where none is."""
    for i in range(len(columns)):
        series = columns[i]
        for d in range(len(stops)):
            count = 0
            for t in range(stops[d] - lengths[d], stops[d]):
                known[count] = series[t]
                count += series[t] == series[t]
            least, most = _range(known, count)
            out[d, i] = _quantile(known, count, 0.5, least, most, scratch) if count > 0 else 0.0


@inner()
def _orders(x, one, other):
    """Write how often each order of a return and the two before it has been seen, up to each row."""
    for t in range(2, len(x)):
        a, b, c = x[t - 2], x[t - 1], x[t]
        order = np.int64(a <= b) | np.int64(b <= c) << 1 | np.int64(a <= c) << 2
        one[t + 1] = one[t] + _ONE[order]
        other[t + 1] = other[t] + _OTHER[order]


@inner(fastmath=FAST)
def _moments(x, rows):
    """Return the mean and the second and third central moments; these are exactly 0 where nothing changes."""
    first, changes, mean = x[0], 0, 0.0
    for t in range(rows):
        mean += x[t]
        changes += x[t] != first
    mean /= rows
    if changes == 0:
        return mean, 0.0, 0.0
    second, third = 0.0, 0.0
    for t in range(rows):
        deviation = x[t] - mean
        square = deviation * deviation
        second += square
        third += square * deviation
    return mean, second / rows, third / rows


@inner(fastmath=FAST)
def _efficiency(x, rows):
    net, path = 0.0, 0.0
    for t in range(max(rows - EFFICIENCY_ROWS, 0), rows):
        net += x[t]
        path += abs(x[t])
    return abs(net) / path if path > 0.0 else 0.0


@inner()
def _predictability(seen, stop, rows):
    entropy, count = 0.0, max(rows - 2, 1)
    for half in range(2 if rows > 2 else 0):
        counts = seen[half, stop] - seen[half, stop - rows + 2]
        for _ in range(3):
            found = counts & ((1 << BITS) - 1)
            counts >>= BITS
            if found > 0:
                p = found / count
                entropy -= p * math.log(p)
    return 1.0 - entropy / math.log(6.0)


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
def _quantile(x, rows, level, least, most, scratch):
    """Return the quantile by linear interpolation between order statistics."""
    place = level * (rows - 1)
    k = int(place)
    low, high = _neighbours(x, rows, k, least, most, scratch)
    return low + (place - k) * (high - low) if place > k else low


@inner()
def _neighbours(x, rows, k, least, most, scratch):
    """Return the value of rank k, counted from 0, and the next one; the last one has itself next to it."""
    low, high = least, most
    below, up_to = 0, rows  # values up to low, where any are below the middle, and up to high
    for _ in range(60):
        middle = 0.5 * (low + high)
        if up_to - below <= FEW or not low < middle < high:
            break
        count = 0
        for t in range(rows):
            count += x[t] <= middle
        if count <= k:
            low, below = middle, count
        elif count > k + 1:
            high, up_to = middle, count
        else:
            return _either_side(x, rows, middle)
    return _sorted_between(x, rows, low if below > 0 else -np.inf, high, k - below, scratch)


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


@inner(fastmath=FAST)
def _above(x, rows, bound):
    total, count = 0.0, 0
    for t in range(rows):
        total += x[t] if x[t] > bound else 0.0
        count += x[t] > bound
    return total / count if count > 0 else bound


@inner(fastmath=FAST)
def _up_to(x, rows, bound):
    total, count = 0.0, 0
    for t in range(rows):
        total += x[t] if x[t] <= bound else 0.0
        count += x[t] <= bound
    return total / count if count > 0 else bound


@inner()
def _drawdown(x, rows):
    wealth, peak, worst = 1.0, 1.0, 0.0
    for t in range(rows):
        wealth *= 1.0 + x[t]
        peak = max(peak, wealth)
        worst = max(worst, 1.0 - wealth / peak)
    return worst
