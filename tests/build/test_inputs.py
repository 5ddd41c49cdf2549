"""A leaf's columns of some rows are those of the whole, as NumPy cuts them, whatever shortcut there is to them."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from metabt.build.inputs import Market
from metabt.data.prices import Prices
from tests.shared.laws import DRAWS, examples


def made(rng: np.random.Generator) -> Prices:
    """Return prices of a stretch of time: complete or with gaps, some of them with a price before it."""
    n_rows, n_assets = int(rng.integers(1, 8)), int(rng.integers(1, 6))
    close = rng.uniform(50.0, 60.0, (n_rows, n_assets))
    close[rng.random(close.shape) < rng.choice([0.0, 0.3])] = np.nan
    entry = np.where(rng.random(n_assets) < rng.choice([0.0, 0.5, 1.0]), np.nan, rng.uniform(50.0, 60.0, n_assets))
    dates = np.arange(n_rows) + np.datetime64("2020-01-01")
    volume = None if rng.random() < 0.5 else rng.uniform(1.0, 9.0, close.shape)
    names = tuple(f"S{place}" for place in range(n_assets))
    return Prices("d", dates, names, close, volume, entry=entry if rng.random() < 0.8 else None)


@given(seed=DRAWS)
@examples(200)
def test_they_are_those_of_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prices = made(rng)
    order = np.sort(rng.permutation(len(prices.symbols))[: rng.integers(1, len(prices.symbols) + 1)])
    first = int(rng.integers(0, len(prices.dates)))
    rows = slice(first, int(rng.integers(first, len(prices.dates))) + 1)
    found = Market.of(prices, tuple(prices.symbols[place] for place in order), rows)
    entry = np.full(len(prices.symbols), np.nan) if prices.entry is None else prices.entry
    last = entry.copy()
    for row, close in enumerate(prices.close):
        observed, priced = ~np.isnan(close) & ~np.isnan(last), ~np.isnan(close)
        returns = np.where(observed, close / last - 1.0, 0.0)
        last = np.where(priced, close, last)
        if not rows.start <= row < rows.stop:
            continue
        here = row - rows.start
        np.testing.assert_array_equal(found.observed[here], observed[order])
        np.testing.assert_array_equal(found.priced[here], priced[order])
        np.testing.assert_allclose(found.returns[here], returns[order], atol=1e-15)
        if prices.volume is not None:
            assert found.dollar_volume is not None
            np.testing.assert_array_equal(found.dollar_volume[here], (close * prices.volume[row])[order])
