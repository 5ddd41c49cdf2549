"""Moments of a stack of training windows.

1. Take the rows of one window, a column at a time, and subtract the column's mean over these rows. A column that
   never changes has deviations of exactly zero, so that "no variance" needs no tolerance.
2. Dot products of the deviations over time, one pair of columns at a time, give the scatter matrix.
3. `sample`: scatter / (rows - 1). `ledoit_wolf`: scatter / rows, shrunk to a multiple of the identity.

Every entry is computed from its own window and its own two columns: its bits depend neither on the other
decisions nor on the other assets of the call. (A shrinkage depends on its whole matrix, hence on the support.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metabt.errors import ConfigError, nearest
from metabt.kernels import FAST, inner, kernel

if TYPE_CHECKING:
    from metabt.windows import Windows

ESTIMATORS = ("sample", "ledoit_wolf")


def covariance(windows: Windows, name: str, support: np.ndarray | None = None) -> np.ndarray:
    """Return the covariance of every window by the estimator called `name`.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    name : {"sample", "ledoit_wolf"}
    support : (n_decisions, n_assets) bool, optional
        Columns that belong to each decision; what a shrinkage does is decided by these alone. Default: all.

    Returns
    -------
    (n_decisions, n_assets, n_assets) covariance per session; rows and columns outside the support are unspecified.

    Raises
    ------
    ConfigError
        For an unknown name.
    """
    check_name(name)
    if name == "sample":
        return windows.covariance
    return ledoit_wolf(windows.returns, windows.stops, windows.lengths, support)


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` is a covariance estimator."""
    if name not in ESTIMATORS:
        raise ConfigError(f"no covariance estimator is called {name!r}{nearest(str(name), ESTIMATORS)}")


def sample_mean(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the mean return of every window, (n_decisions, n_assets)."""
    means = np.full((len(stops), returns.shape[1]), np.nan)
    _means(_matrix(returns), _index(stops), _index(lengths), means)
    return means


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
    n = returns.shape[1]
    out = np.full((len(stops), n, n), np.nan)
    _covariances(_matrix(returns), _index(stops), _index(lengths), _buffer(lengths, n), out)
    return out


def sample_variance(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the diagonal of `sample_covariance`, (n_decisions, n_assets), to the bit."""
    out = np.full((len(stops), returns.shape[1]), np.nan)
    _variances(_matrix(returns), _index(stops), _index(lengths), _buffer(lengths, 1), out)
    return out


def ledoit_wolf(
    returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray, support: np.ndarray | None = None
) -> np.ndarray:
    """Return the covariance of every window shrunk to a multiple of the identity.

    `(1 - a) S + a tr(S)/p I`, with S the biased (ddof 0) covariance of the p supported columns and `a` the
    consistent estimate of the shrinkage that minimises the expected Frobenius loss. ddof 0 is the convention of the
    paper and of `sklearn.covariance.LedoitWolf`; it is (rows - 1)/rows of the ddof 1 scale of `sample_covariance`,
    which no weights of minimum variance, maximum Sharpe ratio or risk parity depend on.

    Parameters
    ----------
    returns, stops, lengths
        As for `sample_covariance`.
    support : (n_decisions, n_assets) bool, optional
        The columns of each decision. Default: all.

    Returns
    -------
    (n_decisions, n_assets, n_assets); NaN outside the support.

    References
    ----------
    Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88.
    """
    n = returns.shape[1]
    member = np.ones((len(stops), n), bool) if support is None else np.ascontiguousarray(support, dtype=np.bool_)
    out = np.full((len(stops), n, n), np.nan)
    _shrunk(_matrix(returns), _index(stops), _index(lengths), member, _buffer(lengths, n), out)
    return out


def _matrix(returns: np.ndarray) -> np.ndarray:
    return _read_only(np.ascontiguousarray(returns, dtype=np.float64))


def _index(rows: np.ndarray) -> np.ndarray:
    return _read_only(np.ascontiguousarray(rows, dtype=np.int64))


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return a read-only view: a writeable array is another type to numba, and would be compiled for again."""
    view = array.view()
    view.flags.writeable = False
    return view


def _buffer(lengths: np.ndarray, n_assets: int) -> np.ndarray:
    return np.empty((n_assets, int(np.max(lengths, initial=0))))


@inner()
def _mean(returns, start, stop, column):
    first = returns[start, column]
    total, constant = 0.0, True
    for t in range(start, stop):
        total += returns[t, column]
        constant = constant and returns[t, column] == first
    return first if constant else total / (stop - start)


@inner()
def _deviations(returns, start, stop, column, out):
    mean = _mean(returns, start, stop, column)
    for t in range(start, stop):
        out[t - start] = returns[t, column] - mean


# reassociation lets the sum over time use vector registers; every pair of columns runs through the same code
@inner(fastmath=FAST)
def _dot(x, y, rows):
    total = 0.0
    for t in range(rows):
        total += x[t] * y[t]
    return total


@kernel()
def _means(returns, stops, lengths, out):
    for d in range(len(stops)):
        if lengths[d] > 0:
            for i in range(returns.shape[1]):
                out[d, i] = _mean(returns, stops[d] - lengths[d], stops[d], i)


@kernel()
def _variances(returns, stops, lengths, deviations, out):
    row = deviations[0]
    for d in range(len(stops)):
        rows = lengths[d]
        for i in range(returns.shape[1] if rows > 1 else 0):
            _deviations(returns, stops[d] - rows, stops[d], i, row)
            out[d, i] = _dot(row, row, rows) / (rows - 1)


@kernel()
def _covariances(returns, stops, lengths, deviations, out):
    for d in range(len(stops)):
        rows = lengths[d]
        if rows < 2:
            continue
        for i in range(returns.shape[1]):
            _deviations(returns, stops[d] - rows, stops[d], i, deviations[i])  # time is the contiguous axis
            for j in range(i + 1):
                out[d, i, j] = _dot(deviations[i], deviations[j], rows) / (rows - 1)
                out[d, j, i] = out[d, i, j]


@inner()
def _intensity(S, deviations, member, rows):
    """Return Ledoit and Wolf's shrinkage, in [0, 1], and the scale of the identity, tr(S)/p."""
    p, trace, squares, fourth = 0, 0.0, 0.0, 0.0
    for i in range(len(S)):
        if member[i]:
            p += 1
            trace += S[i, i]
            for j in range(len(S)):
                squares += S[i, j] ** 2 if member[j] else 0.0
    for t in range(rows):
        square = 0.0
        for i in range(len(S)):
            square += deviations[i, t] ** 2 if member[i] else 0.0
        fourth += square * square
    error = (fourth / rows - squares) / rows  # summed variance of the entries of S
    distance = squares - trace * trace / p  # summed squared distance of S from the scaled identity
    return (min(error / distance, 1.0) if error > 0.0 and distance > 0.0 else 0.0), trace / p


@kernel()
def _shrunk(returns, stops, lengths, support, deviations, out):
    for d in range(len(stops)):
        rows, S, member = lengths[d], out[d], support[d]
        for i in range(len(S)):
            if member[i]:
                _deviations(returns, stops[d] - rows, stops[d], i, deviations[i])
                for j in range(i + 1):
                    S[i, j] = _dot(deviations[i], deviations[j], rows) / rows if member[j] else np.nan
                    S[j, i] = S[i, j]
        intensity, scale = _intensity(S, deviations, member, rows)
        for i in range(len(S)):
            for j in range(len(S)):
                S[i, j] = (1.0 - intensity) * S[i, j] + (intensity * scale if i == j else 0.0)
