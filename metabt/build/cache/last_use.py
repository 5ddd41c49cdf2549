"""When objects were last used: beside each pack, a file of its objects' times, which is never a reason to trust one.

1. An object was last used when `used/<pack>` says so: one number for each object, seconds since the epoch in 4 bytes.
   Where it says 0, or there is none, it was when the pack was published: its file's time of modification.
2. Reads note what they use, and record it when the store is flushed; a use within a day of the last one is not
   recorded, or every read would become a write. What a killed process had noted is lost: its objects look less used
   than they are.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from metabt.build.cache.verified_reading import DIRECTORY, listing

USED = "used"
"""Directory of the times, inside a store."""
DAY = 86_400.0
"""Seconds after which a use is recorded anew."""
_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LastUse:
    """Notes the uses that one process makes of a store's objects."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._known: dict[str, Sequence[float]] = {}
        self._noted: dict[str, set[int]] = {}

    def note(self, pack: str, n_objects: int, row: int, published: float) -> None:
        """Note a use of an object of a pack that was published at a time, seconds since the epoch."""
        with self._lock:
            if pack not in self._known:
                self._known[pack] = last_uses(self._root, pack, n_objects, published)
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
                    write_uses(self._root, pack, times)
                self._known.pop(pack)


def last_uses(root: Path, pack: str, n_objects: int, published: float) -> Sequence[float]:
    """Return when each object of a pack was last used, seconds since the epoch."""
    try:
        with open(
            os.open(root / USED / pack, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb"
        ) as file:
            data = file.read(4 * n_objects + 1)
    except OSError:
        data = b""
    if len(data) != 4 * n_objects:
        return [published] * n_objects
    return [float(seconds) or published for seconds in _swapped(array("I", data))]


def write_uses(root: Path, pack: str, times: Sequence[float]) -> None:
    """Write when objects of a pack were last used; of those with 0 what is there stays.

    Raises
    ------
    OSError
        When the disk refuses.
    """
    directory = root / USED
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    within = os.open(directory, DIRECTORY)
    try:
        file = os.open(pack, _FILE, 0o600, dir_fd=within)
    finally:
        os.close(within)
    try:
        os.ftruncate(file, 4 * len(times))
        numbers = _swapped(array("I", [int(seconds) for seconds in times])).tobytes()
        for row in range(len(times)):
            if times[row]:
                os.pwrite(file, numbers[4 * row : 4 * row + 4], 4 * row)
    finally:
        os.close(file)


def use_files(root: Path) -> list[tuple[Path, os.stat_result]]:
    """Return the files of times, with their status."""
    return [(root / USED / name, status) for name, status in listing(root / USED)]


def _swapped(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
