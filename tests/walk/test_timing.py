"""Where a stream begins, and which decisions are its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.errors import RunError
from metabt.portfolio.schedule import Schedule
from metabt.portfolio.sleeve import Rules
from metabt.walk.block import Decisions, LeafState
from metabt.walk.holdings import ALIVE, Queue
from metabt.walk.timing import (
    begin_of,
    check_alive,
    check_gain,
    clock,
    days_between,
    due_in,
    from_first,
    keep,
    schedule,
)
from tests.shared import panels
from tests.shared.laws import DRAWS, examples

LEAF = {
    "dataset": "stocks",
    "universe": ["AA", "CC", "EE"],
    "optimizer": {"name": "min_variance", "max_weight": 0.4},
    "lookback": 8,
    "schedule": {"every": 1},
}


def test_a_stream_begins_one_session_after_its_first_trade() -> None:
    assert begin_of(False, np.array([0.0, 0.0, 0.5, 0.0, 0.1])) == (3, True)
    assert begin_of(True, np.array([0.0, 0.5])) == (0, True)
    assert begin_of(False, np.zeros(4)) == (4, False)


def test_what_rounding_leaves_of_trades_that_cancel_begins_no_stream() -> None:
    assert begin_of(False, np.array([0.0, 3e-17, 2e-16, 0.25])) == (4, True)
    assert begin_of(False, np.array([3e-17, 2e-16])) == (2, False)
    assert begin_of(False, np.array([0.9e-12, 1.1e-12, 0.0])) == (2, True)


def test_a_long_and_a_short_child_that_hold_the_same_trade_nothing() -> None:
    pair = {"long": LEAF, "short": {**LEAF, "direction": "short"}}
    with pytest.raises(RunError, match="nothing was traded"):
        metabt.backtest(
            {"name": "root", "optimizer": "equal", "schedule": {"every": 1}, "sleeves": pair}, panels.market(1)
        )


def test_decisions_from_the_first_that_holds_anything_on_are_kept_with_all_that_is_known_of_them() -> None:
    rng = np.random.default_rng(1)
    weights, risk = rng.random((5, 3)), rng.random((5, 3))
    weights[[0, 1, 3]] = 0.0  # the fourth, which sells everything, is a decision as well
    reasons = rng.integers(0, 3, (5, 3)).astype(np.int8)
    made = Decisions(np.array([2, 4, 5, 7, 11]), weights, risk, tuple("abcde"), reasons)
    found = from_first(made, live=False)
    assert (found.rows.tolist(), found.status) == ([5, 7, 11], ("c", "d", "e"))
    assert (found.weights == weights[2:]).all() and (found.risk == risk[2:]).all()
    assert (found.reasons == reasons[2:]).all()
    assert from_first(made, live=True).rows.tolist() == made.rows.tolist()


def test_no_decision_at_all_is_the_same_before_and_after_the_first() -> None:
    none = Decisions(np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, 3)), (), np.empty((0, 3), np.int8))
    for live in (False, True):
        found = from_first(none, live)
        assert found.rows.shape == (0,) and found.weights.shape == (0, 3) and found.status == ()


@examples(50)
@given(DRAWS)
def test_what_is_kept_of_decisions_is_kept_of_all_that_is_known_of_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, risk, reasons = rng.random((6, 2)), rng.random((6, 2)), rng.integers(0, 4, (6, 2)).astype(np.int8)
    made = Decisions(np.arange(6) * 3, weights, risk, tuple("abcdef"), reasons)
    mask = rng.random(6) < 0.5
    found = keep(made, mask)
    for i, k in enumerate(np.flatnonzero(mask).tolist()):
        assert (found.rows[i], found.status[i]) == (3 * k, "abcdef"[k])
        assert (found.weights[i] == weights[k]).all() and (found.risk[i] == risk[k]).all()
        assert (found.reasons[i] == reasons[k]).all()
    assert len(found.rows) == len(found.status) == mask.sum()


def naive_opens(days: list[date], rule: int | str, start: str | None) -> list[bool]:
    """Return which sessions decide, one after another, by the calendar of the standard library."""
    periods = {
        "weekly": lambda day: day.isocalendar()[:2],
        "monthly": lambda day: (day.year, day.month),
        "quarterly": lambda day: (day.year, (day.month - 1) // 3),
        "yearly": lambda day: day.year,
    }
    opens, index, last = [], 0, None
    for day in days:
        if start is not None and day < date.fromisoformat(start):
            opens.append(False)
            continue
        if isinstance(rule, int):
            opens.append(index % rule == 0)
        else:
            opens.append(last is not None and periods[rule](day) != periods[rule](last))
        index, last = index + 1, day
    return opens


@examples(150)
@given(
    DRAWS,
    st.sampled_from([1, 2, 7, "weekly", "monthly", "quarterly", "yearly"]),
    st.sampled_from([None, "2019-01-01", "2020-12-30", "2021-01-02", "2030-01-01"]),
)
def test_who_decides_when_does_not_depend_on_where_partitions_end(seed: int, rule: Any, start: str | None) -> None:
    rng = np.random.default_rng(seed)
    days = [date(2020, 12, 1) + timedelta(int(k)) for k in np.sort(rng.choice(500, 90, replace=False))]
    dates = np.array(days, "datetime64[D]")
    stated = Schedule(every=rule) if isinstance(rule, int) else Schedule(period=rule)
    spec = Rules(schedule=stated, start=start)
    state, opens = LeafState.initial(1), []
    for part in np.split(dates, np.sort(rng.choice(np.arange(1, 90), 4, replace=False))):
        found, fields = schedule(spec, state, part)
        assert fields == clock(spec, state, part)
        opens += found.tolist()
        state = replace(state, **fields)
    assert opens == naive_opens(days, rule, start)
    counted = [day for day in days if start is None or day >= date.fromisoformat(start)]
    assert state.index == len(counted) and state.scheduled == (np.datetime64(counted[-1]) if counted else None)


@examples(60)
@given(DRAWS, st.sampled_from([0, 1, 3]))
def test_what_is_due_is_what_was_decided_a_lag_before_and_the_rest_waits(seed: int, lag: int) -> None:
    rng = np.random.default_rng(seed)
    queued = Queue(np.arange(int(rng.integers(0, lag + 1))), rng.random((lag, 2)))
    queued = Queue(queued.due, queued.weights[: len(queued.due)])
    rows = np.flatnonzero(rng.random(7) < 0.5)
    weights = rng.random((len(rows), 2))
    due, targets, rest = due_in(queued, rows, weights, lag, 7)
    planned = dict(zip(queued.due.tolist(), queued.weights.tolist(), strict=True))
    planned |= {row + lag: it for row, it in zip(rows.tolist(), weights.tolist(), strict=True)}
    assert targets.flags.c_contiguous
    assert {t: targets[due[t]].tolist() for t in range(7) if due[t] >= 0} == {t: planned[t] for t in planned if t < 7}
    assert dict(zip((rest.due + 7).tolist(), rest.weights.tolist(), strict=True)) == {
        t: planned[t] for t in planned if t >= 7
    }


def test_ruin_names_its_session_and_what_was_lost() -> None:
    dates, gross = np.array(["2021-01-04", "2021-01-05", "2021-01-06"], "M8[D]"), np.array([0.5, -1.23456, 0.25])
    check_alive(ALIVE, dates, gross)
    with pytest.raises(RunError) as caught:
        check_alive(1, dates, gross)
    assert str(caught.value) == (
        "ruined on 2021-01-05: the book returned -1.235, wanted more than -1; "
        "lower its leverage (bounds, short weights) or leave out what ruins it"
    )
    with pytest.raises(RunError, match="ruined on 2021-01-04"):
        check_alive(0, dates, gross)
    for alive in (0.5, 0.0, -1.0 + 1e-12):
        check_gain(alive, dates[1])
    for over in (-1.0, -1.5, np.nan):
        with pytest.raises(RunError, match=f"ruined on 2021-01-05: the book returned {over:.4g}, "):
            check_gain(over, dates[1])


def test_days_are_those_of_the_calendar_and_none_before_the_first_session() -> None:
    dates = np.array(["2021-01-04", "2021-01-05", "2021-01-11"], "M8[D]")
    assert days_between(None, dates).tolist() == [0.0, 1.0, 6.0]
    found = days_between(np.datetime64("2020-12-31"), dates)
    assert found.tolist() == [4.0, 1.0, 6.0] and found.dtype == np.float64
    assert days_between(None, dates[:1]).tolist() == [0.0]
