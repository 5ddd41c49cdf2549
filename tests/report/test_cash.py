"""Ratios of a page beyond cash, against loops in pandas over frames and rows of the rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.report.cash import accrual, beyond, idle, named
from metabt.report.comparison.overview import rates, together
from metabt.report.comparison.pair import Pair
from metabt.report.page import run_of
from metabt.report.replayed import Replayed
from metabt.report.run import Run
from metabt.report.sections.rolling import rolling
from tests.shared.reported import stored_row
from tests.shared.side_by_side import inception_of, side_by_side, values_of

RULES = {"lookback": 20, "optimizer": "equal", "schedule": "monthly"}
DAYS = pd.date_range("2018-01-01", "2020-12-31")
"""Of a dataset with a session on every day; another one has weekdays alone."""
WEEKDAYS = DAYS[DAYS.day_of_week < 5]
VALUES = pd.Series([0.03, 0.08, -0.01], pd.to_datetime(["2018-06-01", "2019-03-02", "2020-02-10"]))
"""A rate, actual/360, whose first row comes after the first session."""


def prices() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(11)
    daily = pd.DataFrame(np.exp(np.cumsum(rng.normal(3e-4, 0.01, (len(DAYS), 2)), axis=0)), DAYS, ["S", "T"])
    week = np.exp(np.cumsum(rng.normal(3e-4, 0.01, (len(WEEKDAYS), 2)), axis=0))
    return {"daily": daily, "week": pd.DataFrame(week, WEEKDAYS, ["A", "B"])}


def run_with(cash: object, datasets: tuple[str, ...] = ("daily", "week")) -> metabt.Result:
    frame = pd.DataFrame({"name": "usd", "date": VALUES.index, "value": VALUES.to_numpy(), "day_count": 360.0})
    sleeves = {it: {**RULES, "dataset": it, "universe": "all"} for it in datasets}
    tree = {"name": "r", "lookback": 20, "cash": cash, "sleeves": sleeves}
    data = prices()
    return metabt.backtest(tree, {it: data[it] for it in datasets}, tables={datasets[-1]: {"rates": frame}})


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return run_with("usd")


def paid(net: pd.Series, years: float) -> pd.Series:
    """Return what cash earned in each session of a stream: simple interest since the one before, at its rate."""
    before, found = inception_of(net, years), []
    for day in net.index:
        known = VALUES[VALUES.index <= before]
        found.append((known.iloc[-1] if len(known) else 0.0) / 360.0 * (day - before).days)
        before = day
    return pd.Series(found, net.index)


def sleeve(result: metabt.Result, path: str) -> tuple[pd.Series, pd.Series]:
    net = result.returns(path)["net"]
    return net, paid(net, result.metrics().loc[path, "years"])


def test_sessions_of_every_sleeve_earn_what_the_walk_gave_them(result: metabt.Result) -> None:
    run = run_of(result)
    for path in run.paths:
        net, cash = sleeve(result, path)
        found = accrual(run, path)
        assert found is not None and idle(run, path) is not None
        np.testing.assert_allclose(found.returns, cash, rtol=0, atol=1e-15)
        assert found.unknown == (cash == 0).sum() > 0
        row = result.metrics().loc[path]
        ratio = (net - cash).mean() / (net - cash).std() * np.sqrt(len(net) / row["years"])
        assert ratio == pytest.approx(row["sharpe"], rel=1e-9)  # which the engine measured, of its own accrual


def test_rolling_sharpe_is_beyond_cash_and_volatility_is_not(result: metabt.Result) -> None:
    found = rolling(run_of(result))
    assert found is not None and found.figures[0].caption.startswith("Net of costs")
    assert "the sessions inside, beyond cash at usd." in found.figures[0].caption
    for trace in found.figures[0].traces:
        net, cash = sleeve(result, trace["path"])
        for place in range(0, len(trace["x"]), 17):
            t = pd.Timestamp(trace["x"][place])
            inside = (net.index > t - pd.DateOffset(years=1)) & (net.index <= t)
            annual, excess = inside.sum() ** 0.5, (net - cash)[inside]
            wanted = net[inside].std() * annual if "yaxis" in trace else excess.mean() / excess.std() * annual
            assert trace["y"][place] == pytest.approx(wanted, rel=1e-3)


def test_a_named_rate_whose_rows_are_not_at_hand_is_said_to_be_left_out(result: metabt.Result) -> None:
    bare = Run(stored_row(result), result.tables)
    assert idle(bare, "r") is None and accrual(bare, "r") is None
    assert "without a risk-free rate: the rows of 'usd', which its cash earns, are not at hand" in beyond(bare)
    found = rolling(bare)
    assert found is not None and beyond(bare) in found.figures[0].caption
    pair = Pair(bare, Run(stored_row(run_with("usd", ("week",))), run_with("usd", ("week",)).tables), [])
    assert "is without the rate of A and B, whose rows are not at hand" in rates(pair)
    without = run_of(result, Replayed.wanted(result.origin, False))  # a page that leaves baselines out has its rate
    assert without.again is None and beyond(without) == "beyond cash at usd"


def test_a_number_is_at_hand_without_data() -> None:
    number = run_with(0.0365)
    run = Run(stored_row(number), number.tables)
    assert (named(run), beyond(run)) == ("3.65%", "beyond cash at 3.65%")
    found = idle(run, "r/daily")
    assert found is not None
    np.testing.assert_allclose(found, 1e-4, rtol=1e-12)  # a day of 365


def test_no_rate_is_none() -> None:
    plain = run_with(None)
    run = run_of(plain)
    assert idle(run, "r") is None and (named(run), beyond(run)) == ("nothing", "without a risk-free rate")


def test_two_runs_are_measured_beyond_what_their_cash_compounds_to(result: metabt.Result) -> None:
    """The one has sessions on weekends, of which the other has none: its cash compounds as its returns do."""
    other = run_with("usd", ("week",))
    pair = Pair(run_of(result), run_of(other), [])
    both = [sleeve(it, "r") for it in (result, other)]
    starts = [
        inception_of(net, it.metrics().loc["r", "years"]) for (net, _), it in zip(both, (result, other), strict=True)
    ]
    rows = [net.index for net, _ in both]
    returns, _ = side_by_side([values_of(net, at) for (net, _), at in zip(both, starts, strict=True)], rows)
    cash, _ = side_by_side([values_of(each, at) for (_, each), at in zip(both, starts, strict=True)], rows)
    excess = returns - cash
    assert len(excess) < len(both[0][0])
    ratios = excess.mean() / excess.std() * np.sqrt(pair.common.per_year)
    told = {row[0]: row[1] for row in together(pair).rows}
    assert float(told["Sharpe of B less that of A"].replace("\N{MINUS SIGN}", "-")) == pytest.approx(
        ratios[1] - ratios[0], abs=6e-4
    )
    for metrics, ratio in zip(pair.metrics(""), ratios, strict=True):
        assert metrics["sharpe"] == pytest.approx(ratio, rel=1e-6)
    assert "those of A beyond usd and those of B beyond usd." in rates(pair) and "not at hand" not in rates(pair)
