"""Asset risk: returns between a root's sessions are those of each panel's prices, in the columns of its symbols."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.prices import Prices
from metabt.walk.asset_risk import ex_ante_asset_risk, measured

DAYS = np.arange("2020-01-01", "2020-03-01", dtype="M8[D]")


def panel(rng: np.random.Generator, symbols: str) -> Prices:
    close = 100 * np.exp(rng.normal(0, 0.02, (len(DAYS), len(symbols))).cumsum(axis=0))
    return Prices(symbols, DAYS, tuple(symbols), close)


def between(prices: Prices, sessions: np.ndarray) -> np.ndarray:
    at = np.searchsorted(DAYS, sessions)
    return np.asarray(prices.close)[at[1:]] / np.asarray(prices.close)[at[:-1]] - 1


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_every_panel_has_its_columns_and_the_rest_is_zero(seed: int, alone: bool, more: bool) -> None:
    rng = np.random.default_rng(seed)
    n_assets = (2 if alone else 5) + more
    order = rng.permutation(n_assets)
    panels = [(panel(rng, "AB"), np.arange(2) if alone and not more else np.sort(order[:2]))]
    if not alone:
        panels.append((panel(rng, "CDE"), np.sort(order[2:5])))
    sessions = np.sort(rng.choice(DAYS, 20, replace=False))
    expected = np.zeros((19, n_assets))
    for prices, columns in panels:
        expected[:, columns] = between(prices, sessions)
    found = measured(sessions, panels, n_assets)
    assert np.allclose(found, expected, rtol=0, atol=1e-13)

    weights, stops, lookback = rng.dirichlet(np.ones(n_assets), 3), np.array([4, 12, 20]), 9
    shares = ex_ante_asset_risk(weights, sessions, stops, lookback, panels)
    for i, stop in enumerate(stops):
        seen = expected[max(stop - 1 - lookback, 0) : stop - 1]
        covariance = np.cov(seen.T)
        assert np.allclose(shares[i], weights[i] * (covariance @ weights[i]) / (weights[i] @ covariance @ weights[i]))
