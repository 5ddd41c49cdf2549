"""SIGTERM ends a command in order, as Ctrl-C does; schedulers send it, and kill what is left soon after.

1. The first one raises KeyboardInterrupt in the main thread, which every library passes on, or turns into an error of
   its own: actors are released and transactions rolled back on the way out.
2. Any error that leaves the block after it is replaced by `Stopped`.
3. Further signals change nothing: a command may get one by itself and one with its process group.
4. Where it, or Ctrl-C, arrives while Python runs what may not raise (a finalizer, a callback of a weak reference), it
   would be printed and forgotten, and the command go on to its end; so it would, without a word, while DuckDB looks at
   the calling frame, as it does for every statement. It is raised a moment later.
"""

from __future__ import annotations

import _thread
import inspect
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """SIGTERM has come. Like KeyboardInterrupt it is no Exception, so that only the command line handles it."""


AGAIN = 0.01
"""Seconds after which an interruption that nothing passed on is raised once more."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Stopped out of the block when SIGTERM has ended it; outside the main thread nothing is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came, lost = threading.Event(), list[signal.Signals]()
    before, hook = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}, sys.unraisablehook

    def stop(number: int, frame: FrameType | None) -> None:
        if came.is_set():
            return
        if frame is not None and frame.f_code is inspect.currentframe.__code__:
            later(signal.Signals(number))
            return
        if number == signal.SIGTERM:
            came.set()
        raise KeyboardInterrupt

    def later(number: signal.Signals) -> None:
        lost.append(number)
        timer = threading.Timer(AGAIN, again)
        timer.daemon = True
        timer.start()

    def again() -> None:
        try:
            number = lost.pop()
        except IndexError:  # the block is over, and has taken it
            return
        if hasattr(signal, "pthread_kill"):  # which wakes it up
            signal.pthread_kill(threading.main_thread().ident or 0, number)
        else:
            _thread.interrupt_main(number)

    def unraisable(what: sys.UnraisableHookArgs) -> None:
        if not issubclass(what.exc_type, KeyboardInterrupt):
            hook(what)
            return
        number = signal.SIGTERM if came.is_set() else signal.SIGINT
        came.clear()
        later(number)

    signal.signal(signal.SIGTERM, stop)
    if before[signal.SIGINT] is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    sys.unraisablehook = unraisable
    try:
        yield
        if lost:
            raise KeyboardInterrupt if lost.pop() == signal.SIGINT else Stopped
    except BaseException as error:
        if came.is_set():
            raise Stopped from error
        raise
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
