"""Compilation: when numba compiles kernels for their first use, and how long that takes.

Engine time leaves it out, and a terminal says that it is going on. The collector of garbage pauses meanwhile: what a
compilation allocates lives until its end, and looking for garbage among it takes a twentieth of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from numba.core import event


class Compilation(event.Listener):
    """Listener of numba that adds up the seconds of outermost compilations."""

    def __init__(self, on_first: Callable[[], None] | None = None) -> None:
        """Listen to nothing yet; `on_first()` is called once, when the first compilation begins."""
        self.seconds = 0.0
        self._on_first = on_first
        self._told = False
        self._depth = 0
        self._began = 0.0
        self._collects = False

    def on_start(self, event: event.Event) -> None:
        """Note that a compilation begins; the outermost one starts the clock and pauses garbage collection."""
        if self._depth == 0:
            self._began = perf_counter()
            if self._on_first is not None and not self._told:
                self._told = True
                self._on_first()
            self._collects = gc.isenabled()
            gc.disable()
        self._depth += 1

    def on_end(self, event: event.Event) -> None:
        """Note that a compilation ends; the outermost one stops the clock and resumes garbage collection."""
        self._depth -= 1
        if self._depth == 0:
            self.seconds += perf_counter() - self._began
            if self._collects:
                gc.enable()


@contextmanager
def compilation(on_first: Callable[[], None] | None = None) -> Iterator[Compilation]:
    """Within the block, time compilations: `seconds` of the yielded listener is how long they took so far.

    `on_first()` is called once, when the first compilation begins.
    """
    listener = Compilation(on_first)
    with event.install_listener("numba:compile", listener):
        yield listener
