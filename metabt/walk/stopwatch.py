"""Stopwatch: seconds per stage of a block, of the thread's processor; apart from values, so that blocks stay pure."""

from __future__ import annotations

import logging
from time import thread_time

log = logging.getLogger("metabt.stages")

SELECTION, OPTIMIZATION, HOLDING = "selection", "optimization", "holding"
AGGREGATION, OPTIMIZE_META, FLATTENING = "meta.aggregation", "risk.optimize_meta", "meta.flattening"


class Stopwatch:
    """Collects (stage, seconds, rows) of one block; a stage that is taken up again goes on counting."""

    def __init__(self) -> None:
        """Start without stages."""
        self._spent: dict[str, tuple[float, int]] = {}

    @property
    def laps(self) -> list[tuple[str, float, int]]:
        """Stages in the order in which they were begun, with their seconds and rows."""
        return [(stage, seconds, rows) for stage, (seconds, rows) in self._spent.items()]

    def part(self, stage: str, rows: int) -> tuple[str, float, int]:
        """Take a part of a stage out, `rows` of those that it covered with as much of its seconds, and return it."""
        seconds, covered = self._spent[stage]
        taken = seconds * rows / covered
        self._spent[stage] = seconds - taken, covered - rows
        return stage, taken, rows

    def lap(self, stage: str, rows: int) -> Timed:
        """Return a context manager that times a stage over `rows` decisions or sessions."""
        return Timed(self._spent, stage, rows)


class Timed:
    """One stage while it lasts; a stage that raises leaves nothing."""

    __slots__ = ("_began", "_rows", "_spent", "_stage")

    def __init__(self, spent: dict[str, tuple[float, int]], stage: str, rows: int) -> None:
        """Time a stage of this name; its seconds and `rows` are added to `spent`."""
        self._spent, self._stage, self._rows = spent, stage, rows

    def __enter__(self) -> None:
        """Start the clock."""
        self._began = thread_time()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Add the seconds, unless the block raised."""
        if kind is None:
            seconds = thread_time() - self._began
            before, rows = self._spent.get(self._stage, (0.0, 0))
            self._spent[self._stage] = before + seconds, rows + self._rows
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s: %d rows in %.6f s", self._stage, self._rows, seconds)
