"""Closed-form evidence: the published figures, and what must hold whatever the figures are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from metabt.analysis.metrics.ratios import probabilistic_sharpe as of_stream
from metabt.errors import ConfigError
from metabt.luck.sharpe_evidence import (
    SharpeEstimate,
    SharpeRatio,
    deflated_sharpe,
    expected_maximum,
    minimum_backtest,
    minimum_track_record,
    probabilistic_sharpe,
)
from tests.analysis.metrics.streams import stream


def estimate(x: float, n: int, skew: float = 0.0, kurtosis: float = 3.0) -> SharpeEstimate:
    ratio = SharpeRatio(per_session=x)
    return SharpeEstimate(ratio=ratio, n_sessions=n, skew=skew, excess_kurtosis=kurtosis - 3)


@pytest.mark.parametrize(("skew", "kurtosis", "expected"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_the_published_probabilistic_sharpe_ratio(skew: float, kurtosis: float, expected: float) -> None:
    # Bailey and Lopez de Prado (2012): 24 months at 0.458 a month
    assert probabilistic_sharpe(estimate(0.458, 24, skew, kurtosis)) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("n_trials", "expected"), [(100, 0.9004), (46, 0.9505)])
def test_the_published_deflated_sharpe_ratio(n_trials: int, expected: float) -> None:
    # Bailey and Lopez de Prado (2014): 2.5 a year over 1,250 sessions, 250 a year, variance among trials 1/2 a year
    picked = estimate(2.5 / math.sqrt(250), 1250, -3.0, 10.0)
    spread = SharpeRatio.of_year(math.sqrt(0.5), 250)
    assert deflated_sharpe(picked, n_trials, spread) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("n_trials", "expected"), [(1, 0.0), (10, 1.5746), (100, 2.5306), (1000, 3.2551)])
def test_the_published_expected_maximum(n_trials: int, expected: float) -> None:
    assert expected_maximum(n_trials) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("n_trials", [2, 10, 1000, 10**6])
def test_the_expected_maximum_is_near_the_integral(n_trials: int) -> None:
    exact, _ = integrate.quad(
        lambda z: z * n_trials * stats.norm.cdf(z) ** (n_trials - 1) * stats.norm.pdf(z), -10, 10, epsabs=1e-10
    )
    assert expected_maximum(n_trials) == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize(("per_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_published_minimum_track_record(per_year: int, years: float) -> None:
    ratio = SharpeRatio.of_year(2.0, per_year)
    needed = minimum_track_record(SharpeEstimate(ratio=ratio, n_sessions=1), SharpeRatio.of_year(1.0, per_year))
    assert needed / per_year == pytest.approx(years, abs=5e-3)


def test_the_published_minimum_backtest() -> None:
    assert minimum_backtest(45, SharpeRatio.of_year(1.0, 252)) / 252 == pytest.approx(4.998, abs=5e-4)


def test_psr_after_the_minimum_track_record_is_the_confidence() -> None:
    x, benchmark = 0.1, SharpeRatio(per_session=0.04)
    needed = float(minimum_track_record(estimate(x, 2, -1.0, 8.0), benchmark, 0.9))
    found = probabilistic_sharpe(
        SharpeEstimate(ratio=SharpeRatio(per_session=x), n_sessions=needed, skew=-1.0, excess_kurtosis=5.0), benchmark
    )
    assert found == pytest.approx(0.9)


def test_the_best_of_noise_after_the_minimum_backtest_is_expected_to_be_the_ratio() -> None:
    n = minimum_backtest(200, SharpeRatio(per_session=0.08))
    assert expected_maximum(200) / math.sqrt(n) == pytest.approx(0.08)


def test_a_ratio_that_is_not_above_its_benchmark_has_no_track_record_that_is_long_enough() -> None:
    ratios = SharpeRatio(per_session=np.array([-0.1, 0.0, 0.1, np.nan]))
    record = minimum_track_record(SharpeEstimate(ratio=ratios, n_sessions=100))
    assert np.isinf(record[:2]).all() and np.isfinite(record[2]) and np.isnan(record[3])
    backtest = minimum_backtest(10, ratios)
    assert np.isinf(backtest[:2]).all() and np.isfinite(backtest[2]) and np.isnan(backtest[3])


def test_one_trial_is_deflated_by_nothing_and_more_by_more() -> None:
    picked = estimate(0.1, 1000, -0.5, 5.0)
    deflated = [float(deflated_sharpe(picked, n)) for n in (1, 2, 10, 1000)]
    assert deflated[0] == probabilistic_sharpe(picked)
    assert deflated == sorted(deflated, reverse=True) and deflated[-1] < 0.6


def test_the_null_spread_is_that_of_ratios_whose_truth_is_zero() -> None:
    x = np.random.default_rng(5).standard_normal((400, 4000))
    spread = (x.mean(axis=0) / x.std(axis=0, ddof=1)).std()
    picked = estimate(0.12, 400)
    assert deflated_sharpe(picked, 50) == pytest.approx(
        deflated_sharpe(picked, 50, SharpeRatio(per_session=spread)), abs=0.02
    )


def test_a_stream_has_the_same_probability_as_a_trial() -> None:
    net = np.random.default_rng(3).standard_t(4, 500) * 0.01 + 0.0004
    skew, kurtosis = stats.skew(net), stats.kurtosis(net)
    found = probabilistic_sharpe(estimate(net.mean() / net.std(ddof=1), 500, skew, kurtosis + 3))
    assert found == pytest.approx(of_stream(stream(net), skew, kurtosis), rel=1e-14)


def test_a_year_and_back() -> None:
    assert SharpeRatio.of_year(1.7, 252).per_year(252) == pytest.approx(1.7)
    assert SharpeRatio.of_year(1.7, 252).per_session == pytest.approx(1.7 / math.sqrt(252))


def test_a_ratio_without_a_unit_is_refused() -> None:
    good = estimate(0.1, 100)
    with pytest.raises(ConfigError, match=r"2\.5 without a unit; wanted SharpeRatio"):
        SharpeEstimate(ratio=2.5, n_sessions=100)  # type: ignore[arg-type]
    for wrong in (probabilistic_sharpe, minimum_track_record):
        with pytest.raises(ConfigError, match="without a unit"):
            wrong(good, 1.0)
    with pytest.raises(ConfigError, match="without a unit"):
        deflated_sharpe(good, 10, 0.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="without a unit"):
        minimum_backtest(10, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        SharpeRatio(2.5)  # type: ignore[misc]


def test_no_trials_and_no_confidence_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 trials; wanted at least 1"):
        expected_maximum(0)
    with pytest.raises(ConfigError, match="confidence 95: wanted a share"):
        minimum_track_record(estimate(0.1, 100), confidence=95)
