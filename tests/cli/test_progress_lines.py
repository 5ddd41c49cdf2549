"""Progress in a log: a line every half minute or twentieth, none at first, and none too many."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.cli import progress_bar as bars
from metabt.cli import progress_lines as module
from metabt.cli.progress_lines import APART, EVERY, PART, QUIET, ProgressLines
from tests.shared.laws import examples


class Clock:
    """Says what time it is."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def lines_of(clock: Clock, said: list[str], patch: pytest.MonkeyPatch) -> ProgressLines:
    patch.setattr(module, "say", said.append)
    return ProgressLines("block", clock)


def test_a_line_says_how_far_and_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = Clock(), list[str]()
    lines = lines_of(clock, said, monkeypatch)
    monkeypatch.setattr(module.resource, "getrusage", lambda who: type("Usage", (), {"ru_maxrss": 2_000_000}))
    monkeypatch.setattr(module, "PEAK", 1024)
    clock.now += 40.0
    lines(1000, 5000, "2004, 12 known, 3 actors")
    clock.now += 7160.0
    lines(1440, 5000, "2009, 12 known")
    assert said == [
        "20%: 1,000 of 5,000 blocks in 40 s, 25.0 a second, about 2 min 40 s left; 2004, 12 known, 3 actors; this "
        "process took 2,048 MB at its peak",
        "29%: 1,440 of 5,000 blocks in 2 h 0 min, 0.2 a second, about 4 h 56 min left; 2009, 12 known; this process "
        "took 2,048 MB at its peak",
    ]


def test_nothing_done_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = Clock(), list[str]()
    lines = lines_of(clock, said, monkeypatch)
    clock.now += 31.0
    lines(0, 0, "nothing yet")
    assert said[0].startswith(
        "0%: 0 of 0 blocks in 31 s, 0.0 a second, no end in sight; nothing yet; this process took"
    )


@examples(60)
@given(st.lists(st.tuples(st.floats(0.1, 50.0), st.integers(0, 30)), min_size=1, max_size=80))
def test_lines_are_neither_rare_nor_frequent(steps: list[tuple[float, int]]) -> None:
    clock, said = Clock(), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        lines = lines_of(clock, said, patch)
        done, times, told = 0, [clock.now], 0
        total = max(sum(more for _, more in steps), 1)
        for seconds, more in steps:
            clock.now, done = clock.now + seconds, done + more
            before = len(said)
            lines(done, total, "")
            since = clock.now - times[-1]
            due = since >= EVERY or done - told >= PART * total
            spoke = len(said) > before
            assert spoke == (clock.now - 100.0 >= QUIET and since >= APART and due)
            if spoke:
                times.append(clock.now)
                told = done


@pytest.mark.parametrize("terminal", [False, True])
def test_lines_stand_for_the_bar_where_there_is_no_terminal(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        isatty: Callable[[], bool] = staticmethod(lambda: terminal)

    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(sys, "stderr", Stream())
    monkeypatch.setattr(bars, "ProgressLines", lambda unit: lambda *state: told.append((unit, *state)))
    with bars.progress_bar(shown=True, unit="row") as bar:
        if not terminal:
            bar(1, 2, "a")
    with bars.progress_bar(shown=False) as bar:
        bar(1, 2, "a")
    assert told == ([] if terminal else [("row", 1, 2, "a")])
