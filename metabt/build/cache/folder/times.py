"""When objects were last used: in a folder, a file beside each pack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from metabt.build.cache.folder.reading import DIRECTORY
from metabt.build.cache.last_use import decoded_uses, encoded_uses
from metabt.build.cache.shelf import USED

_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def last_uses(root: Path, pack: str, n_objects: int, published: float) -> Sequence[float]:
    """Return when each object of a pack was last used, seconds since the epoch."""
    try:
        with open(
            os.open(root / USED / pack, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb"
        ) as file:
            data = file.read(4 * n_objects + 1)
    except OSError:
        data = b""
    return decoded_uses(data, n_objects, published)


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
        numbers = encoded_uses(times)
        for row in range(len(times)):
            if times[row]:
                os.pwrite(file, numbers[4 * row : 4 * row + 4], 4 * row)
    finally:
        os.close(file)
