from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn.covariance import LedoitWolf

from metabt.errors import ConfigError
from metabt.risk.covariance import covariance, ledoit_wolf, sample_covariance, sample_mean, sample_variance
from metabt.windows import Windows
from tests.returns import factor_returns, simple_returns, stacks

STOPS, LENGTHS = np.array([60, 61, 90, 120]), np.array([60, 20, 2, 100])


@pytest.mark.parametrize("seed", range(3))
def test_moments_are_those_of_numpy(seed: int) -> None:
    X = factor_returns(seed, 120, 7)
    S, mean = sample_covariance(X, STOPS, LENGTHS), sample_mean(X, STOPS, LENGTHS)
    for d, (stop, length) in enumerate(zip(STOPS, LENGTHS, strict=True)):
        window = X[stop - length : stop]
        scale = np.sqrt(np.outer(window.var(0), window.var(0)))
        assert (abs(S[d] - np.cov(window.T)) <= 1e-13 * scale).all()
        assert np.allclose(mean[d], window.mean(0), rtol=0, atol=1e-17)


@pytest.mark.parametrize(("rows", "assets"), [(252, 20), (30, 20), (10, 20), (60, 1), (2, 3)])
def test_ledoit_wolf_is_that_of_sklearn(sp500: pd.DataFrame, rows: int, assets: int) -> None:
    X = simple_returns(sp500)[:, :assets]
    stops = np.array([500, 3000, 8000])
    S = ledoit_wolf(X, stops, np.full(3, rows))
    for d, stop in enumerate(stops):
        expected = LedoitWolf().fit(X[stop - rows : stop]).covariance_
        assert np.allclose(S[d], expected, rtol=1e-10, atol=1e-12 * abs(expected).max())


def test_ledoit_wolf_shrinks_by_its_supported_columns_alone() -> None:
    X = factor_returns(5, 80, 6)
    support = np.array([[True, False, True, True, False, False]])
    S = ledoit_wolf(X, np.array([80]), np.array([80]), support)[0]
    alone = ledoit_wolf(X[:, support[0]], np.array([80]), np.array([80]))[0]
    assert (S[np.ix_(support[0], support[0])] == alone).all()
    assert np.isnan(S[~support[0]]).all()


def test_an_asset_that_never_moves_has_no_variance_at_all() -> None:
    X = factor_returns(1, 50, 3)
    X[:, 1] = 0.1  # no binary fraction: its mean of 50 rows is not exactly itself
    S = sample_covariance(X, np.array([50]), np.array([50]))[0]
    assert S[1, 1] == 0.0 and (S[1] == 0.0).all()
    assert sample_mean(X, np.array([50]), np.array([50]))[0, 1] == 0.1


def test_equal_columns_have_equal_bits_and_variance_is_the_diagonal() -> None:
    X = factor_returns(2, 77, 5)
    X[:, 4] = X[:, 1]
    S = sample_covariance(X, np.array([77]), np.array([70]))
    assert (S[0, 1] == S[0, 4]).all() and S[0, 1, 4] == S[0, 1, 1] == S[0, 4, 4]
    assert (sample_variance(X, np.array([77]), np.array([70])) == np.diagonal(S, axis1=1, axis2=2)).all()


def test_a_single_row_has_a_mean_and_no_covariance() -> None:
    X = factor_returns(2, 5, 2)
    one = np.array([5]), np.array([1])
    assert (sample_mean(X, *one)[0] == X[4]).all()
    assert np.isnan(sample_covariance(X, *one)).all() and np.isnan(sample_variance(X, *one)).all()


@given(stacks())
def test_bits_depend_on_the_window_alone(stack: tuple[Windows, np.ndarray]) -> None:
    windows, _ = stack
    rows = windows.returns, windows.stops, windows.lengths
    S, mean, shrunk = sample_covariance(*rows), sample_mean(*rows), ledoit_wolf(*rows)
    for d in range(len(windows)):
        alone = np.ascontiguousarray(windows.window(d)), windows.lengths[[d]], windows.lengths[[d]]
        assert np.array_equal(sample_covariance(*alone)[0], S[d], equal_nan=True)
        assert (sample_mean(*alone)[0] == mean[d]).all()
        assert (ledoit_wolf(*alone)[0] == shrunk[d]).all()
    later = windows.returns.copy()
    later[windows.stops[0] :] *= -3.0
    assert np.array_equal(sample_covariance(later, *rows[1:])[0], S[0], equal_nan=True)


@given(stacks())
def test_entries_depend_on_their_own_columns_alone(stack: tuple[Windows, np.ndarray]) -> None:
    windows, _ = stack
    S = sample_covariance(windows.returns, windows.stops, windows.lengths)
    part = sample_covariance(windows.returns[:, [0, -1]], windows.stops, windows.lengths)
    assert np.array_equal(part, S[:, [[0], [-1]], [0, -1]], equal_nan=True)


def test_names_are_closed() -> None:
    windows = Windows.single(factor_returns(0, 30, 3))
    assert covariance(windows, "sample") is windows.covariance
    with pytest.raises(ConfigError, match="did you mean 'ledoit_wolf'"):
        covariance(windows, "ledoit_wold")
