"""Metrics of windows against plain NumPy, one asset and window at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.selectors import _metrics
from metabt.estimators.selectors._metrics import measure
from metabt.estimators.windows import Windows


def naive(x: np.ndarray, volume: np.ndarray) -> dict[str, float]:
    """Return every metric of one window of one asset."""
    flat = (x == x[0]).all()
    deviation = np.zeros(len(x)) if flat else x - x.mean()
    variance = (deviation**2).mean()
    low, high, recent = np.quantile(x, 0.05), np.quantile(x, 0.95), x[-120:]
    orders = [tuple(np.argsort(x[t : t + 3], kind="stable")) for t in range(len(x) - 2)]
    p = np.array([orders.count(order) for order in set(orders)]) / max(len(orders), 1)
    wealth = np.cumprod(1 + x)
    known = volume[~np.isnan(volume)]
    return {
        "momentum": x.mean(),
        "stability": -variance,
        "skewness": (deviation**3).mean() / variance**1.5 if variance > 0 else 0.0,
        "efficiency": abs(recent.sum()) / abs(recent).sum() if recent.any() else 0.0,
        "predictability": 1 + (p * np.log(p)).sum() / np.log(6),
        "upside": x[x > high].mean() if (x > high).any() else high,
        "shortfall": max(-x[x <= low + 1e-15].mean(), 0.0),
        "drawdown": max((1 - wealth / np.maximum(np.maximum.accumulate(wealth), 1.0)).max(), 0.0),
        "liquidity": np.median(known) if len(known) else 0.0,
    }


@given(st.integers(0, 10**6), st.integers(1, 400), st.sampled_from(["normal", "wild", "coarse", "flat"]))
def test_the_definitions(seed: int, rows: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    X = {
        "normal": rng.normal(0.0005, 0.01, (rows, 3)),
        "wild": np.clip(rng.standard_t(1.5, (rows, 3)) * 0.02, -0.99, None),
        "coarse": rng.integers(-2, 3, (rows, 3)) * 0.01,
        "flat": np.full((rows, 3), 0.01),
    }[kind]
    volume = rng.lognormal(12, 3, X.shape)
    volume[rng.random(X.shape) < rng.choice([0.0, 0.3, 1.0])] = np.nan
    stops = np.array([rows, max(rows // 2, 1)])
    lengths = np.array([rows, int(rng.integers(1, stops[1] + 1))])
    found = measure(Windows(X, stops, lengths, volume))
    for d, (stop, length) in enumerate(zip(stops, lengths, strict=True)):
        for i in range(3):
            window = slice(stop - length, stop)
            for name, value in naive(X[window, i], volume[window, i]).items():
                assert np.isclose(found[getattr(_metrics, name.upper()), d, i], value, rtol=1e-10, atol=1e-12), name


@pytest.mark.parametrize("rows", [256, 257, 258, 513, 1023, 1025, 2500])
def test_the_definitions_of_long_windows(rows: int) -> None:
    """An order is seen more often than one count can tell; one asset never moves, one always rises."""
    rng = np.random.default_rng(rows)
    X = np.column_stack(
        [rng.normal(0, 0.01, rows), np.full(rows, 0.01), 1e-6 * np.arange(rows), 0.01 * rng.integers(-1, 2, rows)]
    )
    volume = rng.lognormal(12, 3, X.shape)
    stops, lengths = np.array([rows, rows]), np.array([rows, rows - 1])
    found = measure(Windows(X, stops, lengths, volume))
    for d, length in enumerate(lengths):
        for i in range(4):
            for name, value in naive(X[rows - length :, i], volume[rows - length :, i]).items():
                assert np.isclose(found[getattr(_metrics, name.upper()), d, i], value, rtol=1e-9, atol=1e-13), name


def test_assets_that_saw_the_same_numbers_of_orders_are_tied() -> None:
    """The orders themselves differ: what fell rose and the other way round."""
    x = np.random.default_rng(3).normal(size=(1000, 1))
    predictability = measure(Windows.single(np.hstack([x, -x, x[::-1]])))[_metrics.PREDICTABILITY, 0]
    assert predictability[0] == predictability[1] == predictability[2]


@given(st.integers(0, 10**6), st.integers(2, 300), st.sampled_from(["exponential", "ties", "both"]))
def test_quantiles_wherever_the_window_before_left_them(seed: int, rows: int, kind: str) -> None:
    """Values over 600 orders of magnitude, ties at the quantiles: beginnings and distances that are far off."""
    rng = np.random.default_rng(seed)
    volume = {
        "exponential": 10.0 ** rng.uniform(-300, 300, (4 * rows, 1)),
        "ties": rng.integers(0, 3, (4 * rows, 1)).astype(float),
        "both": np.where(rng.random((4 * rows, 1)) < 0.5, 1.0, 10.0 ** rng.uniform(-9, 9, (4 * rows, 1))),
    }[kind]
    stops = np.sort(rng.integers(rows, 4 * rows + 1, 5))
    found = measure(Windows(np.zeros(volume.shape), stops, np.full(5, rows), volume))[_metrics.LIQUIDITY, :, 0]
    for d, stop in enumerate(stops):
        middle = np.sort(volume[stop - rows : stop, 0])[[(rows - 1) // 2, rows // 2]]
        assert found[d] == middle[0] + 0.5 * (rows % 2 == 0) * (middle[1] - middle[0])


def test_what_the_dataset_does_not_have_or_nobody_asks_for_is_zero() -> None:
    windows = Windows.single(np.random.default_rng(0).normal(size=(30, 2)) * 0.01)
    assert not measure(windows)[_metrics.LIQUIDITY].any() and measure(windows)[_metrics.DRAWDOWN].all()
    assert not measure(windows, with_drawdown=False)[_metrics.DRAWDOWN].any()


def test_a_window_has_the_same_bits_whatever_windows_are_measured_with_it() -> None:
    rng = np.random.default_rng(4)
    X, volume = rng.standard_t(3, (900, 11)) * 0.01, rng.lognormal(12, 1, (900, 11))
    volume[rng.random(X.shape) < 0.02] = np.nan
    stops = rng.integers(0, 901, 70)
    lengths = np.array([rng.integers(0, min(stop, 700) + 1) for stop in stops])
    together = measure(Windows(X, stops, lengths, volume))
    for d in range(70):
        alone = measure(Windows(X, stops[d : d + 1], lengths[d : d + 1], volume))
        assert alone[:, 0].tobytes() == together[:, d].tobytes()
