"""Metrics of every asset in a stack of windows.

1. Each asset's returns, and what else has a row for each of their rows, lie in one contiguous row.
2. The order of three successive returns is one of six. How often each has been seen up to a row is worked out once;
   what a window saw is the difference of two rows.
3. Every metric is a sum, a count or an order statistic of one asset's window: its bits depend on nothing else.
4. Order statistics are looked for from where those of the window before were (`_order_statistics`).
"""

from __future__ import annotations

import math

import numpy as np

from metabt.kernels import FAST, inner, kernel
from metabt.risk import arrays
from metabt.selectors._order_statistics import count_up_to, quantile
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
        low, high = 0.0, 0.0
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
            stride = 0.25 * math.sqrt(second)
            high = quantile(x, rows, 0.95, high, stride, scratch)
            low = quantile(x, rows, 0.05, low, stride, scratch)
            out[UPSIDE, d, i] = _mean_above(x, rows, high)
            out[SHORTFALL, d, i] = max(-_mean_up_to(x, rows, low), 0.0)
            if with_drawdown:
                out[DRAWDOWN, d, i] = _drawdown(x, rows)


@kernel()
def _medians(columns, stops, lengths, known, scratch, out):
    """Write the median of the values that are known (not NaN); 0 where none is."""
    for i in range(len(columns)):
        series = columns[i]
        for d in range(len(stops)):
            x, rows = series[stops[d] - lengths[d] : stops[d]], lengths[d]
            count = count_up_to(x, rows, np.inf)  # what is not a number is not up to anything
            if count == 0:
                out[d, i] = 0.0
                continue
            if count < rows:
                _gather(x, rows, known)
                x = known
            begin = out[d - 1, i] if d > 0 else x[0]
            out[d, i] = quantile(x, count, 0.5, begin, 0.05 * abs(begin), scratch)


@inner()
def _gather(x, rows, known):
    """Write the values that are known, one behind the other."""
    count = 0
    for t in range(rows):
        known[count] = x[t]
        count += x[t] == x[t]


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


@inner(fastmath=FAST)
def _mean_above(x, rows, bound):
    total, count = 0.0, 0
    for t in range(rows):
        total += x[t] if x[t] > bound else 0.0
        count += x[t] > bound
    return total / count if count > 0 else bound


@inner(fastmath=FAST)
def _mean_up_to(x, rows, bound):
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
