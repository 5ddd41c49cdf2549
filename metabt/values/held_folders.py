"""Held folders: temporary ones that are known to be somebody's for as long as their process lives.

1. `hold` makes one under a name of its own kind; a file in it is locked, and the system unlocks it when the process
   ends, however it ends. Only then does the folder get its name, so that none is seen without its lock.
2. `sweep_up` removes those whose lock is free: what a killed process left. Folders without that file are not touched.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nobody's end is ever known, so nothing is removed
    fcntl = None  # type: ignore[assignment]

MARKER = ".held"
"""File in a folder that its owner has locked."""
SWEEP, RAY, CATALOGUE = "metabt-sweep-", "metabt-ray-", "metabt-catalog-"
KINDS = (SWEEP, RAY, CATALOGUE)
"""How the names of such folders begin."""

_held: dict[Path, int] = {}
"""Folder -> descriptor of its locked file."""


def hold(kind: str) -> Path:
    """Return a new temporary folder, which belongs to this process until it ends or gives it back by `release`."""
    made = Path(tempfile.mkdtemp(prefix=f".{kind}"))  # 0700
    lock = os.open(made / MARKER, os.O_RDWR | os.O_CREAT, 0o600)
    if fcntl is not None:
        fcntl.flock(lock, fcntl.LOCK_EX)
    named = made.with_name(made.name.removeprefix("."))
    made.rename(named)
    _held[named] = lock
    return named


@contextmanager
def held(kind: str) -> Iterator[Path]:
    """Hold a folder within the block."""
    folder = hold(kind)
    try:
        yield folder
    finally:
        release(folder)


def release(folder: Path) -> None:
    """Remove a held folder."""
    shutil.rmtree(folder, ignore_errors=True)
    lock = _held.pop(folder, None)
    if lock is not None:
        os.close(lock)


def sweep_up() -> int:
    """Remove the folders whose owner is gone, and return how many there were."""
    abandoned = [] if fcntl is None else list(_abandoned(Path(tempfile.gettempdir())))
    for folder, held in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)
    return len(abandoned)


def _abandoned(place: Path) -> Iterator[tuple[Path, int]]:
    """Yield folders that nobody holds, each with the lock that is now held on it."""
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if not entry.name.startswith(KINDS) or not entry.is_dir(follow_symlinks=False):
                continue
            with suppress(OSError):  # somebody else's, or without the file
                held = os.open(Path(entry.path) / MARKER, os.O_RDWR | os.O_NOFOLLOW)
                if _free(held):
                    yield Path(entry.path), held
                else:
                    os.close(held)


def _free(held: int) -> bool:
    with suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
