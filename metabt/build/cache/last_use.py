"""When objects were last used: beside each pack, its objects' times, which is never a reason to trust one.

1. An object was last used when `used/<pack>` says so: one number for each object, seconds since the epoch in 4 bytes.
   Where it says 0, or there is none, it was when the pack was published.
2. Reads note what they use, and record it when the store is flushed; a use within a day of the last one is not
   recorded, or every read would become a write. What a killed process had noted is lost: its objects look less used
   than they are.
"""

from __future__ import annotations

import sys
import threading
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress

from metabt.build.cache.shelf import Shelf

DAY = 86_400.0
"""Seconds after which a use is recorded anew."""


class LastUse:
    """Notes the uses that one process makes of a store's objects."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        self._known: dict[str, Sequence[float]] = {}
        self._noted: dict[str, set[int]] = {}

    def note(self, pack: str, n_objects: int, row: int, published: float) -> None:
        """Note a use of an object of a pack that was published at a time, seconds since the epoch."""
        with self._lock:
            if pack not in self._known:
                self._known[pack] = self._shelf.uses(pack, n_objects, published)
            if time.time() - self._known[pack][row] > DAY:
                self._noted.setdefault(pack, set()).add(row)

    def record(self) -> None:
        """Write down what was noted; a store that cannot be written is still read."""
        with self._lock:
            noted, self._noted = self._noted, {}
            for pack, rows in noted.items():
                times = [0.0] * len(self._known[pack])
                for row in rows:
                    times[row] = time.time()
                with suppress(OSError):
                    self._shelf.write_uses(pack, times)
                self._known.pop(pack)


def decoded_uses(data: bytes, n_objects: int, published: float) -> Sequence[float]:
    """Return when each object was last used, as bytes state it; all when published where they are not as many."""
    if len(data) != 4 * n_objects:
        return [published] * n_objects
    return [float(seconds) or published for seconds in _swapped(array("I", data))]


def encoded_uses(times: Sequence[float]) -> bytes:
    """Return the bytes that state when objects were last used, to the second."""
    return _swapped(array("I", [int(seconds) for seconds in times])).tobytes()


def _swapped(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
