"""What a process does on SIGTERM stays its own, although Ray puts a handler of its own in its place."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from metabt.cluster.session import _own_end


class Ended(BaseException):
    """What the process does on SIGTERM."""


@pytest.fixture
def own() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    yield
    signal.signal(signal.SIGTERM, before)


def as_ray_connects() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


@pytest.mark.usefixtures("own")
def test_it_is_there_again_once_ray_is_connected() -> None:
    with _own_end():
        as_ray_connects()
    with pytest.raises(Ended):
        terminate()


@pytest.mark.usefixtures("own")
def test_a_signal_while_ray_connects_is_handed_on() -> None:
    with pytest.raises(Ended), _own_end():
        as_ray_connects()
        terminate()


@pytest.mark.usefixtures("own")
def test_other_ways_out_stay_what_they_are() -> None:
    with pytest.raises(SystemExit, match="3"), _own_end():
        sys.exit(3)


def test_where_nobody_has_decided_ray_ends_the_process() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with _own_end():
            as_ray_connects()
        with pytest.raises(SystemExit):
            terminate()
    finally:
        signal.signal(signal.SIGTERM, before)
