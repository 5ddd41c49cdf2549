"""All metrics against the formulas of the textbooks in pandas, on real streams; and the laws that they obey."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import metabt
from metabt.analysis.summary import with_growth
from tests.analysis.metrics.streams import heavy_tailed, measured

LEAF = {
    "name": "x",
    "universe": "all",
    "lookback": 63,
    "costs": {"commission_bp": 10},
    "optimizer": "inverse_volatility",
}
PER_SESSION = ("volatility", "var_95", "expected_shortfall_95")
"""Metrics that are proportional to the returns."""
OF_SCALE = ("sharpe", "sortino", "omega", "hit_rate", "skew", "kurtosis", "probabilistic_sharpe")
"""Metrics that do not depend on the scale of returns."""


@pytest.fixture(scope="module")
def result(sp500: pd.DataFrame) -> metabt.Result:
    return metabt.backtest(LEAF, sp500.iloc[:1500])


def test_metrics_of_a_stream_follow_their_definitions(result: metabt.Result) -> None:
    stream, metrics = result.returns(), result.metrics().loc["x"]
    net, years = stream["net"], (stream.index[-1] - result.weights.index[0]).days / 365.25
    per_year, deviation = len(net) / years, net.std()
    nav = pd.concat([pd.Series([1.0], index=result.weights.index[:1]), (1 + net).cumprod()])
    assert stream["nav"].to_numpy() == pytest.approx(nav.iloc[1:].to_numpy())
    depth, x = nav / nav.cummax() - 1, net.mean() / deviation
    skew, kurtosis = stats.skew(net), stats.kurtosis(net, fisher=False)
    expected = {
        "total_return": nav.iloc[-1] - 1,
        "cagr": nav.iloc[-1] ** (1 / years) - 1,
        "volatility": deviation * per_year**0.5,
        "sharpe": x * per_year**0.5,
        "sortino": net.mean() / (net[net < 0] ** 2).sum() ** 0.5 * len(net) ** 0.5 * per_year**0.5,
        "calmar": (nav.iloc[-1] ** (1 / years) - 1) / -depth.min(),
        "omega": net[net > 0].sum() / -net[net < 0].sum(),
        "hit_rate": (net > 0).sum() / (net != 0).sum(),
        "probabilistic_sharpe": stats.norm.cdf(
            x * (len(net) - 1) ** 0.5 / (1 - skew * x + (kurtosis - 1) / 4 * x**2) ** 0.5
        ),
        "max_drawdown": -depth.min(),
        "skew": skew,
        "kurtosis": kurtosis - 3,
        "var_95": -net.quantile(0.05),
        "expected_shortfall_95": -net[net <= net.quantile(0.05)].mean(),
        "turnover": stream["turnover"].sum() / years,
        "cost": stream["cost"].sum() / years,
        "break_even_cost": stream["gross"].sum() / (2 * stream["turnover"].sum()),
        "sessions": len(net),
        "years": years,
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert 0 < metrics["max_drawdown_days"] <= metrics["longest_drawdown_days"] <= years * 365.25


def test_every_sleeve_has_every_metric(sp500: pd.DataFrame) -> None:
    children = {name: {**LEAF, "universe": list(sp500.columns[at : at + 3])} for at, name in ((0, "a"), (3, "b"))}
    for child in children.values():
        del child["name"]
    metrics = metabt.backtest({"name": "root", "lookback": 63, "sleeves": children}, sp500.iloc[:600]).metrics()
    assert list(metrics.index) == ["root", "root/a", "root/b"]
    assert set(measured([0.01])) <= set(metrics.columns)
    assert metrics[list(measured([0.01]))].notna().all(axis=None)


@pytest.mark.parametrize("seed", range(3))
def test_returns_twice_as_large(seed: int) -> None:
    net = heavy_tailed(seed)
    one, two = measured(net), measured(2 * net)
    assert {name: two[name] for name in PER_SESSION} == pytest.approx({name: 2 * one[name] for name in PER_SESSION})
    assert {name: two[name] for name in OF_SCALE} == pytest.approx({name: one[name] for name in OF_SCALE})


@pytest.mark.parametrize("seed", range(3))
def test_what_does_not_ask_for_the_order_of_sessions(seed: int) -> None:
    net = heavy_tailed(seed)
    shuffled = np.random.default_rng(seed).permutation(net)
    one, two = measured(net), measured(shuffled)
    free = [name for name in one if "drawdown" not in name and name != "calmar"]
    assert {name: two[name] for name in free} == pytest.approx({name: one[name] for name in free}, nan_ok=True)
    assert one["max_drawdown"] != two["max_drawdown"]


@pytest.mark.parametrize("seed", range(3))
def test_losses_for_gains(seed: int) -> None:
    net = heavy_tailed(seed)
    one, two = measured(net), measured(-net)
    assert two["omega"] == pytest.approx(1 / one["omega"])
    assert two["hit_rate"] == pytest.approx(1 - one["hit_rate"])
    assert two["probabilistic_sharpe"] == pytest.approx(1 - one["probabilistic_sharpe"])
    assert (two["sharpe"], two["skew"], two["kurtosis"]) == pytest.approx(
        (-one["sharpe"], -one["skew"], one["kurtosis"])
    )


def test_calendar_time_grows_and_measured_sessions_scatter() -> None:
    net = heavy_tailed(5, 400)
    daily, weekdays = measured(net), measured(net, [day for day in range(1, 561) if day % 7 not in (0, 6)][:400])
    assert daily["years"] == pytest.approx(400 / 365.25)
    assert math.log1p(daily["cagr"]) * daily["years"] == pytest.approx(math.log1p(weekdays["cagr"]) * weekdays["years"])
    ratio = math.sqrt(daily["years"] / weekdays["years"])
    assert weekdays["volatility"] / daily["volatility"] == pytest.approx(ratio)
    assert weekdays["sharpe"] / daily["sharpe"] == pytest.approx(ratio)


def test_a_constant_stream() -> None:
    found = measured([0.001] * 365)
    assert found["cagr"] == pytest.approx(1.001**365.25 - 1)
    assert found["volatility"] == found["max_drawdown"] == found["max_drawdown_days"] == 0.0
    assert found["hit_rate"] == 1.0 and found["var_95"] == -0.001
    assert found["expected_shortfall_95"] == pytest.approx(-0.001)
    undefined = ("sharpe", "sortino", "calmar", "omega", "skew", "kurtosis", "probabilistic_sharpe", "break_even_cost")
    assert all(np.isnan(found[name]) for name in undefined)


def test_nothing_but_rounding_is_neither_a_gain_nor_a_loss() -> None:
    assert measured([0.01, 1e-19, -0.02, -1e-17, 0.0, 2e-16, 0.03])["hit_rate"] == pytest.approx(2 / 3)
    assert np.isnan(measured([1e-19, -1e-17, 0.0])["hit_rate"])


def test_a_stream_of_cash() -> None:
    found = measured([0.0] * 5)
    assert found["volatility"] == found["total_return"] == found["var_95"] == found["max_drawdown"] == 0.0
    assert all(np.isnan(found[name]) for name in ("cagr", "sharpe", "sortino", "calmar", "omega", "hit_rate"))
    assert measured([0.0] * 365)["cagr"] == 0.0


def test_one_session() -> None:
    found = measured([-0.02], [2])
    assert found["total_return"] == pytest.approx(-0.02)
    assert found["max_drawdown"] == pytest.approx(0.02) and found["max_drawdown_days"] == 2.0
    assert found["var_95"] == found["expected_shortfall_95"] == 0.02
    assert found["omega"] == found["hit_rate"] == 0.0
    undefined = ("cagr", "calmar", "volatility", "sharpe", "skew", "kurtosis", "probabilistic_sharpe")
    assert all(np.isnan(found[name]) for name in undefined)


def test_no_session() -> None:
    found = measured([])
    defined = {name: value for name, value in found.items() if not np.isnan(value)}
    nothing = ("max_drawdown", "max_drawdown_days", "longest_drawdown_days", "sessions", "years")
    assert defined == dict.fromkeys(nothing, 0.0)


def test_a_nav_beneath_zero_has_no_growth_rate() -> None:
    lost, gone = measured([-1.5, 0.1], [1, 365]), measured([-1.0, 0.1], [1, 365])
    assert np.isnan(lost["cagr"]) and lost["total_return"] == pytest.approx(-0.5 * 1.1 - 1)
    assert gone["cagr"] == gone["total_return"] == -1.0


@pytest.mark.parametrize(("last", "told"), [(3, False), (363, False), (364, False), (365, True), (366, True)])
def test_growth_is_a_rate_a_year_from_a_year_on(last: int, told: bool) -> None:
    found = measured([0.1, -0.2, 0.05], [1, 2, last])
    total = 1.1 * 0.8 * 1.05 - 1
    assert found["total_return"] == pytest.approx(total)
    assert np.isfinite(found["sharpe"]) and np.isfinite(found["volatility"])
    assert found["cagr"] == pytest.approx((1 + total) ** (365.25 / last) - 1 if told else np.nan, nan_ok=True)
    assert found["calmar"] == pytest.approx(found["cagr"] / 0.2, nan_ok=True)


def test_a_view_of_weeks_shows_what_was_earned_in_them(sp500: pd.DataFrame) -> None:
    result = metabt.backtest(LEAF, sp500.iloc[:120])
    metrics, net = result.metrics().loc["x"], result.returns()["net"]
    assert np.isnan(metrics["cagr"]) and np.isnan(metrics["calmar"])
    assert metrics["total_return"] == pytest.approx((1 + net).prod() - 1)
    heading, line = (text.split() for text in result.summary().split("\n\n")[0].splitlines()[1:])
    assert heading[:3] == ["Sleeve", "Total", "return"] and "CAGR" not in heading
    assert line[1] == f"{metrics['total_return']:.2%}"
    both = with_growth(("total_return", "cagr", "sharpe"), [metrics, {"total_return": 0.1, "cagr": 0.05}])
    assert both == ["total_return", "cagr", "sharpe"], "where only some have a rate, both are shown"
