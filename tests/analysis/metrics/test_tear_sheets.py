"""Metrics against empyrical and QuantStats, told how many sessions a year has; where they differ, and why."""

from __future__ import annotations

import empyrical
import numpy as np
import pandas as pd
import pytest
import quantstats.stats as quantstats
from scipy import stats

import metabt
from metabt.analysis.metrics.relative import relative
from tests.analysis.metrics.streams import beside, heavy_tailed, measured, stream

LEAF = {"name": "x", "universe": "all", "lookback": 63, "optimizer": "inverse_volatility"}


@pytest.fixture(scope="module", params=["real", 0, 1, 2])
def case(request: pytest.FixtureRequest, sp500: pd.DataFrame) -> tuple[pd.Series, dict[str, float]]:
    """Return net returns and what metabt measures of them."""
    if request.param != "real":
        net = heavy_tailed(request.param)
        return pd.Series(net, pd.date_range("2020-01-02", periods=len(net))), measured(net)
    result = metabt.backtest(LEAF, sp500.iloc[:2000])
    return result.returns()["net"], dict(result.metrics().loc["x"])


def of(values: dict[str, float], *names: str) -> dict[str, float]:
    return {name: values[name] for name in names}


def test_empyrical_says_the_same(case: tuple[pd.Series, dict[str, float]]) -> None:
    net, metrics = case
    per_year = metrics["sessions"] / metrics["years"]
    theirs = {
        "cagr": empyrical.annual_return(net, annualization=per_year),
        "volatility": empyrical.annual_volatility(net, annualization=per_year),
        "sharpe": empyrical.sharpe_ratio(net, annualization=per_year),
        "sortino": empyrical.sortino_ratio(net, annualization=per_year),
        "calmar": empyrical.calmar_ratio(net, annualization=per_year),
        "omega": empyrical.omega_ratio(net, annualization=per_year),
        "max_drawdown": -empyrical.max_drawdown(net),
        "var_95": -empyrical.value_at_risk(net, 0.05),
        "expected_shortfall_95": -empyrical.conditional_value_at_risk(net, 0.05),
    }
    assert of(metrics, *theirs) == pytest.approx(theirs, rel=1e-9)


def test_quantstats_says_the_same(case: tuple[pd.Series, dict[str, float]]) -> None:
    net, metrics = case
    per_year = metrics["sessions"] / metrics["years"]
    theirs = {
        "cagr": quantstats.cagr(net, periods=per_year),
        "volatility": quantstats.volatility(net, periods=per_year),
        "sharpe": quantstats.sharpe(net, periods=per_year),
        "sortino": quantstats.sortino(net, periods=per_year),
        "calmar": quantstats.calmar(net, periods=per_year),
        "omega": quantstats.omega(net, periods=per_year),
        "max_drawdown": -quantstats.max_drawdown(net),
        "hit_rate": quantstats.win_rate(net),
    }
    assert of(metrics, *theirs) == pytest.approx(theirs, rel=1e-9)


def test_quantstats_corrects_moments_for_bias(case: tuple[pd.Series, dict[str, float]]) -> None:
    net, metrics = case
    corrected = {"skew": stats.skew(net, bias=False), "kurtosis": stats.kurtosis(net, bias=False)}
    assert {"skew": quantstats.skew(net), "kurtosis": quantstats.kurtosis(net)} == pytest.approx(corrected)
    assert of(metrics, *corrected) == pytest.approx(corrected, rel=0.02)
    assert metrics["skew"] != pytest.approx(corrected["skew"], rel=1e-6)


def test_quantstats_takes_corrected_moments_into_the_probabilistic_sharpe_ratio(
    case: tuple[pd.Series, dict[str, float]],
) -> None:
    net, metrics = case
    x, n = net.mean() / net.std(), len(net)

    def probability(skew: float, kurtosis: float) -> float:
        return float(stats.norm.cdf(x * (n - 1) ** 0.5 / (1 - skew * x + (kurtosis - 1) / 4 * x**2) ** 0.5))

    theirs = quantstats.probabilistic_sharpe_ratio(net)
    assert theirs == pytest.approx(probability(net.skew(), net.kurtosis() + 3))
    assert metrics["probabilistic_sharpe"] == pytest.approx(
        probability(stats.skew(net), stats.kurtosis(net, fisher=False))
    )
    assert metrics["probabilistic_sharpe"] == pytest.approx(theirs, abs=1e-5)


def test_quantstats_takes_the_value_at_risk_of_a_normal_distribution(
    case: tuple[pd.Series, dict[str, float]],
) -> None:
    net, metrics = case
    normal = stats.norm.ppf(0.05, net.mean(), net.std())
    assert quantstats.value_at_risk(net) == pytest.approx(normal)
    assert metrics["var_95"] == pytest.approx(-np.percentile(net, 5)) != pytest.approx(-normal, rel=1e-3)
    theirs = quantstats.expected_shortfall(net)
    assert theirs == pytest.approx(net.mean() - net.std() * stats.norm.pdf(stats.norm.ppf(0.05)) / 0.05)
    historical = quantstats.conditional_value_at_risk(net, method="historical")
    assert metrics["expected_shortfall_95"] == pytest.approx(-historical) != pytest.approx(-theirs, rel=1e-3)


def test_a_year_of_252_sessions_is_wrong_where_a_year_has_others() -> None:
    net = pd.Series(heavy_tailed(4), pd.date_range("2020-01-02", periods=900))
    metrics = measured(net.to_numpy())
    assert metrics["years"] == pytest.approx(900 / 365.25)
    growth = float((1 + net).prod())
    assert empyrical.annual_return(net) == pytest.approx(growth ** (252 / 900) - 1)
    assert metrics["cagr"] == pytest.approx(growth ** (365.25 / 900) - 1)
    assert metrics["volatility"] / empyrical.annual_volatility(net) == pytest.approx((365.25 / 252) ** 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_against_a_benchmark(seed: int) -> None:
    b = heavy_tailed(seed + 100)
    r = heavy_tailed(seed) + 0.7 * b
    index = pd.date_range("2020-01-02", periods=len(r))
    net, index_net, found = pd.Series(r, index), pd.Series(b, index), relative(stream(r), beside(b))
    assert found["beta"] == pytest.approx(empyrical.beta(net, index_net))
    assert found["beta"] == pytest.approx(quantstats.greeks(net, index_net)["beta"])
    # QuantStats takes 252 sessions a year where 365.25 are measured
    assert found["alpha"] / 365.25 * 252 == pytest.approx(quantstats.greeks(net, index_net)["alpha"])
    for side in ("up_capture", "down_capture"):  # a year of one session makes empyrical's means those of a session
        assert found[side] == pytest.approx(getattr(empyrical, side)(net, index_net, period="yearly"))
    a_session = found["information_ratio"] / 365.25**0.5
    assert a_session == pytest.approx(empyrical.excess_sharpe(net, index_net))
    assert a_session == pytest.approx(quantstats.information_ratio(net, index_net, prepare_returns=False))
