"""Denoised covariance: what stays, what is replaced, and the edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.moments.denoising import denoised, edge
from metabt.estimators.windows import Windows
from tests.shared.returns import factor_returns, market_returns


def plain(X: np.ndarray) -> np.ndarray:
    """Return the denoised covariance of X, eigenvalue by eigenvalue."""
    sigma, C = X.std(0, ddof=1), np.atleast_2d(np.corrcoef(X.T))
    values, vectors = np.linalg.eigh(C)
    noise = values <= (1 + (X.shape[1] / len(X)) ** 0.5) ** 2
    cleaned = np.where(noise, values[noise].mean(), values)
    assert np.isclose(cleaned.sum(), values.sum(), rtol=1e-13)
    C = sum(value * np.outer(vector, vector) for value, vector in zip(cleaned, vectors.T, strict=True))
    return C / np.sqrt(np.outer(np.diag(C), np.diag(C))) * np.outer(sigma, sigma)


def correlation(X: np.ndarray) -> np.ndarray:
    """Return the denoised correlations of X."""
    S = denoised(Windows.single(X))[0]
    return S / np.sqrt(np.outer(np.diagonal(S), np.diagonal(S)))


@pytest.mark.parametrize(("rows", "assets"), [(252, 20), (60, 20), (15, 20), (252, 1), (252, 2)])
def test_the_covariance_is_that_of_its_definition(rows: int, assets: int) -> None:
    X = market_returns(rows, rows, assets)
    S, expected = denoised(Windows.single(X))[0], plain(X)
    assert np.allclose(S, expected, rtol=1e-11, atol=1e-13 * expected.max())


@given(st.integers(0, 10**6), st.integers(3, 80), st.integers(1, 20), st.booleans())
def test_every_window_of_a_stack_is_that_of_its_definition(seed: int, rows: int, assets: int, market: bool) -> None:
    rng = np.random.default_rng(seed)
    X = market_returns(seed, rows + 5, assets) if market else factor_returns(seed, rows + 5, assets)
    stops = np.array([rows, rows + 2, rows + 5])
    support = rng.random((3, assets)) < 0.7
    support[:, rng.integers(assets)] = True
    S = denoised(Windows(X, stops, np.full(3, rows)), support)
    for d in range(3):
        expected = plain(X[stops[d] - rows : stops[d], support[d]])
        found = S[d][np.ix_(support[d], support[d])]
        sigma = np.sqrt(np.diagonal(expected))
        assert (found == found.T).all()
        assert np.allclose(found / np.outer(sigma, sigma), expected / np.outer(sigma, sigma), rtol=0, atol=1e-11)


def test_identical_columns_and_equal_groups_are_as_their_definition_has_them() -> None:
    rng = np.random.default_rng(3)
    one = rng.normal(size=(60, 1))
    groups = np.c_[np.repeat(one, 4, axis=1), np.repeat(np.roll(one, 30, axis=0), 4, axis=1)]  # two equal eigenvalues
    noise = 0.05 * rng.normal(size=(60, 8))
    for X in (groups, groups + noise):
        S, expected = denoised(Windows.single(X))[0], plain(X)
        assert np.allclose(S, expected, rtol=0, atol=1e-13 * expected.max())


def test_a_column_that_is_not_finite_is_left_out_and_spoils_no_other_window() -> None:
    X = market_returns(0, 40, 3)
    X[5, 1] = np.nan
    windows = Windows(X, np.array([20, 40]), np.array([20, 20]))
    S, others = denoised(windows), np.ix_([0, 2], [0, 2])
    assert np.array_equal(S[0][1], windows.covariance[0][1], equal_nan=True) and np.isnan(S[0][1]).all()
    assert np.allclose(S[0][others], plain(X[:20, [0, 2]]), rtol=1e-11, atol=1e-15)
    assert (S[1] == denoised(Windows.single(X[20:]))[0]).all()


def test_variances_stay_and_few_rows_leave_no_direction_without_risk() -> None:
    windows = Windows.single(factor_returns(1, 15, 20))
    S = denoised(windows)[0]
    assert (np.diagonal(S) == np.diagonal(windows.covariance[0])).all()
    sigma = np.sqrt(np.diagonal(S))
    assert np.linalg.eigvalsh(windows.covariance[0] / np.outer(sigma, sigma))[0] < 1e-12
    assert np.linalg.eigvalsh(S / np.outer(sigma, sigma))[0] > 1e-3


def test_independent_columns_have_no_correlation_and_a_market_keeps_its_own() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(500, 50))
    off = ~np.eye(50, dtype=bool)
    assert abs(correlation(noise)[off]).mean() < 0.01 < abs(np.corrcoef(noise.T)[off]).mean()
    market = noise + rng.normal(size=(500, 1))
    truth = np.full((50, 50), 0.5)
    sample = np.corrcoef(market.T)
    assert abs(correlation(market) - truth)[off].mean() < 0.7 * abs(sample - truth)[off].mean()


def test_the_edge_is_where_chance_ends() -> None:
    assert edge(100, 400) == 2.25
    values = np.linalg.eigvalsh(np.corrcoef(np.random.default_rng(1).normal(size=(100, 400))))
    assert 0.95 < values[-1] / edge(100, 400) < 1.05


def test_columns_without_variance_and_without_support_are_left_out() -> None:
    X = factor_returns(2, 60, 6)
    X[:, 4] = 0.0
    support = np.array([[True, True, False, True, True, True]])
    S, columns = denoised(Windows.single(X), support)[0], [0, 1, 3, 5]
    assert (S[np.ix_(columns, columns)] == denoised(Windows.single(X[:, columns]))[0]).all()
    assert (S[4, columns] == 0.0).all()
