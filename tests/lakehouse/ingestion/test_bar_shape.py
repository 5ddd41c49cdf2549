"""Bars of one asset are known by their numbers; prices of several assets, and curves, are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.errors import DataError
from metabt.lakehouse.ingestion.bar_shape import LEAST, MOST, bar_columns
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.options import Options


def bars(seed: int, n_rows: int, volatility: float) -> np.ndarray:
    """Return open, high, low, close and volume of a walk that is looked at 16 times a day."""
    rng = np.random.default_rng(seed)
    path = 50 * np.exp(np.cumsum(rng.normal(0, volatility / 4, n_rows * 16))).reshape(n_rows, 16)
    volume = rng.integers(10_000, 100_000, n_rows)
    return np.column_stack([path[:, 0], path.max(1), path.min(1), path[:, -1], volume])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_rows=st.integers(60, 400),
    volatility=st.floats(0.002, 0.03),
    order=st.permutations(range(5)),
)
def test_bars_are_found_in_any_order(seed: int, n_rows: int, volatility: float, order: list[int]) -> None:
    found = bar_columns(bars(seed, n_rows, volatility)[:, order])
    assert found is not None
    high, low, between = found
    assert (order[high], order[low], sorted(order[place] for place in between)) == (1, 2, [0, 3])


def test_assets_are_not_taken_for_bars() -> None:
    """Walks that begin at one level and share a market, as funds of one index do."""
    taken = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n_rows, n_assets = int(rng.integers(LEAST, 120)), int(rng.integers(8, MOST + 1))
        moves = rng.normal(0, 0.01, (n_rows, 1)) + rng.normal(0, rng.choice([0.001, 0.01]), (n_rows, n_assets))
        taken += bar_columns(100 * np.exp(np.cumsum(moves, 0))) is not None
    assert taken == 0


def test_a_curve_keeps_its_order() -> None:
    front = bars(1, 200, 0.01)[:, 3]
    noise = np.random.default_rng(2).normal(0, 1e-4, (200, 5))
    assert bar_columns(front[:, None] * (1 + 0.01 * np.arange(5) + noise)) is None


@pytest.mark.parametrize("names", ["O1 O2 O3 O4", "Otw. Najw. Najn. Zamk."])
def test_bars_under_any_name_are_refused_with_what_tells(names: str) -> None:
    days = pd.bdate_range("2024-01-02", periods=80, name="Date")
    frame = pd.DataFrame(bars(3, 80, 0.01)[:, :4], days, names.split())
    one, high, low, last = names.split()
    message = f"'{high}' is the highest and '{low}' the lowest in every row, with '{one}', '{last}' between.*wide=True"
    with pytest.raises(DataError, match=message):
        read_observations(frame, Options())
    assert read_observations(frame, Options(wide=True)).symbols.values == tuple(names.split())
    named = read_observations(frame, Options(symbol_name="AA", close=last))
    np.testing.assert_array_equal(named.fields["close"], frame[last])
