"""Returns for tests of estimators: real ones, and random ones that are hard in several ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from metabt.estimators import registry
from metabt.estimators.windows import Windows

OPTIMIZERS = tuple(sorted(set(registry.OPTIMIZERS) - {"fixed"}))
"""Native optimizers that look at returns: the weights of a fixed one are given."""


def simple_returns(prices: pd.DataFrame) -> np.ndarray:
    """Return (n_rows, n_assets) simple returns of a frame without gaps."""
    closes = prices.to_numpy()
    return np.ascontiguousarray(closes[1:] / closes[:-1] - 1.0)


def factor_returns(seed: int, rows: int, assets: int, spread: float = 1.0) -> np.ndarray:
    """Return returns with three factors, loadings of both signs and volatilities that differ by 10 ** spread."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(rows, 3)) @ rng.normal(size=(3, assets)) * rng.choice([0.0, 0.5, 3.0])
    scale = 0.01 * 10.0 ** rng.uniform(-spread / 2, spread / 2, assets)
    return (common + rng.normal(size=(rows, assets))) * scale + 0.001 * rng.normal(size=assets)


def market_returns(seed: int, rows: int, assets: int) -> np.ndarray:
    """Return returns of stocks: one market, betas around one, volatilities within a factor of three."""
    rng = np.random.default_rng(seed)
    market = 0.01 * rng.normal(size=(rows, 1)) * rng.uniform(0.5, 1.5, assets)
    return market + rng.normal(size=(rows, assets)) * rng.uniform(0.005, 0.02, assets) + 0.0005


@st.composite
def stacks(draw: st.DrawFn, max_assets: int = 9) -> tuple[Windows, np.ndarray]:
    """Draw windows that overlap and differ in length, and a support for each."""
    assets, rows = draw(st.integers(2, max_assets)), draw(st.integers(24, 60))
    decisions = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    returns = market_returns(draw(st.integers(0, 10**6)), rows, assets)
    if draw(st.booleans()):
        returns[:, -1] = returns[:, 0]
    stops = np.sort(rng.integers(20, rows + 1, decisions))
    lengths = rng.integers(3, stops + 1)
    support = rng.random((decisions, assets)) < 0.8
    volume = 1e6 * rng.random((rows, assets))
    volume[rng.random((rows, assets)) < 0.1] = np.nan
    return Windows(returns, stops, lengths, volume), support
