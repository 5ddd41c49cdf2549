"""The error of an estimated Sharpe ratio a session (Mertens 2002; Bailey and Lopez de Prado 2012, equation 8).

With x the ratio a session, not annualised, of n sessions, g3 their skew and g4 their kurtosis (3 of a normal
distribution), its variance is `(1 - g3 x + (g4 - 1) / 4 x^2) / (n - 1)`. This is the formula's one place: a stream's
metric takes it for one stream, metabt.luck for many.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def unit_variance(sharpe: Any, skew: Any, excess_kurtosis: Any) -> Any:
    """Return `1 - g3 x + (g4 - 1) / 4 x^2`, the variance of a Sharpe ratio times n - 1.

    Parameters
    ----------
    sharpe : number or array, x, a session
    skew, excess_kurtosis : of the same shape, g3 and g4 - 3

    Returns
    -------
    of the same shape; not positive where the moments fit no ratio of this size
    """
    return 1.0 - skew * sharpe + (excess_kurtosis + 2.0) / 4.0 * sharpe * sharpe


def sharpe_z_score(sharpe: Any, n_sessions: Any, skew: Any, excess_kurtosis: Any, benchmark: Any = 0.0) -> Any:
    """Return by how many of its standard errors a Sharpe ratio is above a benchmark.

    Parameters
    ----------
    sharpe, benchmark : numbers or arrays of one shape, a session
    n_sessions : of the same shape, how many sessions the ratio was estimated from
    skew, excess_kurtosis : of the same shape

    Returns
    -------
    of the same shape; NaN where the variance is not positive
    """
    variance = unit_variance(sharpe, skew, excess_kurtosis)
    scale = np.sqrt((n_sessions - 1) / np.where(variance > 0, variance, np.nan))
    return (sharpe - benchmark) * scale
