"""Risk by asset against its definition, and its bits against the company that a decision keeps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt.estimators.moments.risk_by_asset import ROWS, ex_ante_by_asset
from metabt.numerics.vectors import LANES

RNG = np.random.default_rng(3)


def reference(window: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return `w (S w) / (w' S w)` of one window, its covariance S formed."""
    S = np.cov(window.T)
    return weights * (S @ weights) / (weights @ S @ weights)


@pytest.fixture(scope="module")
def returns(sp500: pd.DataFrame) -> np.ndarray:
    return np.ascontiguousarray(sp500.pct_change().iloc[1:].to_numpy())


@pytest.mark.parametrize("n_assets", [1, 5, LANES, 20])
@pytest.mark.parametrize("step", [1, 21, 400])
def test_it_is_the_definition(returns: np.ndarray, n_assets: int, step: int) -> None:
    stops = 300 + step * np.arange(LANES + 3)
    lengths = np.minimum(stops, RNG.integers(20, 300, len(stops)))
    weights = RNG.normal(size=(len(stops), n_assets))
    X = np.ascontiguousarray(returns[:, :n_assets])
    expected = [
        reference(X[stop - rows : stop].reshape(rows, -1), w) if n_assets > 1 else [1.0]
        for stop, rows, w in zip(stops, lengths, weights, strict=True)
    ]
    assert ex_ante_by_asset(X, stops, lengths, weights) == pytest.approx(np.array(expected), abs=1e-12)


def test_a_decision_has_the_bits_that_it_has_alone(returns: np.ndarray) -> None:
    stops = np.sort(RNG.integers(60, len(returns), 3 * LANES + 1))
    lengths, weights = RNG.integers(2, 60, len(stops)), RNG.normal(size=(len(stops), 20))
    together = ex_ante_by_asset(returns, stops, lengths, weights)
    for d, (stop, rows) in enumerate(zip(stops, lengths, strict=True)):
        end = np.array([rows])
        alone = ex_ante_by_asset(returns[stop - rows : stop], end, end, weights[d : d + 1])
        assert alone.tobytes() == together[d].tobytes()


def test_assets_without_weight_and_what_lies_outside_a_window_change_no_bit(returns: np.ndarray) -> None:
    stops, lengths, weights = np.array([200, 221]), np.array([100, 100]), RNG.normal(size=(2, 20))
    weights[:, 13:] = 0.0
    found = ex_ante_by_asset(returns, stops, lengths, weights)
    held = ex_ante_by_asset(returns[:, :13], stops, lengths, weights[:, :13])
    other = returns.copy()
    other[221:] = 9.0
    other[:100] = -0.5
    assert held.tobytes() == np.ascontiguousarray(found[:, :13]).tobytes()
    assert ex_ante_by_asset(other, stops, lengths, weights).tobytes() == found.tobytes()


@pytest.mark.parametrize("rows", [0, 1, 5, ROWS + 1])
def test_without_variance_there_are_no_shares(rows: int) -> None:
    for value in (0.0, 0.01):
        never, row = np.full((ROWS + 1, 3), value), np.array([rows])
        assert np.isnan(ex_ante_by_asset(never, row, row, np.array([[0.2, 0.5, 0.3]]))).all()
