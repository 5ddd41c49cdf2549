"""Moments and tails: closed forms, and the formulas of NumPy and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from metabt.analysis.metrics.ratios import probabilistic_sharpe
from metabt.analysis.metrics.tails import losses, shape
from tests.analysis.metrics.streams import heavy_tailed, stream


@pytest.mark.parametrize("n", [1, 2, 3, 19, 20, 21, 22, 40, 41, 500])
def test_value_at_risk_and_expected_shortfall_of_any_number_of_sessions(n: int) -> None:
    net = heavy_tailed(n, n)
    value_at_risk, shortfall = losses(stream(net)).values()
    assert value_at_risk == pytest.approx(-np.quantile(net, 0.05))
    assert shortfall == pytest.approx(-net[net <= np.quantile(net, 0.05)].mean()) and shortfall >= value_at_risk


@pytest.mark.parametrize("seed", range(5))
def test_value_at_risk_does_not_rest_on_the_order_within_a_partition(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NumPy promises what is below a place and what is above it, and no order on either side."""
    net = heavy_tailed(seed, 130)

    def partition(values: np.ndarray, k: int) -> np.ndarray:
        ordered = np.sort(values)
        return np.concatenate([ordered[:k][::-1], ordered[k : k + 1], ordered[k + 1 :][::-1]])

    monkeypatch.setattr(np, "partition", partition)
    seventh, eighth = sorted(net)[6:8]
    assert (
        losses(stream(net))
        == pytest.approx(
            {
                "var_95": -(seventh + 0.45 * (eighth - seventh)),  # 45 % of the way: 0.05 * 129 is 6.45
                "expected_shortfall_95": -sum(sorted(net)[:7]) / 7,
            }
        )
    )


def test_the_tail_of_even_steps() -> None:
    found = losses(stream(np.arange(101) / 100 - 0.5))
    assert found == pytest.approx({"var_95": 0.45, "expected_shortfall_95": 0.475})


def test_a_tail_of_gains_is_a_negative_loss() -> None:
    assert losses(stream([0.01, 0.03])) == pytest.approx({"var_95": -0.011, "expected_shortfall_95": -0.01})


@pytest.mark.parametrize("seed", range(5))
def test_moments_are_those_of_scipy(seed: int) -> None:
    net = heavy_tailed(seed)
    assert shape(stream(net)) == pytest.approx({"skew": stats.skew(net), "kurtosis": stats.kurtosis(net)})


def test_a_fair_coin_has_the_least_kurtosis() -> None:
    assert shape(stream([0.01, -0.01] * 50)) == pytest.approx({"skew": 0.0, "kurtosis": -2.0})


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_moments_of_a_coin(p: float) -> None:
    gains = round(100 * p)
    q, variance = 1 - p, p * (1 - p)
    expected = {"skew": (q - p) / variance**0.5, "kurtosis": (1 - 6 * variance) / variance}
    assert shape(stream([1.0] * gains + [0.0] * (100 - gains))) == pytest.approx(expected)


def test_moments_do_not_move_with_the_mean() -> None:
    net = heavy_tailed(1)
    assert shape(stream(net + 0.5)) == pytest.approx(shape(stream(net)))


@pytest.mark.parametrize(("skew", "kurtosis", "expected"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_the_published_example_of_the_probabilistic_sharpe_ratio(skew: float, kurtosis: float, expected: float) -> None:
    # Bailey and Lopez de Prado (2012): 24 months at a Sharpe ratio of 0.458 a month, were they normal and as they are
    months = np.tile([1.0, -1.0], 12)
    net = months + 0.458 * months.std(ddof=1)
    assert probabilistic_sharpe(stream(net), skew, kurtosis - 3) == pytest.approx(expected, abs=5e-4)


def test_no_skew_and_no_tail_is_the_normal_case() -> None:
    net = heavy_tailed(2, 300)
    x = net.mean() / net.std(ddof=1)
    expected = stats.norm.cdf(x * np.sqrt(299) / np.sqrt(1 + x * x / 2))
    assert probabilistic_sharpe(stream(net), 0.0, 0.0) == pytest.approx(expected)


def test_a_mean_of_zero_is_even_odds() -> None:
    assert probabilistic_sharpe(stream([0.01, -0.01] * 5), 0.0, -2.0) == pytest.approx(0.5)


@pytest.mark.parametrize("n", [2, 3, 10, 250])
@pytest.mark.parametrize("beyond", [0.0, 1e-16, 0.5])
def test_a_sharpe_ratio_whose_own_variance_is_not_positive_has_no_probability(n: int, beyond: float) -> None:
    """With skew g and kurtosis g^2 + 1, the least there is, the variance `(1 - g x / 2)^2` is 0 where g is 2 / x."""
    net = np.linspace(0.01, 0.02, n)
    net = net - net.mean() + net.std(ddof=1)
    x = stream(net).mean / stream(net).deviation
    skew = 2 / x
    found = probabilistic_sharpe(stream(net), skew, skew * skew - 2 - 4 * beyond / (x * x))
    variance = 1.0 - skew * x + (skew * skew - 2 - 4 * beyond / (x * x) + 2.0) / 4.0 * x * x
    assert variance < 1e-15
    assert math.isnan(found) if variance <= 0 else found == 1.0


@pytest.mark.parametrize("gains", range(1, 12))
def test_two_values_have_a_probability_or_none_and_are_never_refused(gains: int) -> None:
    """Of 12 sessions with two returns, the mean is moved to where the variance of their Sharpe ratio is 0."""
    coin = np.repeat([1.0, 0.0], [gains, 12 - gains])
    skew, kurtosis = stats.skew(coin), stats.kurtosis(coin)
    for shift in [0.0] if abs(skew) < 1e-9 else 2 / skew + np.arange(-8, 9) * 1e-16:
        net = coin - coin.mean() + shift * coin.std(ddof=1)
        found = probabilistic_sharpe(stream(net), skew, kurtosis)
        x = net.mean() / net.std(ddof=1)
        assert math.isnan(found) or found == pytest.approx(0.5 if not shift else float(x > 0))
