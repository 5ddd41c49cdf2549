"""Stream rows: the streams of roots as rows of `trial_returns`, and what identifies and describes each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import to_arrow
from metabt.values.digests import array_digest
from metabt.values.tables import Table

STREAMS = "trial_returns"
"""The table of what is kept of trials."""
TOGETHER = 2**17
"""Rows that are made ready at a time, or one stream more."""


@dataclass(frozen=True)
class StreamFacts:
    """What the ledger says of a stream."""

    first: str
    """Its first session, ISO date."""
    last: str
    """Its last session."""
    sessions: int
    """How many it has."""
    digest: str
    """Digest of its dates and net returns."""


def stream_digest(dates: np.ndarray, net: np.ndarray) -> str:
    """Return one SHA-256 (hex) of the dates and net returns of a stream; NaN is NaN, whichever it is."""
    missing = np.isnan(net)
    plain = np.where(missing, np.nan, net) if missing.any() else net
    return array_digest(dates.astype("datetime64[D]", copy=False), plain)


class GatheredStreams:
    """Streams of roots that wait to be made ready, as rows of `trial_returns`."""

    def __init__(self) -> None:
        """Gather none yet."""
        self._held: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._size = 0

    @property
    def enough(self) -> bool:
        """Whether they are to be made ready."""
        return self._size >= TOGETHER

    def add(self, run_id: str, stream: tuple[np.ndarray, np.ndarray]) -> None:
        """Take the dates and net returns of a run's root."""
        self._held.append((stream_number(run_id), *stream))
        self._size += len(stream[0])

    def taken(self) -> pa.Table | None:
        """Return the rows, and let go of them; None where there are none."""
        held, self._held, size, self._size = self._held, [], self._size, 0
        if not size:
            return None
        numbers, dates, net = zip(*held, strict=True)
        rows: Table = {
            "stream": np.repeat(np.array(numbers, np.int64), list(map(len, dates))),
            "date": np.concatenate(dates),
            "net": np.concatenate(net),
        }
        return to_arrow("trial_returns", rows, {})


def stream_number(run_id: str) -> int:
    """Return the number, 63 bits, that the stream of a run's root goes by in `trial_returns`."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "little") >> 1
