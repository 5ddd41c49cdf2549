"""A stage has the seconds and rows of all times that it was taken up, by a clock that the test turns."""

from __future__ import annotations

import pytest

from metabt.walk import stopwatch
from metabt.walk.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, which the test changes."""
    now = [100.0]
    monkeypatch.setattr(stopwatch, "perf_counter", lambda: now[0])
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


def test_a_part_is_taken_out_with_its_share_of_the_time(clock: list[float]) -> None:
    watch = Stopwatch()
    with watch.lap("one", 8):
        clock[0] += 4.0
    assert watch.part("one", 2) == ("one", 1.0, 2) and watch.part("one", 5) == ("one", 2.5, 5)
    assert watch.laps == [("one", 0.5, 1)]
