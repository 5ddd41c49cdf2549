"""Exponentially weighted moments: the newest row weighs most, one that is `half_life` rows older half as much.

1. Weights `u_t = 2^(-age / half_life)` of the window's rows, age 0 for the newest. U is their sum, V that of squares.
2. Mean `m = sum_t u_t x_t / U`.
3. Covariance `sum_t u_t (x_t - m)(x_t - m)' / (U - V / U)`: unbiased where rows are independent, as pandas' `ewm` with
   `bias=False`. With an endless half-life it is the sample covariance (ddof 1).

The weights are those of the window's rows alone: what is older than the lookback has none.

References
----------
J.P. Morgan/Reuters (1996), "RiskMetrics - Technical document".
"""

from __future__ import annotations

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.moments.arrays import aligned, index, matrix
from metabt.estimators.moments.rolling_scatter import add_panels, write_tile
from metabt.numerics.kernels import kernel
from metabt.numerics.vectors import LANES, TILE

HALF_LIFE = 63.0
"""Rows: a quarter of daily sessions."""


def check_half_life(half_life: float) -> None:
    """Raise ConfigError unless a half-life is positive."""
    if not half_life > 0.0:
        raise ConfigError(f"half_life is {half_life:g}; wanted a number of sessions above 0")


def ewma_mean(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray, half_life: float) -> np.ndarray:
    """Return the weighted mean of every window, (n_decisions, n_assets); NaN where a window has no row."""
    return _moments(returns, stops, lengths, half_life, covariances=False)[0]


def ewma_covariance(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray, half_life: float) -> np.ndarray:
    """Return the weighted covariance of every window.

    Parameters
    ----------
    returns : (n_rows, n_assets) simple returns, oldest first
    stops, lengths : (n_decisions,) int64
        Window d is rows `stops[d] - lengths[d] : stops[d]`.
    half_life : float
        Rows.

    Returns
    -------
    (n_decisions, n_assets, n_assets); NaN where a window has fewer than two rows.
    """
    return _moments(returns, stops, lengths, half_life, covariances=True)[1]


def _moments(
    returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray, half_life: float, covariances: bool
) -> tuple[np.ndarray, np.ndarray]:
    returns, stops, lengths = matrix(returns), index(stops), index(lengths)
    n, longest = returns.shape[1], int(lengths.max(initial=0))
    decay = np.full(longest, 0.5 ** (1.0 / half_life))
    decay[:1] = 1.0
    weights = np.multiply.accumulate(decay)  # by age, one after another: bits do not depend on how many are wanted
    sums = np.add.accumulate([weights, weights**2], axis=1)
    mean = np.full((len(stops), n), np.nan)
    out = np.full((len(stops), n, n) if covariances else (0, n, n), np.nan)
    deviations, tile = aligned((-(-n // LANES), longest, LANES), (1, TILE))
    deviations[-1:] = 0.0  # columns that fill up the last panel
    _weighted(returns, stops, lengths, weights, np.sqrt(weights), sums, deviations, tile, mean, out)
    return mean, out


@kernel()
def _weighted(returns, stops, lengths, weights, roots, sums, deviations, tile, mean, out):
    n = returns.shape[1]
    for d in range(len(stops)):
        rows, start = lengths[d], stops[d] - lengths[d]
        if rows == 0:
            continue
        total = sums[0, rows - 1]
        base, middle = returns[start], mean[d]
        middle[:] = 0.0
        for t in range(rows):
            for i in range(n):
                middle[i] += weights[rows - 1 - t] * (returns[start + t, i] - base[i])
        for i in range(n):
            middle[i] = base[i] + middle[i] / total  # the value itself where it never changes
        if len(out) == 0 or rows < 2:
            continue
        for t in range(rows):
            for i in range(n):
                deviations[i // LANES, t, i % LANES] = roots[rows - 1 - t] * (returns[start + t, i] - middle[i])
        for i in range(len(deviations)):
            for j in range(i + 1):
                tile[0] = 0.0
                add_panels(deviations, i, j, 0, rows, 1, tile, 0)
                write_tile(tile[0], 1.0 / (total - sums[1, rows - 1] / total), i, j, out[d])
