"""Block buffers: what a shard has made of a partition, as one buffer that processes read without copying.

A block has some twenty arrays and a call has many blocks; Ray stores each array of what it is given apart, which takes
longer than to copy all of them end to end.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np

ALIGNMENT = 64
"""Bytes; an array begins at a multiple of it."""


@dataclass(frozen=True)
class BlockBuffer:
    """Blocks by spec digest, packed for another process of the same run."""

    content: bytes
    """All but the arrays, pickled as Ray itself would."""
    spans: np.ndarray
    """(n_arrays, 2) int64 where each array begins and ends in the buffer."""
    buffer: np.ndarray
    """(n_bytes,) uint8 the arrays."""

    @classmethod
    def of(cls, blocks: Any) -> BlockBuffer:
        """Pack blocks with the states after them, or tables."""
        found: list[pickle.PickleBuffer] = []
        content = pickle.dumps(blocks, protocol=5, buffer_callback=found.append)
        arrays = [np.frombuffer(item.raw(), np.uint8) for item in found]
        sizes = np.array([len(array) for array in arrays], np.int64)
        ends = np.cumsum(sizes + -sizes % ALIGNMENT)
        starts = ends - (sizes + -sizes % ALIGNMENT)
        buffer = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
        for array, start in zip(arrays, starts.tolist(), strict=True):
            buffer[start : start + len(array)] = array
        return cls(content, np.stack([starts, starts + sizes], axis=1), buffer)

    def opened(self) -> Any:
        """Return what was packed; its arrays are read-only views."""
        whole = self.buffer.data.toreadonly()
        return pickle.loads(self.content, buffers=[whole[start:stop] for start, stop in self.spans.tolist()])
