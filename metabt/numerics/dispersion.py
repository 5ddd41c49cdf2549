"""Dispersion: what of a series is movement, and what is nothing but rounding.

A return is a ratio of prices less 1, so that its last bits are those of `1 + r`: what accrues by the same rate every
session comes out with returns that differ in the sixteenth digit. Their standard deviation would be a number, and a
Sharpe ratio 1e13. A series whose `max - min` is at most `1e-12 (1 + max|r|)` is therefore constant, and has none.
"""

from __future__ import annotations

import numpy as np

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
