"""Stopwatch: seconds per stage of a block, kept apart from the values so that blocks stay pure."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

log = logging.getLogger("metabt.stages")

SELECTION, OPTIMIZATION, HOLDING = "selection", "optimization", "holding"
AGGREGATION, OPTIMIZE_META, FLATTENING = "meta.aggregation", "risk.optimize_meta", "meta.flattening"


class Stopwatch:
    """Collects (stage, seconds, rows) of one block."""

    def __init__(self) -> None:
        """Start with no laps."""
        self.laps: list[tuple[str, float, int]] = []

    @contextmanager
    def lap(self, stage: str, rows: int) -> Iterator[None]:
        """Time a stage over `rows` decisions or sessions."""
        began = perf_counter()
        yield
        seconds = perf_counter() - began
        self.laps.append((stage, seconds, rows))
        log.debug("%s: %d rows in %.6f s", stage, rows, seconds)
