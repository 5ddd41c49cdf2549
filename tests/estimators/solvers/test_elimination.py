"""Gaussian elimination: solves as NumPy has them, rows that have to be swapped, matrices without an inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.solvers.elimination import eliminate, solve, solve_transposed
from metabt.numerics.kernels import kernel


@kernel()
def _both(B, n, swapped, x, y):
    regular = eliminate(B, n, swapped)
    if regular:
        solve(B, n, swapped, x)
        solve_transposed(B, n, swapped, y)
    return regular


def both(B: np.ndarray, b: np.ndarray, more: int = 2) -> tuple[bool, np.ndarray, np.ndarray]:
    """Return whether B is regular, and the solutions of B x = b and B'y = b, in work arrays that are so much larger."""
    n = len(b)
    work, x, y = np.full((n + more, n + more), np.nan), np.r_[b, np.full(more, np.nan)], np.r_[b, np.full(more, np.nan)]
    work[:n, :n] = B
    regular = _both(work, n, np.zeros(n + more, np.int64), x, y)
    assert np.isnan([x[n:], y[n:], work[n:, 0]]).all() and np.isnan(work[:, n:]).all()
    return regular, x[:n], y[:n]


@given(st.integers(0, 10**6), st.integers(1, 30), st.booleans(), st.sampled_from([0, 2]))
def test_solutions_are_those_of_numpy(seed: int, n: int, sparse: bool, more: int) -> None:
    rng = np.random.default_rng(seed)
    B = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.5 if sparse else 1.0) + np.roll(np.eye(n), 1, axis=0)
    if np.linalg.cond(B) > 1e8:
        return
    b = rng.normal(size=n)
    regular, x, y = both(B, b, more)
    scale = 1e-14 * np.linalg.cond(B)
    assert regular
    assert np.allclose(x, np.linalg.solve(B, b), rtol=0, atol=scale * max(abs(x).max(), 1.0))
    assert np.allclose(y, np.linalg.solve(B.T, b), rtol=0, atol=scale * max(abs(y).max(), 1.0))


def test_a_zero_on_the_diagonal_is_swapped_away() -> None:
    regular, x, y = both(np.array([[0.0, 2.0], [4.0, 1.0]]), np.array([2.0, 5.0]))
    assert regular and x.tolist() == [1.0, 1.0] and y.tolist() == [2.25, 0.5]


@pytest.mark.parametrize("B", [np.zeros((1, 1)), np.ones((3, 3)), np.diag([1.0, 0.0])])
def test_a_matrix_without_inverse_is_said_to_have_none(B: np.ndarray) -> None:
    assert not both(B, np.ones(len(B)))[0]
