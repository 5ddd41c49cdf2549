"""Each sum over the rows of a window is what NumPy makes of it, whatever is left over from four rows at a time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from metabt.estimators.solvers.scatter import append, copied, gradients, stream_of, with_all
from metabt.numerics.kernels import kernel

SIZES = list(itertools.product(range(1, 10), range(1, 10)))
"""Rows and assets of windows."""


@kernel()
def copied_from(returns, begin, rows, column, n, copy, mean, variance):
    copied(returns, begin, rows, column, n, copy, mean, variance)


@kernel()
def all_with(copy, rows, n, mean, gradient):
    with_all(copy, rows, n, mean, gradient)


@kernel()
def streamed(deviations, rows, w, k, G, index, free, stream):
    return stream_of(deviations, rows, w, k, G, index, free, stream)


@kernel()
def gradients_of(copy, rows, n, stream, mean, gradient):
    gradients(copy, rows, n, stream, mean, gradient)


@kernel()
def appended(copy, rows, mean, member, first, stop, deviations, G, ridge):
    append(copy, rows, mean, member, first, stop, deviations, G, ridge)


def scratch(*shape: int) -> np.ndarray:
    """Return an array that is larger than what a window takes, and says so where more of it is read."""
    return np.full([size + 3 for size in shape], np.nan)


@pytest.mark.parametrize("left_out", [0, 2])
def test_a_window_is_copied_less_its_first_row_with_means_and_sums_of_squares(left_out: int) -> None:
    for rows, n in SIZES:
        rng = np.random.default_rng(10 * rows + n)
        returns = rng.normal(size=(rows + 7, n + left_out))
        returns[:, 0] = 0.3
        column = np.sort(rng.permutation(n + left_out)[:n])
        copy, mean, variance = scratch(rows, n), scratch(n), scratch(n)
        copied_from(returns, 4, rows, np.r_[column, 99], n, copy, mean, variance)
        X = returns[4 : 4 + rows, column]
        assert (copy[:rows, :n] == X - X[0]).all()
        assert np.allclose(mean[:n], (X - X[0]).mean(0), rtol=1e-13, atol=1e-15)
        assert np.allclose(variance[:n], rows * X.var(0), rtol=1e-12, atol=1e-13)
        assert not mean[:n][column == 0].any() and not variance[:n][column == 0].any()
        assert np.isnan(copy[rows:]).all() and np.isnan(copy[:, n:]).all() and np.isnan(mean[n:]).all()


def window(rows: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a copy of a window, its means, both in larger arrays, and its deviations, (rows, n)."""
    X = np.random.default_rng(100 * rows + n).normal(size=(rows, n))
    copy, mean = scratch(rows, n), scratch(n)
    copy[:rows, :n] = X - X[0]
    mean[:n] = copy[:rows, :n].mean(0)
    return copy, mean, X - X.mean(0)


@pytest.mark.parametrize(("rows", "n"), SIZES)
def test_the_covariance_with_all_and_with_a_portfolio(rows: int, n: int) -> None:
    copy, mean, D = window(rows, n)
    gradient = scratch(n)
    all_with(copy, rows, n, mean, gradient)
    assert np.allclose(gradient[:n], D.T @ D.sum(1), rtol=1e-11, atol=1e-12) and np.isnan(gradient[n:]).all()
    for seed in range(3):
        stream = scratch(rows)
        stream[:rows] = np.random.default_rng(seed).normal(size=rows) + seed  # need not be centred
        gradients_of(copy, rows, n, stream, mean, gradient)
        assert np.allclose(gradient[:n], D.T @ stream[:rows], rtol=1e-11, atol=1e-12)
        assert np.isnan(gradient[n:]).all()


@pytest.mark.parametrize("ridge", [0.0, 1e-3])
def test_members_are_appended_with_their_scatter(ridge: float) -> None:
    for rows, n in SIZES:
        copy, mean, D = window(rows, n)
        member = np.random.default_rng(n).permutation(n)
        first = n // 2
        deviations, G = scratch(n, rows), scratch(n, n)
        appended(copy, rows, mean, member, 0, first, deviations, G, ridge)
        assert np.isnan(G[first:]).all() and np.isnan(G[:, first:]).all() and np.isnan(deviations[first:]).all()
        appended(copy, rows, mean, member, first, n, deviations, G, ridge)
        scatter = D[:, member].T @ D[:, member]
        scatter += np.diag(ridge * np.maximum(scatter.diagonal(), ridge))
        assert np.allclose(deviations[:n, :rows], D[:, member].T, rtol=1e-12, atol=1e-14)
        assert np.allclose(G[:n, :n], scatter, rtol=1e-11, atol=1e-12)
        assert np.isnan(G[n:]).all() and np.isnan(G[:, n:]).all() and np.isnan(deviations[:, rows:]).all()


def test_a_ridge_is_that_of_a_variance_or_its_square_where_that_is_less() -> None:
    copy, mean = np.zeros((4, 2)), np.zeros(2)
    copy[:, 1] = [1, -1, 1, -1]
    G = scratch(2, 2)
    appended(copy, 4, mean, np.arange(2), 0, 2, scratch(2, 4), G, 0.5)
    assert (G[:2, :2] == [[0.25, 0.0], [0.0, 4 + 0.5 * 4]]).all()


@pytest.mark.parametrize(("rows", "k"), SIZES)
def test_a_portfolio_has_a_stream_a_multiplier_and_a_risk(rows: int, k: int) -> None:
    _, _, D = window(rows, k)
    rng = np.random.default_rng(k)
    w = np.maximum(rng.normal(size=k), 0.0)
    w[0] = 0.5
    index = np.sort(rng.permutation(k)[: max(k // 2, 1)])
    index[0] = 0
    scatter, stream = D.T @ D, scratch(rows)
    lam, risk = streamed(np.ascontiguousarray(D.T), rows, w, k, scatter, np.r_[index, 99], len(index), stream)
    assert np.allclose(stream[:rows], D @ w, rtol=1e-12, atol=1e-14) and np.isnan(stream[rows:]).all()
    assert np.isclose(risk, np.sqrt(scatter.diagonal()) @ w, rtol=1e-12)
    gradient = scatter @ w
    assert np.isclose(lam, gradient[index] @ w[index] / w[index].sum(), rtol=1e-11, atol=1e-13)
