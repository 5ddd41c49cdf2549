"""Eigenvalues above an edge, and their vectors: those of NumPy, equal ones too, and none that lies on the edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.moments.eigenpairs import above
from metabt.numerics.kernels import kernel


@kernel()
def _above(A, n, edge, values, vectors, scratch, swapped, found):
    found[0] = above(A, n, edge, values, vectors, scratch, swapped)


def pairs(A: np.ndarray, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues of A above an edge, and their vectors as rows."""
    n = len(A)
    values, vectors, found = np.empty(n), np.empty((n, n)), np.zeros(1, np.int64)
    lower = np.where(np.tri(n, dtype=bool), A, np.nan)  # the upper triangle is not looked at
    _above(lower, n, edge, values, vectors, np.empty((8, n)), np.empty(n, np.int64), found)
    return values[: found[0]], vectors[: found[0]]


@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from(["any", "few", "equal", "apart", "near"]))
def test_they_are_those_of_numpy(seed: int, n: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
    given = {
        "any": rng.normal(size=n),
        "few": np.where(rng.random(n) < 0.2, 3.0, 0.1) * rng.random(n),
        "equal": rng.choice([0.5, 1.0, 4.0], n),
        "apart": 10.0 ** rng.uniform(-8, 2, n),
        "near": 2.0 + 1e-13 * rng.normal(size=n),
    }[kind]
    A = (basis * given) @ basis.T
    A = np.diag(given) if seed % 5 == 0 else 0.5 * (A + A.T)
    every = np.linalg.eigvalsh(A)[::-1]
    gaps = np.r_[every[0] + 1.0, every, every[-1] - 1.0]
    cut = int(rng.integers(len(gaps) - 1))
    edge, scale = 0.5 * (gaps[cut] + gaps[cut + 1]), abs(every).max()
    if gaps[cut] - gaps[cut + 1] < 1e-12 * scale:
        return  # rounding decides on which side they lie
    values, vectors = pairs(A, edge)
    assert len(values) == cut and np.allclose(values, every[:cut], rtol=0, atol=1e-13 * scale)
    assert np.allclose(vectors @ vectors.T, np.eye(cut), rtol=0, atol=1e-13)
    assert np.allclose(A @ vectors.T, vectors.T * values, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_what_lies_on_the_edge_is_not_above_it(n: int) -> None:
    assert len(pairs(np.eye(n), 1.0)[0]) == 0
    assert pairs(np.eye(n), np.nextafter(1.0, 0.0))[0].tolist() == [1.0] * n


def test_a_matrix_of_ones_has_one_direction() -> None:
    values, vectors = pairs(np.ones((6, 6)), 1.0)
    assert np.allclose(values, [6.0], rtol=1e-15) and np.allclose(abs(vectors), 6**-0.5, rtol=1e-14)
