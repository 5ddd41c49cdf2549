"""Rank: the order of configurations, the best first.

By Sharpe ratio; what has none comes after what has one, by its total return, then what has neither; what failed comes
last. Ties stay in the order in which they are given.
"""

from __future__ import annotations

import numpy as np


def rank(sharpe: np.ndarray, total_return: np.ndarray, failed: np.ndarray) -> np.ndarray:
    """Return the places of configurations, the best first.

    Parameters
    ----------
    sharpe, total_return : (n,) of float, NaN where there is none
    failed : (n,) of bool

    Returns
    -------
    (n,) of int
    """
    has_ratio, has_return = np.isfinite(sharpe), np.isfinite(total_return)
    level = np.select([failed, has_ratio, has_return], [3, 0, 1], 2)
    value = np.select([level == 0, level == 1], [sharpe, total_return], 0.0)
    return np.lexsort((-value, level))
