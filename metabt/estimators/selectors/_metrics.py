"""Metrics of every asset in a stack of windows.

1. A few consecutive windows are measured together, eight assets at a time, whose returns are laid out in a contiguous
   row each, from the first row that one of the windows sees to the last.
2. The order of three successive returns is one of six. How often each has been seen up to a row is worked out once;
   what a window saw is the difference of two rows.
3. Every metric is a sum, a count or an order statistic of one asset's window: its bits depend on nothing else.
4. Order statistics are looked for from where those of the window before were (`_order_statistics`).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from metabt.estimators.moments import arrays
from metabt.estimators.selectors._order_statistics import quantile, tail_quantile
from metabt.estimators.windows import Windows
from metabt.numerics.kernels import inner, kernel
from metabt.numerics.reductions import cubes, net_and_path, tails
from metabt.numerics.vectors import LANES, drawdowns, turn

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

BITS = 8
"""Bits of each of the eight counts that share a number."""

TOGETHER = 32
"""Windows that are measured together at most: rows that few of them see cost all of them time."""

SEEN, BEFORE, TIMES = range(3)
"""Rows of whole numbers: how often orders have been seen, and how many returns have been far out, before each row of
returns; how often a window has seen each order."""

LOW, HIGH = LANES, LANES + 1
"""Rows of floats behind those of eight assets: the returns that are far out, the low ones and the high ones."""

HALF = 32
"""Bits of each of the two counts that share a number: of low returns, then of high ones."""

TERMS = 1024
"""Numbers that logarithms are tabulated for at a time, so that few tables are made."""

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
    n_rows, n_assets = windows.returns.shape
    out = np.zeros((9, len(windows), n_assets))
    stops, lengths = arrays.index(windows.stops), arrays.index(windows.lengths)
    series, whole = np.empty((LANES + 2, n_rows + LANES)), np.empty((3, n_rows + LANES), np.int64)
    terms = _terms(n_rows // TERMS * TERMS + TERMS)
    returns, moments = arrays.matrix(windows.returns), (windows.mean, windows.covariance)
    _measure(returns, series, whole, terms, stops, lengths, *moments, out)
    if with_drawdown:
        _drawdowns(returns, stops, lengths, out[DRAWDOWN])
    if windows.dollar_volume is not None:
        _medians(arrays.matrix(windows.dollar_volume), series, stops, lengths, out[LIQUIDITY])
    return out


@cache
def _terms(most: int) -> np.ndarray:
    """Return `n ln n` of every number of times up to `most` that an order can be seen, in units of 1 / UNITS.

    Whole numbers have the same sum in any order: assets that saw the same numbers of different orders are tied.
    """
    numbers = np.arange(most + 1)
    return np.rint(UNITS * numbers * np.log(np.maximum(numbers, 1))).astype(np.int64)


@kernel()
def _measure(returns, series, whole, terms, stops, lengths, mean, covariance, out):
    seen, before, times, stride = whole[SEEN], whole[BEFORE], whole[TIMES], series.shape[1]
    for some in range(0, len(stops), TOGETHER):
        until = min(some + TOGETHER, len(stops))
        begin, end = _seen_by(stops[some:until], lengths[some:until])
        for i in range(returns.shape[1]):
            if i % LANES == 0:
                _lay_out(returns, begin, end, i, series)
            x = series[i % LANES]
            _orders(x, end - begin, seen)
            least, most = _bounds(lengths[some:until], mean[some:until, i], covariance[some:until, i, i])
            _gather_far(x, end - begin, least, most, series[LOW], series[HIGH], before)
            low, high = np.nan, np.nan
            for d in range(some, until):
                rows, stop = lengths[d], stops[d] - begin
                if rows == 0:
                    continue
                start, average = stop - rows, mean[d, i]
                first = i % LANES * stride + start
                variance = covariance[d, i, i] * (rows - 1) / rows if rows > 1 else 0.0
                deviation = math.sqrt(variance)
                out[MOMENTUM, d, i] = average
                out[STABILITY, d, i] = -variance
                if variance > 0.0:
                    out[SKEWNESS, d, i] = cubes(series, first, rows, average) / rows / (variance * deviation)
                recent = min(rows, EFFICIENCY_ROWS)
                net, path = net_and_path(series, first + rows - recent, recent)
                out[EFFICIENCY, d, i] = abs(net) / path if path > 0.0 else 0.0
                out[PREDICTABILITY, d, i] = _predictability(seen, terms, start, rows, times)
                if not low <= high:
                    low, high = average - TAIL * deviation, average + TAIL * deviation
                under, over = before[start] & ((1 << HALF) - 1), before[start] >> HALF
                few, many = (before[stop] & ((1 << HALF) - 1)) - under, (before[stop] >> HALF) - over
                apart = SPARSE * deviation / rows
                low = tail_quantile(series, first, rows, LOW * stride + under, few, 0.05, low, apart)
                high = tail_quantile(series, first, rows, HIGH * stride + over, many, 0.95, high, apart)
                total, count, gains, above = tails(series, first, rows, low, high)
                out[SHORTFALL, d, i] = max(-total / count, 0.0)
                out[UPSIDE, d, i] = gains / above if above > 0 else high


@kernel()
def _drawdowns(returns, stops, lengths, out):
    n = returns.shape[1]
    whole = n - n % LANES
    for d in range(len(stops)):
        for i in range(0, whole, LANES):
            drawdowns(returns, (stops[d] - lengths[d]) * n + i, n, lengths[d], out, d * n + i)
        for i in range(whole, n):
            out[d, i] = _drawdown(returns[stops[d] - lengths[d] : stops[d], i])


@kernel()
def _medians(volume, series, stops, lengths, out):
    """Write the median of the values that are known (not NaN); 0 where none is."""
    for some in range(0, len(stops), TOGETHER):
        until = min(some + TOGETHER, len(stops))
        begin, end = _seen_by(stops[some:until], lengths[some:until])
        for i in range(volume.shape[1]):
            if i % LANES == 0:
                _lay_out(volume, begin, end, i, series)
            x, unknown, median = series[i % LANES], 0, np.nan
            for t in range(end - begin):
                unknown += x[t] != x[t]
            for d in range(some, until):
                rows, start = lengths[d], stops[d] - lengths[d] - begin
                first, count = i % LANES * series.shape[1] + start, rows
                if unknown > 0:
                    first, count = LANES * series.shape[1], _gather(x[start : start + rows], series[LANES])
                if count > 0:
                    pivot = median if median == median else series.flat[first]
                    median = quantile(series, first, count, 0.5, pivot, abs(pivot) / count)
                    out[d, i] = median


@inner()
def _seen_by(stops, lengths):
    """Return the first row that a window sees, and the one after the last."""
    begin, end = stops[0], stops[0]
    for d in range(len(stops)):
        begin, end = min(begin, stops[d] - lengths[d]), max(end, stops[d])
    return begin, end


@inner()
def _lay_out(table, begin, end, first, series):
    """Write some rows of the next columns as rows."""
    rows, columns, stride = end - begin, table.shape[1], series.shape[1]
    whole = rows - rows % LANES if first + LANES <= columns else 0
    for t in range(0, whole, LANES):
        turn(table, (begin + t) * columns + first, columns, series, t, stride)
    for t in range(whole, rows):
        row = table[begin + t]
        for k in range(min(LANES, columns - first)):
            series[k, t] = row[first + k]


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
def _gather_far(x, rows, least, most, low, high, before):
    """Write the values up to `least`, those from `most` on, and how many of both come before each row."""
    few, many = 0, 0
    for t in range(rows):
        low[few], high[many], before[t] = x[t], x[t], few + (many << HALF)
        few += x[t] <= least
        many += x[t] >= most
    before[rows] = few + (many << HALF)


@inner()
def _orders(x, rows, seen):
    """Write how often each order of a return and the two behind it has been seen, by those that come before each row.

    Three comparisons tell orders apart: the last one says which half of a number counts it, the others which of the
    half's four counts; the last of these stays nothing, since its comparisons would contradict each other.
    """
    following, last = x[1:], x[2:]
    seen[0] = 0
    for t in range(rows - 2):
        a, b, c = x[t], following[t], last[t]
        which = np.int64(a <= c)
        place = (np.int64(a <= b) + 2 * np.int64(b <= c) - which) & 3
        seen[t + 1] = np.int64(1) << BITS * (4 * which + place)
    total = np.int64(0)
    for t in range(1, rows - 1):
        total += seen[t]  # a count that is full carries into the next one, and a difference of two rows takes it back
        seen[t] = total


@inner()
def _predictability(seen, terms, first, rows, times):
    """Return 1 - H / ln 6 with `H = ln N - (sum n ln n) / N` of N orders, each seen n times."""
    if rows < 3:
        return 1.0
    count, most = rows - 2, (1 << BITS) - 1
    for place in range(8):
        times[place] = 0
    for start in range(first, first + count, most):  # as many as can be counted at once
        counts = seen[min(start + most, first + count)] - seen[start]
        for place in range(8):
            times[place] += (counts >> BITS * place) & most
    rest = terms[count]
    for place in range(8):
        rest -= terms[times[place]]
    return 1.0 - rest / (UNITS * count * math.log(6.0))


@inner()
def _drawdown(x):
    wealth, peak, worst = 1.0, 1.0, 0.0
    for t in range(len(x)):
        wealth *= 1.0 + x[t]
        peak = max(peak, wealth)
        worst = max(worst, 1.0 - wealth / peak)
    return worst
