"""Factors, solves and products against NumPy's; what holds no vector instructions as Python runs it."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.estimators.solvers.linear import factor, factor_whole, padded, product, solve_both, solve_whole
from metabt.numerics.kernels import kernel


@kernel()
def multiplied(C, x, out, n):
    product(C, x, out, n)


@kernel()
def factored(H, U, L, n, width):
    factor_whole(H, U, L, n, width)


def positive(n: int, width: int) -> np.ndarray:
    """Return a positive definite matrix of n rows, padded with zeros."""
    root = np.random.default_rng(n).normal(size=(n, 2 * n))
    return np.pad(root @ root.T, (0, width - n))


@pytest.mark.parametrize("n", [1, 5, 16, 17, 30])
def test_padded_factors(n: int) -> None:
    width = padded(n)
    H, (U, L) = positive(n, width), np.full((2, width, width), np.nan)
    factored(H, U, L, n, width)
    root = np.linalg.cholesky(H[:n, :n])
    for found, expected in ((U, root.T), (L.T, root.T)):
        assert np.allclose(np.triu(found[:n, :n], 1), np.triu(expected, 1), atol=1e-13)
        assert np.allclose(1 / np.diag(found)[:n], np.diag(root), rtol=1e-13)
    x = np.pad(np.arange(1.0, n + 1), (0, width - n))
    out = H @ x
    solve_whole.py_func(U, L, n, width, out, np.full(width, np.nan))
    assert np.allclose(out[:n], x[:n], rtol=1e-10)


@pytest.mark.parametrize("n", [1, 4, 15, 16, 17, 30, 50])
def test_a_product_reads_no_row_beyond_the_next_four_and_writes_the_padded_width(n: int) -> None:
    width = padded(n)
    C, x, out = np.full((width, width + 16), np.nan), np.ones(width), np.full(width + 16, np.nan)
    rows = -(-n // 4) * 4
    C[:rows, :width] = positive(n, width)[:rows]
    x[:n] = np.random.default_rng(n).normal(size=n)
    multiplied(C, x, out, n)
    assert np.allclose(out[:n], C[:n, :n] @ x[:n], rtol=1e-13, atol=1e-13 * n)
    assert not out[n:width].any() and np.isnan(out[width:]).all()


def test_a_factor_grows_by_rows() -> None:
    S, index, L = positive(7, 9), np.array([3, 0, 6, 2]), np.full((7, 7), np.nan)
    factor.py_func(S, index, 0, 2, L)
    smallest = factor.py_func(S, index, 2, 4, L)
    root = np.linalg.cholesky(S[np.ix_(index, index)])
    assert np.allclose(np.tril(L[:4, :4], -1), np.tril(root, -1), rtol=1e-12)
    assert np.allclose(1 / np.diag(L)[:4], np.diag(root), rtol=1e-12)
    assert np.isclose(smallest, min(root[2, 2] ** 2 / S[6, 6], root[3, 3] ** 2 / S[2, 2]), rtol=1e-12)
    x, y = np.arange(4.0), np.ones(4)
    solve_both.py_func(L, 4, x, y)
    for found, right in ((x, np.arange(4.0)), (y, np.ones(4))):
        assert np.allclose(S[np.ix_(index, index)] @ found, right, atol=1e-12)
