"""Shrinkage of a covariance to a multiple of the identity: `(1 - a) S + a tr(S)/p I`, over the p supported columns.

S is the biased covariance (ddof 0): the convention of both papers and of scikit-learn. It is (rows - 1)/rows of the
scale of the sample covariance, which no weights of minimum variance, maximum Sharpe ratio or risk parity depend on.
The estimators differ in the intensity a, which depends on the whole matrix, hence on the support.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metabt.estimators.moments.arrays import index, matrix
from metabt.numerics.kernels import FAST, inner, kernel

if TYPE_CHECKING:
    from metabt.estimators.windows import Windows


def ledoit_wolf(windows: Windows, support: np.ndarray | None = None) -> np.ndarray:
    """Return the covariance of every window, shrunk by Ledoit and Wolf's intensity.

    It is the consistent estimate of the intensity that minimises the expected Frobenius loss.

    Parameters
    ----------
    windows : Windows
        Training windows of `n_decisions` decisions over `n_assets` columns.
    support : (n_decisions, n_assets) bool, optional
        The columns of each decision. Default: all.

    Returns
    -------
    (n_decisions, n_assets, n_assets); NaN outside the support, and where a window has fewer than two rows.

    References
    ----------
    Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88.
    """
    S, member, rows, p, trace, squares = _biased(windows, support)
    fourth, column = np.empty(len(S)), np.empty(S.shape[1])
    returns, stops, lengths = matrix(windows.returns), index(windows.stops), index(windows.lengths)
    _fourth_powers(returns, stops, lengths, windows.mean, member, column, fourth)
    with np.errstate(invalid="ignore"):  # a window that is not finite: its matrix says so
        error = (fourth / rows - squares) / rows  # summed variance of the entries of S
        distance = squares - trace * trace / p  # summed squared distance of S from the scaled identity
    return _shrink(S, _share(error, distance), trace / p)


def oas(windows: Windows, support: np.ndarray | None = None) -> np.ndarray:
    """Return the covariance of every window, shrunk by the intensity of the oracle approximating shrinkage.

    The oracle's intensity, were rows normal, with S in place of what is unknown, repeated to its fixed point. As in
    `sklearn.covariance.OAS`, terms of 2/p are left out.

    Parameters
    ----------
    windows, support
        As for `ledoit_wolf`.

    Returns
    -------
    (n_decisions, n_assets, n_assets); NaN outside the support, and where a window has fewer than two rows.

    References
    ----------
    Chen, Wiesel, Eldar and Hero (2010), "Shrinkage algorithms for MMSE covariance estimation", IEEE Transactions on
    Signal Processing 58.
    """
    S, _, rows, p, trace, squares = _biased(windows, support)
    with np.errstate(invalid="ignore"):  # a window that is not finite: its matrix says so
        error = squares + trace * trace
        distance = (rows + 1.0) * (squares - trace * trace / p)
    return _shrink(S, _share(error, distance), trace / p)


def _biased(windows: Windows, support: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Return the biased covariance S, NaN outside the support, and the support, (n_decisions, n_assets).

    And, of every window, its rows, its columns, the trace of S and the sum of its squares.
    """
    S = windows.covariance
    member = np.ones(S.shape[:2], bool) if support is None else np.array(support, dtype=np.bool_)
    rows, p = np.maximum(windows.lengths, 1), np.maximum(member.sum(axis=1), 1)
    S = S * ((rows - 1) / rows)[:, None, None]
    S[~(member[:, :, None] & member[:, None, :])] = np.nan
    variance = np.where(member, np.diagonal(S, axis1=1, axis2=2), 0.0)
    trace = np.add.accumulate(variance, axis=1)[:, -1:].sum(axis=1)  # of no columns: 0
    squares = np.empty(len(S))
    _squares(S, member, np.empty(S.shape[1]), squares)
    return S, member, rows, p, trace, squares


def _share(error: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return `error / distance` of every window, in [0, 1]; 0 where S is a multiple of the identity already."""
    shrinks = (error > 0.0) & (distance > 0.0)
    return np.minimum(np.divide(error, distance, out=np.zeros(len(error)), where=shrinks), 1.0)


def _shrink(S: np.ndarray, intensity: np.ndarray, average: np.ndarray) -> np.ndarray:
    """Return S, in place, drawn towards `average` times the identity."""
    S *= (1.0 - intensity)[:, None, None]
    diagonal = np.arange(S.shape[1])
    S[:, diagonal, diagonal] += (intensity * average)[:, None]
    return S


# reassociation lets the sum use vector registers; the supported columns are put side by side first, so that the same
# sum is taken of them wherever they stand
@inner(fastmath=FAST)
def _sum_of_squares(values, n):
    total = 0.0
    for i in range(n):
        total += values[i] * values[i]
    return total


@kernel()
def _squares(S, support, column, out):
    """Write the sum of the squares of S over the supported columns."""
    for d in range(len(S)):
        total = 0.0
        for i in range(len(column)):
            if support[d, i]:
                n = 0
                for j in range(len(column)):
                    if support[d, j]:
                        column[n] = S[d, i, j]
                        n += 1
                total += _sum_of_squares(column, n)
        out[d] = total


@kernel()
def _fourth_powers(returns, stops, lengths, mean, support, column, out):
    """Write the sum over time of the fourth powers of the lengths of the rows' deviations."""
    for d in range(len(stops)):
        total = 0.0
        for t in range(stops[d] - lengths[d], stops[d]):
            n = 0
            for i in range(len(column)):
                if support[d, i]:
                    column[n] = returns[t, i] - mean[d, i]
                    n += 1
            total += _sum_of_squares(column, n) ** 2
        out[d] = total
