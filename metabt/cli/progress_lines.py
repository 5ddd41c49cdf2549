"""Progress in a log: a line now and then, where standard error is no terminal, as in a job on a cluster.

Nothing is said in the first half minute: what is quicker needs none. Then a line comes every half minute, or with every
twentieth of the work that is done, but not two within a few seconds.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from time import monotonic

from metabt.cli.streams import escaped, say

QUIET, EVERY, APART = 30.0, 30.0, 5.0
"""Seconds without a line at first, between two lines at most, and between two lines at least."""
PART = 0.05
"""Part of the work that is worth a line of its own."""
PEAK = 1024 if sys.platform != "darwin" else 1
"""Bytes of the system's unit of a process's peak."""


class ProgressLines:
    """Says how far a walk has come."""

    def __init__(self, unit: str = "block", clock: Callable[[], float] = monotonic) -> None:
        """Begin to count time."""
        self._unit, self._clock = unit, clock
        self._began = self._said = clock()
        self._done_then = 0

    def __call__(self, done: int, total: int, label: str) -> None:
        """Note that `done` of `total` units are finished, the last one being `label`, and maybe say so."""
        now = self._clock()
        waited, more = now - self._said, done - self._done_then
        if now - self._began < QUIET or waited < APART or (waited < EVERY and more < PART * total):
            return
        self._said, self._done_then = now, done
        say(escaped(self._line(done, total, label, now - self._began)))

    def _line(self, done: int, total: int, label: str, seconds: float) -> str:
        rate = done / seconds
        left = f"about {_time((total - done) / rate)} left" if rate else "no end in sight"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK / 1e6
        return (
            f"{done / max(total, 1):.0%}: {done:,} of {total:,} {self._unit}s in {_time(seconds)}, {rate:,.1f} a "
            f"second, {left}; {label}; this process took {peak:,.0f} MB at its peak"
        )


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
