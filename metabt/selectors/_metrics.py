"""Metrics of every asset in a stack of windows.

1. Each asset's returns, and what else has a row for each of their rows, lie in one contiguous row.
2. The order of three successive returns is one of six. How often each has been seen up to a row is worked out once;
   what a window saw is the difference of two rows.
3. Every metric is a sum, a count or an order statistic of one asset's window: its bits depend on nothing else.
4. Order statistics are looked for from where those of the window before were (`_order_statistics`).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from metabt.kernels import inner, kernel
from metabt.reductions import cubes, net_and_path, tails
from metabt.risk import arrays
from metabt.selectors._order_statistics import quantile, tail_quantile
from metabt.vectors import LANES
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

UNITS = 2.0**36
"""Parts of one in which entropies are added up: the sum stays a whole number of 64 bits, the error below 1e-12."""

TAIL, SPARSE = 1.645, 9.7
"""Of a normal distribution: its 95th percentile, and the distance of two of n values there times n, in deviations."""


FAR = 1.2
"""How many deviations from the mean a return is far out: more than twice as many as are beyond the percentiles."""


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
    out = np.zeros((9, len(windows), windows.returns.shape[1]))
    stops, lengths = arrays.index(windows.stops), arrays.index(windows.lengths)
    series, seen = _columns(windows.returns), np.zeros((3, len(windows.returns) + 1), np.int64)
    far, moments = np.empty((1, series.shape[1])), (windows.mean, windows.covariance)
    _measure(
        series, far, seen, _terms(max(int(np.max(lengths, initial=0)), 1)), stops, lengths, *moments, with_drawdown, out
    )
    if windows.dollar_volume is not None:
        volume = _columns(windows.dollar_volume)
        _medians(volume, stops, lengths, np.empty((1, volume.shape[1])), out[LIQUIDITY])
    return out


def _columns(table: np.ndarray) -> np.ndarray:
    """Return the columns as rows, which go on for as long as reductions want them to."""
    columns = np.empty((table.shape[1], len(table) + LANES))
    columns[:, : len(table)] = table.T
    return columns


@cache
def _terms(most: int) -> np.ndarray:
    """Return `n ln n` of every number of times up to `most` that an order can be seen, in units of 1 / UNITS.

    Whole numbers have the same sum in any order: assets that saw the same numbers of different orders are tied.
    """
    numbers = np.arange(most + 1)
    return np.rint(UNITS * numbers * np.log(np.maximum(numbers, 1))).astype(np.int64)


@kernel()
def _measure(series, far, seen, terms, stops, lengths, mean, covariance, with_drawdown, out):
    before = seen[2]
    for i in range(len(series)):
        _orders(series[i], seen[0], seen[1])
        least, most = _bounds(lengths, mean[:, i], covariance[:, i, i])
        _gather_far(series[i], least, most, far[0], before)
        low, high = np.nan, np.nan
        for d in range(len(stops)):
            rows = lengths[d]
            if rows == 0:
                continue
            first, average = i * series.shape[1] + stops[d] - rows, mean[d, i]
            variance = covariance[d, i, i] * (rows - 1) / rows if rows > 1 else 0.0
            deviation = math.sqrt(variance)
            out[MOMENTUM, d, i] = average
            out[STABILITY, d, i] = -variance
            if variance > 0.0:
                out[SKEWNESS, d, i] = cubes(series, first, rows, average) / rows / (variance * deviation)
            recent = min(rows, EFFICIENCY_ROWS)
            net, path = net_and_path(series, first + rows - recent, recent)
            out[EFFICIENCY, d, i] = abs(net) / path if path > 0.0 else 0.0
            out[PREDICTABILITY, d, i] = _predictability(seen, terms, stops[d], rows)
            if not low <= high:
                low, high = average - TAIL * deviation, average + TAIL * deviation
            begin, apart = before[stops[d] - rows], SPARSE * deviation / rows
            number = before[stops[d]] - begin
            low = tail_quantile(series, first, rows, far, begin, number, least, most, 0.05, low, apart)
            high = tail_quantile(series, first, rows, far, begin, number, least, most, 0.95, high, apart)
            total, count, gains, above = tails(series, first, rows, low, high)
            out[SHORTFALL, d, i] = max(-total / count, 0.0)
            out[UPSIDE, d, i] = gains / above if above > 0 else high
            if with_drawdown:
                out[DRAWDOWN, d, i] = _drawdown(series[i, stops[d] - rows : stops[d]], rows)


@kernel()
def _medians(volume, stops, lengths, known, out):
    """Write the median of the values that are known (not NaN); 0 where none is."""
    for i in range(len(volume)):
        unknown, median = 0, np.nan
        for t in range(volume.shape[1] - LANES):
            unknown += volume[i, t] != volume[i, t]
        for d in range(len(stops)):
            begin, count = stops[d] - lengths[d], lengths[d]
            x, first = volume, i * volume.shape[1] + begin
            if unknown > 0:
                count = _gather(volume[i, begin : stops[d]], known[0])
                x, first = known, np.int64(0)
            if count > 0:
                pivot = median if median == median else x.flat[first]
                median = quantile(x, first, count, 0.5, pivot, abs(pivot) / count)
                out[d, i] = median


@inner()
def _gather(x, known):
    """Write the values that are known, one behind the other; return how many there are."""
    count = 0
    for t in range(len(x)):
        known[count] = x[t]
        count += x[t] == x[t]
    return count


@inner()
def _bounds(lengths, mean, variance):
    """Return two bounds that every window has more than its tails beyond, unless its returns are unusual."""
    least, most = -np.inf, np.inf
    for d in range(len(lengths)):
        if lengths[d] > 1:
            width = FAR * math.sqrt(variance[d])
            least, most = max(least, mean[d] - width), min(most, mean[d] + width)
    return least, most


@inner()
def _gather_far(x, least, most, far, before):
    """Write the values beyond the bounds one behind the other, and how many of them come before each row."""
    count = 0
    for t in range(len(before)):
        before[t], far[count] = count, x[t]
        count += (x[t] <= least) | (x[t] >= most)


@inner()
def _orders(x, one, other):
    """Write how often each order of a return and the two before it has been seen, up to each row.

    Three comparisons tell orders apart: the last one says which counter, the others which of its three counts.
    """
    following, last = x[1:], x[2:]
    for t in range(len(one) - 3):
        a, b, c = x[t], following[t], last[t]
        which = np.int64(a <= c)
        place = (np.int64(a <= b) + 2 * np.int64(b <= c) - which) & 3  # 3 contradicts itself and counts as nothing
        count = np.int64(1) << BITS * place
        one[t + 3], other[t + 3] = count * (1 - which), count * which
    total, rest = np.int64(0), np.int64(0)
    for t in range(3, len(one)):
        total += one[t]
        rest += other[t]
        one[t], other[t] = total, rest


@inner()
def _predictability(seen, terms, stop, rows):
    """Return 1 - H / ln 6 with `H = ln N - (sum n ln n) / N` of N orders, each seen n times."""
    count = max(rows - 2, 1)
    rest = terms[count]
    for half in range(2 if rows > 2 else 0):
        counts = seen[half, stop] - seen[half, stop - rows + 2]
        for _ in range(3):
            rest -= terms[counts & ((1 << BITS) - 1)]
            counts >>= BITS
    return 1.0 - rest / (UNITS * count * math.log(6.0)) if rows > 2 else 1.0


@inner()
def _drawdown(x, rows):
    wealth, peak, worst = 1.0, 1.0, 0.0
    for t in range(rows):
        wealth *= 1.0 + x[t]
        peak = max(peak, wealth)
        worst = max(worst, 1.0 - wealth / peak)
    return worst
