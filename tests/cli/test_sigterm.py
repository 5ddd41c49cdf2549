"""SIGTERM and Ctrl-C end a command wherever they arrive, also where Python passes no exception on."""

from __future__ import annotations

import inspect
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import duckdb
import pytest

from metabt.cli.sigterm import Stopped, stoppable


class Struck:
    """Gets a signal while it is collected, where what is raised is forgotten."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        time.sleep(0.01)


ENDS = {signal.SIGTERM: Stopped, signal.SIGINT: KeyboardInterrupt}


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Let Ctrl-C interrupt, as it does in a terminal: a shell starts what is in the background without that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", ENDS)
def test_what_a_finalizer_swallowed_ends_the_block_a_moment_later(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before, reached = signal.getsignal(signal.SIGTERM), False
    with pytest.raises(ENDS[number]), stoppable():
        Struck(number)
        reached = True
        time.sleep(120)
        raise AssertionError("nothing ended the block")
    assert reached and signal.getsignal(signal.SIGTERM) == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("number", ENDS)
def test_what_duckdb_swallowed_ends_the_block_a_moment_later(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for the frame of its caller while it looks up a name, and drops what is raised there."""
    struck = []

    def currentframe() -> None:
        struck.append(1)
        if len(struck) == 1:
            os.kill(os.getpid(), number)
            time.sleep(0.01)

    monkeypatch.setattr(inspect, "currentframe", currentframe)
    with duckdb.connect() as con, pytest.raises(ENDS[number]), stoppable():
        with suppress(duckdb.Error):
            con.execute("SELECT * FROM no_such_table")
        time.sleep(120)
        raise AssertionError("nothing ended the block")
    assert struck


@pytest.mark.parametrize("number", ENDS)
def test_a_block_that_ends_before_that_has_ended_by_it(number: signal.Signals) -> None:
    with pytest.raises(ENDS[number]), stoppable():
        Struck(number)
    time.sleep(0.1)  # nothing comes later


def test_more_signals_of_its_kind_change_nothing() -> None:
    cleaned = False
    with pytest.raises(Stopped), stoppable():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            cleaned = True
    assert cleaned


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_errors_of_finalizers_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: told.append(what.exc_type))

    class Broken:
        def __del__(self) -> None:
            raise ZeroDivisionError

    with stoppable():
        Broken()
    assert told == [ZeroDivisionError]
