"""Exponentially weighted moments: against a plain loop and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt.estimators.moments.ewma import ewma_covariance, ewma_mean
from metabt.estimators.moments.sample import sample_covariance
from tests.shared.returns import factor_returns

STOPS, LENGTHS = np.array([60, 61, 90, 120]), np.array([60, 20, 2, 100])


def plain(X: np.ndarray, half_life: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and covariance of X, one row after another."""
    weights = [2.0 ** (-(len(X) - 1 - t) / half_life) for t in range(len(X))]
    mean = sum(u * x for u, x in zip(weights, X, strict=True)) / sum(weights)
    scatter = sum(u * np.outer(x - mean, x - mean) for u, x in zip(weights, X, strict=True))
    return mean, scatter / (sum(weights) - sum(u * u for u in weights) / sum(weights))


@pytest.mark.parametrize("half_life", [0.5, 11.0, 63.0, 1e6])
@pytest.mark.parametrize("assets", [1, 7, 8, 19])
def test_moments_are_those_of_a_loop_and_of_pandas(assets: int, half_life: float) -> None:
    X = factor_returns(5, 120, assets)
    S, mean = ewma_covariance(X, STOPS, LENGTHS, half_life), ewma_mean(X, STOPS, LENGTHS, half_life)
    for d, (stop, length) in enumerate(zip(STOPS, LENGTHS, strict=True)):
        window = X[stop - length : stop]
        expected = plain(window, half_life)
        scale = np.sqrt(np.outer(np.diagonal(S[d]), np.diagonal(S[d])))
        assert np.allclose(mean[d], expected[0], rtol=0, atol=1e-15)
        assert (abs(S[d] - expected[1]) <= 1e-12 * scale).all()
        theirs = pd.DataFrame(window).ewm(halflife=half_life)
        assert np.allclose(mean[d], theirs.mean().iloc[-1], rtol=0, atol=1e-15)
        assert (abs(S[d] - theirs.cov().iloc[-assets:].to_numpy()) <= 1e-12 * scale).all()


def test_an_endless_half_life_gives_the_sample_covariance() -> None:
    X = factor_returns(2, 120, 4)
    S, sample = ewma_covariance(X, STOPS, LENGTHS, 1e12), sample_covariance(X, STOPS, LENGTHS)
    assert (abs(S - sample) <= 1e-9 * abs(sample).max(axis=(1, 2), keepdims=True)).all()


def test_a_short_half_life_forgets() -> None:
    X = factor_returns(2, 200, 3)
    one = np.array([200]), np.array([200])
    before = ewma_covariance(X, *one, 2.0)
    X[:50] += 1.0
    assert np.allclose(ewma_covariance(X, *one, 2.0), before, rtol=1e-10, atol=0)
    X[-1] += 1.0
    assert not np.allclose(ewma_covariance(X, *one, 2.0), before, rtol=0.1, atol=0)


@pytest.mark.parametrize("rows", [2, 30, 252])
def test_an_asset_that_never_moves_keeps_its_value_as_mean(rows: int) -> None:
    X = factor_returns(1, rows, 3)
    X[:, 1] = 0.1
    assert ewma_mean(X, np.array([rows]), np.array([rows]), 20.0)[0, 1] == 0.1
