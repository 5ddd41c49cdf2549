"""Schedules against a naive loop, and against skfolio's walk-forward windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.errors import ConfigError
from metabt.portfolio.resolve import resolve
from metabt.portfolio.schedule import PERIODS, Schedule, spelled

NAIVE = {
    "weekly": lambda d: d.isocalendar()[:2],
    "monthly": lambda d: (d.year, d.month),
    "quarterly": lambda d: (d.year, (d.month - 1) // 3),
    "yearly": lambda d: d.year,
}

DATES = st.sets(
    st.dates(min_value=pd.Timestamp("1999-12-01").date(), max_value=pd.Timestamp("2002-03-01").date()), min_size=2
)


@given(DATES, st.sampled_from(PERIODS))
def test_the_first_session_of_a_period_is_scheduled(days: set, period: str) -> None:
    ordered = sorted(days)
    opens = Schedule(period=period).opens(np.array(ordered, "datetime64[D]"), None, 0)
    expected = [False] + [NAIVE[period](b) != NAIVE[period](a) for a, b in zip(ordered, ordered[1:], strict=False)]
    assert opens.tolist() == expected


@given(DATES, st.sampled_from([*PERIODS, 1, 3, 21]), st.data())
def test_a_calendar_cut_in_two_is_scheduled_as_if_whole(days: set, rule: str | int, data: st.DataObject) -> None:
    dates = np.array(sorted(days), "datetime64[D]")
    cut = data.draw(st.integers(1, len(dates) - 1))
    schedule = Schedule(every=rule) if isinstance(rule, int) else Schedule(period=rule)
    halves = [schedule.opens(dates[:cut], None, 0), schedule.opens(dates[cut:], dates[cut - 1], cut)]
    assert np.concatenate(halves).tolist() == schedule.opens(dates, None, 0).tolist()


@pytest.mark.parametrize("wrong", [{}, {"every": 5, "period": "weekly"}, {"every": 0}, {"period": "montly"}])
def test_a_schedule_is_one_known_rule(wrong: dict) -> None:
    with pytest.raises(ConfigError, match="schedule: .*(wanted|did you mean 'monthly')"):
        Schedule(**wrong)


def test_every_k_with_lag_zero_has_the_windows_of_skfolio(sp500: pd.DataFrame) -> None:
    from skfolio.model_selection import WalkForward

    prices = sp500.iloc[:900, :4]
    tree = {"universe": "all", "optimizer": "inverse_volatility", "lookback": 120, "lag": 0, "schedule": {"every": 40}}
    decided = metabt.backtest({"name": "leaf", **tree}, prices).sleeve_weights()
    returns = prices.pct_change().iloc[1:]
    for train, test in WalkForward(test_size=40, train_size=120).split(returns):
        volatility = returns.iloc[train].std()
        expected = (1 / volatility) / (1 / volatility).sum()
        assert decided.loc[returns.index[train[-1]]].to_dict() == pytest.approx(expected.to_dict(), abs=1e-14)
        assert returns.index[test[0]] > returns.index[train[-1]]


STATED = [
    "monthly",
    {"every": 5},
    {"every": 1, "band": 0.05},
    {"period": "weekly", "band": 0.1},
    {"on": "month_end", "exchange": "XNYS"},
    {"on": "friday", "exchange": "XLON", "band": 0.02},
    {"dates": "fomc"},
]


def schedule_of(stated: object) -> Schedule:
    return resolve({"name": "x", "dataset": "d", "universe": ["A"], "schedule": stated}).spec.schedule


@pytest.mark.parametrize("stated", STATED, ids=str)
def test_a_schedule_is_spelled_as_it_was_stated(stated: object) -> None:
    assert schedule_of(stated).plain() == stated
    assert schedule_of(schedule_of(stated).plain()) == schedule_of(stated)


def test_other_spellings_of_the_same() -> None:
    assert schedule_of({"period": "monthly"}) == schedule_of("monthly") == Schedule(period="monthly")
    assert schedule_of({"period": "daily", "band": 0.1}) == schedule_of({"every": 1, "band": 0.1})
    assert schedule_of({True: "month_end", "exchange": "XNYS"}).on == "month_end"  # as YAML 1.1 reads `on`


def test_schedules_are_told_in_words() -> None:
    assert [spelled(Schedule(**it if isinstance(it, dict) else {"period": it}).plain()) for it in STATED] == [
        "monthly",
        "every 5 sessions",
        "every 1 sessions, band 0.05",
        "weekly, band 0.1",
        "month_end of XNYS",
        "friday of XLON, band 0.02",
        "dates of fomc",
    ]


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"on": "month_end"}, "on month_end of which exchange.*last of a period before the next.*exchange: XNYS"),
        ({"on": "month_ends", "exchange": "XNYS"}, "unknown day 'month_ends'; did you mean 'month_end'"),
        ({"on": "monthly", "exchange": "XNYS"}, "unknown day 'monthly'"),
        ({"exchange": "XNYS"}, "wanted one of .*on: month_end"),
        ({"every": 5, "exchange": "XNYS"}, "exchange XNYS without a day; state one"),
        ({"every": 5, "on": "friday", "exchange": "XNYS"}, "wanted one of {every: k}"),
        ({"dates": "fomc", "period": "monthly"}, "wanted one of {every: k}"),
        ({"dates": ["2020-01-01"]}, r"schedule.dates is \['2020-01-01'\], wanted text"),
        ({"dates": ""}, "schedule.dates is '', wanted text"),
        ({"on": 5, "exchange": "XNYS"}, "schedule.on is 5, wanted text"),
        ({"band": 0.05}, "wanted one of {every: k}"),
        ({"every": 1, "band": 0}, "schedule.band is 0, wanted a difference of weights above 0 and below 1"),
        ({"every": 1, "band": 1.0}, "schedule.band is 1.0, wanted"),
        ({"every": 1, "band": 5}, "schedule.band is 5, wanted .*5 % of NAV"),
        ({"every": 1, "band": -0.1}, "schedule.band is -0.1, wanted"),
        ({"every": 1, "band": float("nan")}, "schedule.band is nan, wanted"),
        ({"every": 1, "band": True}, "schedule.band is True, wanted"),
        ({"every": 1, "bands": 0.1}, "unknown key 'schedule.bands'; did you mean 'band'"),
        ({}, "wanted {every: k} or one of daily"),
        ("month_end", "unknown period 'month_end'"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(stated: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        schedule_of(stated)
