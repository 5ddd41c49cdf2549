"""Remove from a store what is not used.

1. Objects: first those whose last use is longer ago than `keep`, then the least recently used, until what is left
   fits into `max_size`. A file's time of modification is its last use, to the day: a read refreshes it.
2. Temporary files older than an hour, which crashes have left behind.
3. What has been in quarantine for longer than `keep`.

Others may read and write meanwhile. A stored run cannot break: an object can always be computed again, and one that
is being read stays readable until its reader is done. Lock files stay, see `single_flight`.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from metabt.build.cache.publishing import is_temporary
from metabt.build.cache.verified_reading import QUARANTINE, SHARDS, entries, listing, object_path
from metabt.errors import StoreError

LEFT_BEHIND = 3_600.0
"""Seconds after which a temporary file is taken to be left behind by a crash."""


@dataclass(frozen=True)
class Pruned:
    """Numbers of what was removed, or would be without `dry_run`."""

    objects: int
    """Objects removed."""
    bytes: int
    """Their size."""
    kept: int
    """Objects left."""
    kept_bytes: int
    """Their size."""
    temporary: int
    """Temporary files removed."""
    quarantined: int
    """Quarantined objects removed."""


@dataclass(frozen=True)
class _Object:
    path: Path
    size: int
    """Bytes."""
    used: float
    """Seconds since the epoch."""


def prune(
    root: Path,
    keep: timedelta | None,
    max_size: int | None,
    dry_run: bool = False,
    *,
    now: float | None = None,
) -> Pruned:
    """Remove what is not used from a store, and return how much that was.

    Parameters
    ----------
    root : Path
        Directory of the store.
    keep : timedelta or None
        Age up to which objects and quarantined ones stay; None for any.
    max_size : int or None
        Bytes that objects may take up; None for any number.
    dry_run : bool
        Remove nothing, and return what would be removed.
    now : float or None
        Seconds since the epoch from which ages are counted; None for the clock's.

    Raises
    ------
    StoreError
        When something cannot be removed.
    """
    now = time.time() if now is None else now
    horizon = -float("inf") if keep is None else now - keep.total_seconds()
    objects = sorted(_objects(root), key=lambda found: (-found.used, found.path))
    n_kept = _count_kept(objects, horizon, max_size)
    kept, gone = objects[:n_kept], objects[n_kept:]
    # st_ctime is when it was moved there
    quarantined = [root / QUARANTINE / name for name, found in listing(root / QUARANTINE) if found.st_ctime < horizon]
    temporary = [path for path, found in leftovers(root) if found.st_mtime < now - LEFT_BEHIND]
    if not dry_run:
        for path in [*temporary, *quarantined, *(found.path for found in reversed(gone))]:
            _remove(path, root)
    return Pruned(
        objects=len(gone),
        bytes=sum(found.size for found in gone),
        kept=len(kept),
        kept_bytes=sum(found.size for found in kept),
        temporary=len(temporary),
        quarantined=len(quarantined),
    )


def leftovers(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the temporary files of a store, whether their publication is under way or has crashed."""
    for directory in (root, *(root / shard for shard in SHARDS)):
        for name, status in listing(directory):
            if is_temporary(name):
                yield directory / name, status


def _objects(root: Path) -> Iterator[_Object]:
    for key, status in entries(root):
        if stat.S_ISREG(status.st_mode):
            yield _Object(object_path(root, key), status.st_size, status.st_mtime)


def _count_kept(objects: list[_Object], horizon: float, max_size: int | None) -> int:
    """Return how many of the objects stay, which begin with the most recently used."""
    size = 0
    for number, found in enumerate(objects):
        size += found.size
        if found.used < horizon or (max_size is not None and size > max_size):
            return number
    return len(objects)


def _remove(path: Path, root: Path) -> None:
    try:
        with suppress(FileNotFoundError):  # another process was faster
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise StoreError(
            f"cache '{root}' cannot be pruned: '{path}': {error.strerror}; restore write permission, "
            "or prune as the user who owns it"
        ) from error
