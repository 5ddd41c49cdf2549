"""A stage has the seconds and rows of all times that it was taken up, by a clock that the test turns.

Rows are the sessions that were walked, or the decisions that were taken.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import pytest

import metabt
from metabt import MemoryCache
from metabt.walk import stopwatch
from metabt.walk.stopwatch import Stopwatch
from tests.shared.months import in_turn
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


@pytest.mark.parametrize("remembers", [False, True], ids=["at once", "in blocks"])
@pytest.mark.parametrize("partitions", [nullcontext, in_turn], ids=["cold", "by partition"])
def test_rows_are_sessions_walked_and_decisions_taken(remembers: bool, partitions: Any) -> None:
    prices = stocks(5, sessions=500)
    with partitions():
        result = metabt.backtest(tree(), {"stocks": prices}, cache=MemoryCache() if remembers else None)
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


def test_the_rest_has_the_last_of_the_time_when_all_is_taken_out(clock: list[float]) -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.lap("one", 3):
            clock[0] += 1.5
    taken = [watch.part("one", rows) for rows in (1, 2, 3)]
    assert taken == [("one", 0.5, 1), ("one", 1.0, 2), ("one", 1.5, 3)] and watch.laps == [("one", 0.0, 0)]


def test_each_time_is_logged_with_its_own_rows_and_seconds(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    watch = Stopwatch()
    for level in (logging.INFO, logging.DEBUG):
        with caplog.at_level(level, "metabt.stages"):
            for seconds, rows in ((0.25, 3), (1.5, 4)):
                with watch.lap("holding", rows):
                    clock[0] += seconds
    told = [(it.name, it.levelname, it.getMessage()) for it in caplog.records]
    assert told == [
        ("metabt.stages", "DEBUG", "holding: 3 rows in 0.250000 s"),
        ("metabt.stages", "DEBUG", "holding: 4 rows in 1.500000 s"),
    ]
    assert watch.laps == [("holding", 3.5, 14)]


def test_stages_are_those_of_a_leaf_and_of_a_meta_sleeve_in_their_order() -> None:
    result = metabt.backtest(tree(), {"stocks": stocks(5, sessions=300)})
    stages = result.frame("stages").groupby("path", observed=True)["stage"].agg(list)
    for path in result.paths:
        leaf = not any(other.startswith(f"{path}/") for other in result.paths)
        wanted = ["selection", "optimization", "holding"]
        if not leaf:
            wanted = ["meta.aggregation", "risk.optimize_meta", "meta.flattening"]
        assert [*dict.fromkeys(stages[path])] == wanted, path
