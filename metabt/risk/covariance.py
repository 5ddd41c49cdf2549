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
    S, mean = sample_covariance(returns, stops, lengths), sample_mean(returns, stops, lengths)
    rows, p = np.maximum(lengths, 1), np.maximum(member.sum(axis=1), 1)
    S *= ((rows - 1) / rows)[:, None, None]
    S[~(member[:, :, None] & member[:, None, :])] = np.nan
    sums, squares = np.empty((len(stops), 2)), _buffer(lengths, 1)[0]
    _sums(_matrix(returns), _index(stops), _index(lengths), mean, member, S, squares, sums)
    variance = np.where(member, np.diagonal(S, axis1=1, axis2=2), 0.0)
    trace = np.add.accumulate(variance, axis=1)[:, -1]
    with np.errstate(invalid="ignore"):  # a window that is not finite: its matrix says so
        intensity = _intensity(trace, sums[:, 0], sums[:, 1], rows, p)
    S *= (1.0 - intensity)[:, None, None]
    S[:, np.arange(n), np.arange(n)] += (intensity * trace / p)[:, None]
    return S


def _intensity(
    trace: np.ndarray, squares: np.ndarray, fourth: np.ndarray, rows: np.ndarray, p: np.ndarray
) -> np.ndarray:
    """Return Ledoit and Wolf's shrinkage of every window, in [0, 1]."""
    error = (fourth / rows - squares) / rows  # summed variance of the entries of S
    distance = squares - trace * trace / p  # summed squared distance of S from the scaled identity
    shrinks = (error > 0.0) & (distance > 0.0)
    return np.minimum(np.divide(error, distance, out=np.zeros(len(rows)), where=shrinks), 1.0)


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


@kernel()
def _sums(returns, stops, lengths, mean, support, S, squares, out):
    """Write the sum of the squares of S, and that of the fourth powers of the lengths of a session's deviations."""
    for d in range(len(stops)):
        start, total = stops[d] - lengths[d], 0.0
        for t in range(lengths[d]):
            squares[t] = 0.0
        for i in range(len(S[d])):
            if support[d, i]:
                for j in range(len(S[d])):
                    total += S[d, i, j] ** 2 if support[d, j] else 0.0
                for t in range(lengths[d]):
                    squares[t] += (returns[start + t, i] - mean[d, i]) ** 2
        out[d, 0], out[d, 1] = total, 0.0
        for t in range(lengths[d]):
            out[d, 1] += squares[t] ** 2
