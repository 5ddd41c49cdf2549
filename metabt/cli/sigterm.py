"""SIGTERM ends a command in order, as Ctrl-C does; schedulers send it, and kill what is left soon after.

1. The first one raises KeyboardInterrupt in the main thread, which every library passes on, or turns into an error of
   its own: actors are released and transactions rolled back on the way out.
2. Any error that leaves the block after it is replaced by `Stopped`.
3. Further signals change nothing: a command may get one by itself and one with its process group.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """SIGTERM has come. Like KeyboardInterrupt it is no Exception, so that only the command line handles it."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Stopped out of the block when SIGTERM has ended it; outside the main thread nothing is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if not came.is_set():
            came.set()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except BaseException as error:
        if came.is_set():
            raise Stopped from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
