"""Sample moments of a stack of training windows, each a function of its own rows, and of its own columns alone.

1. Cut every window into blocks from its end, and add up their sums (`metabt.estimators.moments.rolling_scatter`).
2. Divide the scatter matrix by (rows - 1).

A column that never changes has deviations of exactly zero, so that "no variance" needs no tolerance.
"""

from __future__ import annotations

import numpy as np

from metabt.estimators.moments.rolling_scatter import COVARIANCES, MEANS, VARIANCES, moments


def sample_mean(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the mean return of every window, (n_decisions, n_assets); NaN where a window has no row."""
    mean = _unfilled(lengths, returns.shape[1])
    moments(returns, stops, lengths, MEANS, mean, mean[:, None])
    return mean


def sample_variance(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the diagonal of `sample_covariance`, (n_decisions, n_assets), to the bit."""
    n = returns.shape[1]
    mean, out = _unfilled(lengths, n), _unfilled(lengths, n)
    moments(returns, stops, lengths, VARIANCES, mean, out[:, None])
    return out


def sample_covariance(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the unbiased (ddof 1) covariance of every window.

    Parameters
    ----------
    returns : (n_rows, n_assets) simple returns, oldest first
    stops, lengths : (n_decisions,) int64
        Window d is rows `stops[d] - lengths[d] : stops[d]`.

    Returns
    -------
    (n_decisions, n_assets, n_assets); NaN where a window has fewer than two rows.
    """
    return mean_and_covariance(returns, stops, lengths)[1]


def mean_and_covariance(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `sample_mean` and `sample_covariance` of one pass over the returns."""
    n = returns.shape[1]
    mean, out = _unfilled(lengths, n), _unfilled(lengths, n, n)
    moments(returns, stops, lengths, COVARIANCES, mean, out)
    return mean, out


def _unfilled(lengths: np.ndarray, *shape: int) -> np.ndarray:
    """Return room for moments of windows, (n_decisions, *shape): NaN where one may be too short to have any."""
    shape = (len(lengths), *shape)
    return np.empty(shape) if len(lengths) and lengths.min() > 1 else np.full(shape, np.nan)
