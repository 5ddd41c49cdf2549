"""Metrics of every asset in a stack of windows, computed with time as the last, contiguous axis.

1. Decisions whose windows are equally long are stacked into (n_assets, n_decisions, lookback), some at a time, so that
   memory stays bounded.
2. Every metric is a sum or a sort along time, one row at a time: an asset's bits depend on its own window alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from metabt.windows import Windows

CHUNK = 2_000_000
"""Returns that are stacked at a time."""

EFFICIENCY_ROWS = 120
"""The last sessions of a window that efficiency looks at."""


def measure(windows: Windows, matrix: np.ndarray, metrics: dict[str, Callable[[np.ndarray], np.ndarray]]) -> dict:
    """Return metric -> (n_decisions, n_assets), each computed from (..., lookback) slices of `matrix`.

    Parameters
    ----------
    windows : Windows
        Whose rows to cut.
    matrix : (n_rows, n_assets)
        Returns, or what else has a row for each of their rows.
    metrics : mapping of name to function
        From (n_assets, n_decisions, lookback) to (n_assets, n_decisions).
    """
    out = {name: np.empty((len(windows), matrix.shape[1])) for name in metrics}
    columns = np.ascontiguousarray(matrix.T)
    for decisions, lookback in _chunks(windows, matrix.shape[1]):
        starts = windows.stops[decisions] - lookback
        x = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(columns, lookback, axis=1)[:, starts])
        for name, metric in metrics.items():
            out[name][decisions] = metric(x).T
    return out


def _chunks(windows: Windows, n_assets: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (decisions, lookback) of windows that are equally long, at most CHUNK returns at a time."""
    for lookback in np.unique(windows.lengths):
        decisions = np.flatnonzero(windows.lengths == lookback)
        size = max(1, CHUNK // max(1, int(lookback) * n_assets))
        for start in range(0, len(decisions), size):
            yield decisions[start : start + size], int(lookback)


def momentum(x: np.ndarray) -> np.ndarray:
    """Mean return; annualising is a monotone map and cancels in ranks."""
    return x.mean(axis=-1)


def stability(x: np.ndarray) -> np.ndarray:
    """Minus the variance, which ranks as 1 / annualised volatility does."""
    return -_moment(x, 2)


def efficiency(x: np.ndarray) -> np.ndarray:
    """|sum r| / sum |r| over the last 120 sessions, 0 where nothing moved: 1 is a straight line."""
    recent = x[..., -EFFICIENCY_ROWS:]
    return _ratio(np.abs(recent.sum(axis=-1)), np.abs(recent).sum(axis=-1))


def predictability(x: np.ndarray) -> np.ndarray:
    """One minus the normalised entropy of the six orders of three successive returns; equal returns order by time."""
    a, b, c = x[..., :-2], x[..., 1:-1], x[..., 2:]
    code = (a <= b) + 2 * (b <= c) + 4 * (a <= c)
    entropy, count = np.zeros(x.shape[:-1]), max(x.shape[-1] - 2, 1)
    for order in range(8):  # two of the eight codes contradict themselves and never occur
        p = (code == order).sum(axis=-1) / count
        entropy -= p * np.log(np.where(p > 0.0, p, 1.0))
    return 1.0 - entropy / np.log(6.0)


def skewness(x: np.ndarray) -> np.ndarray:
    """Third central moment over the second to the 3/2, 0 without variance."""
    variance = _moment(x, 2)
    return _ratio(_moment(x, 3), variance * np.sqrt(variance))


def upside(x: np.ndarray) -> np.ndarray:
    """Mean of the returns above their 95th percentile; the percentile itself where none is above it."""
    bound = _quantile(x, 0.95)
    above = x > bound[..., None]
    count = above.sum(axis=-1)
    return np.where(count > 0, np.where(above, x, 0.0).sum(axis=-1) / np.maximum(count, 1), bound)


def shortfall(x: np.ndarray) -> np.ndarray:
    """Return the expected shortfall at 95 %: minus the mean of the returns up to their 5th percentile, at least 0."""
    below = x <= _quantile(x, 0.05)[..., None]
    return np.maximum(-np.where(below, x, 0.0).sum(axis=-1) / below.sum(axis=-1), 0.0)


def drawdown(x: np.ndarray) -> np.ndarray:
    """Largest fall of the compounded returns from their highest point in the window, its start included, in [0, 1]."""
    wealth = np.cumprod(1.0 + x, axis=-1)
    peak = np.maximum(np.maximum.accumulate(wealth, axis=-1), 1.0)
    return (1.0 - wealth / peak).max(axis=-1)


def median_known(x: np.ndarray) -> np.ndarray:
    """Median of the values that are known (not NaN); 0 where none is."""
    ordered = np.sort(x, axis=-1)  # NaN last
    count = np.isfinite(ordered).sum(axis=-1)
    low, high = np.maximum((count - 1) // 2, 0)[..., None], np.minimum(count // 2, x.shape[-1] - 1)[..., None]
    middle = np.take_along_axis(ordered, low, axis=-1) + np.take_along_axis(ordered, high, axis=-1)
    return np.where(count > 0, 0.5 * middle[..., 0], 0.0)


def _moment(x: np.ndarray, order: int) -> np.ndarray:
    """Return a central moment; exactly 0 where nothing changes."""
    constant = (x == x[..., :1]).all(axis=-1)
    deviation = np.where(constant[..., None], 0.0, x - x.mean(axis=-1)[..., None])
    return (deviation * deviation if order == 2 else deviation * deviation * deviation).mean(axis=-1)


def _quantile(x: np.ndarray, level: float) -> np.ndarray:
    """Return the quantile by linear interpolation between order statistics."""
    place = level * (x.shape[-1] - 1)
    low = int(place)
    high = min(low + 1, x.shape[-1] - 1)
    ordered = np.partition(x, (low, high), axis=-1)
    return ordered[..., low] + (place - low) * (ordered[..., high] - ordered[..., low])


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0.0)
