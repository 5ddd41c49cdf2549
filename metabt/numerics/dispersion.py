"""Dispersion: what of a series is movement, and what is nothing but rounding.

A return is a ratio of prices less 1, so that its last bits are those of `1 + r`: what accrues by the same rate every
session comes out with returns that differ in the sixteenth digit. Their standard deviation would be a number, and a
Sharpe ratio 1e13. A series whose `max - min` is at most `1e-12 (1 + max|r|)` is therefore constant, and has none.
"""

from __future__ import annotations

import numpy as np

from metabt.numerics.kernels import kernel

ROUNDING = 1e-12
"""Part of `1 + r` by which equal returns may differ."""


def is_constant(returns: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return whether returns are the same along an axis, up to rounding.

    Parameters
    ----------
    returns : of any shape, as fractions; a series with NaN is not constant, one of no or one return is
    axis : along which time runs

    Returns
    -------
    bool, of the shape of `returns` without the axis
    """
    if returns.shape[axis] == 0:
        return np.ones(np.delete(returns.shape, axis), bool)
    return within_rounding(returns.min(axis=axis), returns.max(axis=axis))


def within_rounding(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return whether series are constant, as `is_constant` does.

    Parameters
    ----------
    low, high : the lowest and the highest return of each, of one shape

    Returns
    -------
    bool, of that shape; False where one of them is NaN
    """
    found: np.ndarray = high - low <= ROUNDING * (1.0 + np.maximum(np.abs(high), np.abs(low)))
    return found


def constant_windows(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return which columns of windows are constant, as `is_constant` does of each.

    A column is read from its newest row back, and no further than to what rounding cannot explain: mostly two rows.

    Parameters
    ----------
    returns : (n_rows, n_columns) as fractions, contiguous
    stops, lengths : (n_windows,) int64
        Window d is rows `stops[d] - lengths[d] : stops[d]`.

    Returns
    -------
    (n_windows, n_columns) bool; True where a window has no row or one
    """
    found = np.zeros((len(stops), returns.shape[1]), bool)
    _constant_windows(returns, stops, lengths, found)
    return found


@kernel()
def _constant_windows(returns, stops, lengths, found):
    for d in range(len(stops)):
        for c in range(returns.shape[1]):
            low, high, explained, t = np.inf, -np.inf, True, stops[d] - 1
            while explained and t >= stops[d] - lengths[d]:
                r = returns[t, c]
                low, high = min(low, r), max(high, r)
                # whatever is ahead lies within (high - low) of these, if the whole window is constant: 2 is ample
                explained = r == r and high - low <= 2.0 * ROUNDING * (1.0 + max(abs(low), abs(high)))
                t -= 1
            largest = max(abs(low), abs(high))
            found[d, c] = explained and (lengths[d] < 1 or high - low <= ROUNDING * (1.0 + largest))


def deviation(returns: np.ndarray) -> float:
    """Return the sample standard deviation (ddof 1) of one series.

    Parameters
    ----------
    returns : (n_returns,) as fractions

    Returns
    -------
    a fraction a session: exactly 0 where the series is constant, NaN of fewer than two returns
    """
    if len(returns) < 2:
        return float("nan")
    return 0.0 if is_constant(returns) else float(returns.std(ddof=1))
