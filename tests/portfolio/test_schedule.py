"""Schedules against a naive loop, and against skfolio's walk-forward windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.errors import ConfigError
from metabt.portfolio.schedule import PERIODS, Schedule

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
