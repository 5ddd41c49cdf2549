"""A stage has the seconds and rows of all times that it was taken up, by a clock that the test turns.

Rows are the sessions that were walked, or the decisions that were taken.
"""

from __future__ import annotations

import pytest

import metabt
from metabt import MemoryCache
from metabt.walk import stopwatch
from metabt.walk.stopwatch import Stopwatch
from tests.shared.panels import stocks
from tests.shared.small_tree import tree


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, which the test changes."""
    now = [100.0]
    monkeypatch.setattr(stopwatch, "thread_time", lambda: now[0])
    return now


def test_what_is_taken_up_again_goes_on(clock: list[float]) -> None:
    watch = Stopwatch()
    for stage, seconds, rows in (("one", 0.5, 3), ("two", 0.25, 7), ("one", 2.0, 4)):
        with watch.lap(stage, rows):
            clock[0] += seconds
        clock[0] += 10.0  # between stages nothing is counted
    assert watch.laps == [("one", 2.5, 7), ("two", 0.25, 7)]


def test_what_raises_leaves_nothing(clock: list[float]) -> None:
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError), watch.lap("one", 3):
        clock[0] += 1.0
        raise ZeroDivisionError
    assert watch.laps == []


@pytest.mark.parametrize("cache", [None, MemoryCache()], ids=["at once", "by partition"])
def test_rows_are_sessions_walked_and_decisions_taken(cache: MemoryCache | None) -> None:
    prices = stocks(5, sessions=500)
    result = metabt.backtest(tree(), {"stocks": prices}, cache=cache)
    rows = result.frame("stages").groupby(["path", "stage"], observed=True)["rows"].sum()
    for path in result.paths:
        taken = result.decisions(path)["date"].nunique()
        for stage, number in rows[path].items():
            decides = stage in ("selection", "optimization", "risk.optimize_meta")
            assert number == (taken if decides else len(prices)), (path, stage)


def test_a_part_is_taken_out_with_its_share_of_the_time(clock: list[float]) -> None:
    watch = Stopwatch()
    with watch.lap("one", 8):
        clock[0] += 4.0
    assert watch.part("one", 2) == ("one", 1.0, 2) and watch.part("one", 5) == ("one", 2.5, 5)
    assert watch.laps == [("one", 0.5, 1)]
