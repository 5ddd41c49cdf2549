"""Shrinkage to a multiple of the identity: against scikit-learn, on real returns and short windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import OAS, LedoitWolf

from metabt.estimators.moments.shrinkage import ledoit_wolf, oas
from metabt.estimators.windows import Windows
from tests.shared.returns import factor_returns, simple_returns

BOTH = [(ledoit_wolf, LedoitWolf), (oas, OAS)]


@pytest.mark.parametrize(("rows", "assets"), [(252, 20), (30, 20), (10, 20), (60, 1), (2, 3)])
@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_the_covariance_is_that_of_sklearn(
    sp500: pd.DataFrame, ours: Callable, theirs: type, rows: int, assets: int
) -> None:
    X = simple_returns(sp500)[:, :assets]
    stops = np.array([500, 3000, 8000])
    S = ours(Windows(X, stops, np.full(3, rows)))
    for d, stop in enumerate(stops):
        expected = theirs().fit(X[stop - rows : stop]).covariance_
        assert np.allclose(S[d], expected, rtol=1e-10, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
@pytest.mark.parametrize(("rows", "assets"), [(4, 3), (5, 4), (6, 5), (9, 2)])
def test_no_more_is_shrunk_than_to_the_target(ours: Callable, theirs: type, rows: int, assets: int) -> None:
    """Of few rows of what is independent, the intensity would lie above one: correlations would change their sign."""
    whole = 0
    for seed in range(20):
        X = np.random.default_rng(seed).normal(0, 0.01, (rows, assets))
        S, target = ours(Windows.single(X))[0], np.eye(assets) * X.var(axis=0).mean()
        assert np.allclose(S, theirs().fit(X).covariance_, rtol=1e-10, atol=1e-18)
        whole += np.allclose(S, target, rtol=1e-10, atol=1e-18)
    assert whole > 0


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_supported_columns_alone_decide(ours: Callable, theirs: type) -> None:
    X = factor_returns(5, 80, 6)
    support = np.array([[True, False, True, True, False, False]])
    S = ours(Windows.single(X), support)[0]
    expected = theirs().fit(X[:, support[0]]).covariance_
    assert np.allclose(S[np.ix_(support[0], support[0])], expected, rtol=1e-10)
    assert np.isnan(S[~support[0]]).all()


@pytest.mark.parametrize("ours", [ledoit_wolf, oas])
def test_equal_variances_without_correlation_are_their_own_target(ours: Callable) -> None:
    X = np.kron(np.eye(4), np.array([[1.0], [-1.0]]))
    S = ours(Windows.single(X))[0]
    assert np.allclose(S, 0.25 * np.eye(4), rtol=0, atol=1e-16)


@pytest.mark.parametrize("ours", [ledoit_wolf, oas])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_window_that_is_not_finite_says_so_and_leaves_the_others(ours: Callable, value: float) -> None:
    """Without a warning."""
    X = factor_returns(0, 60, 3)
    spoilt = X.copy()
    spoilt[5, 1] = value
    stops, lengths = np.array([30, 60]), np.array([30, 30])
    found, expected = ours(Windows(spoilt, stops, lengths)), ours(Windows(X, stops, lengths))
    assert (found[1] == expected[1]).all() and not np.isfinite(found[0]).all()
