"""The block length of Politis and White: near what theory says of an autoregression, and equal to a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from metabt.luck.block_length import autocovariances, family_block_length, optimal_block_lengths
from tests.luck.families import noise


def autoregression(seed: int, n: int, phi: float) -> np.ndarray:
    return np.asarray(lfilter([1.0], [1.0, -phi], np.random.default_rng(seed).standard_normal(n)))


def looped(series: np.ndarray) -> float:
    """Return the block length of one series, by the steps of the paper one after the other."""
    n, x = len(series), series - series.mean()
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = math.ceil(math.sqrt(n)) + run

    def R(k: int) -> float:
        return float(x[: n - k] @ x[k:]) / n

    bound = 2 * math.sqrt(math.log10(n) / n)
    m = 0
    while m < most and any(abs(R(m + k) / R(0)) >= bound for k in range(1, run + 1)):
        m += 1
    M = min(2 * max(m, 1), most)
    window = [min(1.0, max(0.0, 2 * (1 - k / M))) for k in range(M + 1)]
    G = sum(2 * window[k] * k * R(k) for k in range(1, M + 1))
    S = R(0) + sum(2 * window[k] * R(k) for k in range(1, M + 1))
    b = (2 * G * G / (2 * S * S)) ** (1 / 3) * n ** (1 / 3)
    return min(max(b, 1.0), math.ceil(min(3 * math.sqrt(n), n / 3)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.9, -0.5])
def test_it_is_that_of_a_plain_loop(seed: int, phi: float) -> None:
    series = autoregression(seed, 600, phi)
    assert optimal_block_lengths(series[:, None])[0] == pytest.approx(looped(series))


@pytest.mark.parametrize("phi", [0.2, 0.5, 0.7])
def test_an_autoregression_has_the_length_of_theory(phi: float) -> None:
    # G = 2 phi / (1 - phi)^2 and S = (1 + phi) / (1 - phi), both times R(0)
    n = 20_000
    expected = (2 * phi / (1 - phi * phi)) ** (2 / 3) * n ** (1 / 3)
    found = np.mean([optimal_block_lengths(autoregression(seed, n, phi)[:, None])[0] for seed in range(6)])
    assert found == pytest.approx(expected, rel=0.12)


def test_many_series_at_once_are_each_alone() -> None:
    series = np.column_stack([autoregression(seed, 500, phi) for seed, phi in enumerate([0.0, 0.2, 0.6])])
    alone = [optimal_block_lengths(series[:, [k]])[0] for k in range(3)]
    assert optimal_block_lengths(series).tolist() == pytest.approx(alone)
    assert family_block_length(series) == pytest.approx(np.mean(alone))


def test_noise_hardly_has_blocks() -> None:
    assert 1.0 <= family_block_length(noise(1, 1260, 200)) < 2.0


def test_a_late_stream_has_the_length_of_its_own_sessions() -> None:
    series = autoregression(3, 600, 0.4)
    late = np.concatenate([np.full(50, np.nan), series])
    # the number of lags that may be looked at is that of the span; here none of them is reached
    assert optimal_block_lengths(late[:, None])[0] == pytest.approx(optimal_block_lengths(series[:, None])[0])


def test_the_length_is_bounded() -> None:
    walk = np.cumsum(np.random.default_rng(4).standard_normal((400, 3)), axis=0)
    assert optimal_block_lengths(walk).max() <= math.ceil(min(3 * math.sqrt(400), 400 / 3))
    swinging = np.column_stack([autoregression(seed, 200, -0.98) for seed in range(12)])
    assert optimal_block_lengths(swinging).max() == math.ceil(min(3 * math.sqrt(200), 200 / 3)) == 43
    assert (optimal_block_lengths(np.random.default_rng(5).standard_normal((7, 4))) >= 1).all()
    assert family_block_length(np.empty((100, 0))) == 1.0


def test_autocovariances_are_sums_of_products() -> None:
    x = noise(6, 40, 3)
    centred = x - x.mean(axis=0)
    expected = [(centred[: 40 - k] * centred[k:]).sum(axis=0) / 40 for k in range(40)]
    assert autocovariances(x, 39) == pytest.approx(np.array(expected))
