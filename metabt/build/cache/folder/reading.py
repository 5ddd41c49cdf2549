"""Read a folder's packs without trusting what is there, and set aside what is not one.

1. `opened` follows no symbolic link, neither for the directory nor for the file, and takes regular files only.
2. `PackFile.read` reads a range once, into memory of its own: it cannot change afterwards, as a mapping of a file that
   others may change or remove could.
3. `set_aside` moves a bad file, link or directory to `quarantine/<name>.<n>`, and `keep_aside` writes the bytes of a
   bad object of a pack there, where they can be looked at.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from metabt.build.cache.folder.syscalls import NEW
from metabt.build.cache.pack_format import Fault, is_key
from metabt.build.cache.shelf import PACKS, QUARANTINE, Bad
from metabt.build.cache.verified_reading import room

SHARDS = tuple(f"{number:02x}" for number in range(256))
"""Names of the directories that an earlier format has inside a store: one file for each object."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags with which a directory is opened."""
# without O_NONBLOCK a named pipe in a pack's place would stop the reader for ever
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags with which a pack is opened."""


class PackFile:
    """A pack's file that is open."""

    def __init__(self, file: int, status: os.stat_result) -> None:
        self.seen = status
        """Its status."""
        self._file = file

    @property
    def size(self) -> int:
        """Bytes."""
        return self.seen.st_size

    @property
    def published(self) -> float:
        """Time of modification, seconds since the epoch."""
        return self.seen.st_mtime

    def read(self, begin: int, end: int) -> memoryview:
        """Return some bytes, read-only; what lies at a multiple of ALIGNMENT in the file does so in memory.

        Raises
        ------
        Fault
            When the file ends before them.
        """
        view = room(begin, end)
        _fill(self._file, view, begin)
        return view.toreadonly()


@contextmanager
def opened(root: Path, name: str) -> Iterator[PackFile]:
    """Open the file of a pack for reading.

    Raises
    ------
    FileNotFoundError
        When there is none.
    Bad
        When something else is in its place, or in its directory's.
    """
    file = _open(root, name)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise Bad("is not a regular file", pack_path(root, name))
        yield PackFile(file, status)
    finally:
        os.close(file)


def pack_path(root: Path, name: str) -> Path:
    """Return the path of a pack's file."""
    return root / PACKS / name


def pack_names(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what is named like a pack, whatever it is, with its own status, in the order of the names."""
    return ((name, status) for name, status in listing(root / PACKS) if is_key(name))


def earlier_objects(root: Path) -> Iterator[os.stat_result]:
    """Yield the status of each object of an earlier format, one file each, which is neither read nor removed."""
    for shard in SHARDS:
        for name, status in listing(root / shard):
            if is_key(name) and name.startswith(shard) and stat.S_ISREG(status.st_mode):
                yield status


def listing(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the names in a directory with their status; a directory that is none or a link is empty."""
    try:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            return
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        try:
            yield name, os.lstat(directory / name)
        except FileNotFoundError:
            continue  # another process was faster


def set_aside(root: Path, path: Path, seen: object) -> Path | None:
    """Move `path` into the quarantine and return its new place; None where what was `seen` is no longer there."""
    quarantine = _quarantine(root)
    try:
        if isinstance(seen, os.stat_result) and not os.path.samestat(os.lstat(path), seen):
            return None  # another process has put a sound one there since
        place = next(place for place in _places(quarantine, path.name) if not os.path.lexists(place))
        os.rename(path, place)
    except FileNotFoundError:
        return None  # another process has moved it
    return place


def keep_aside(root: Path, key: str, data: bytes | memoryview) -> Path:
    """Write the bytes of a bad object into the quarantine, and return their place."""
    for place in _places(_quarantine(root), key):
        try:
            file = os.open(place, NEW, 0o600)
        except FileExistsError:
            continue
        with open(file, "wb") as output:
            output.write(data)
        return place
    raise AssertionError("places never end")


def _quarantine(root: Path) -> Path:
    quarantine = root / QUARANTINE
    quarantine.mkdir(mode=0o700, exist_ok=True)
    return quarantine


def _places(quarantine: Path, name: str) -> Iterator[Path]:
    return (quarantine / f"{name}.{number}" for number in count(1))


def _open(root: Path, name: str) -> int:
    # plain text, not paths: a warm run opens hundreds of packs
    directory = _unless_misplaced(f"{root}/{PACKS}", DIRECTORY, None, lambda: pack_path(root, name).parent)
    try:
        return _unless_misplaced(name, FILE, directory, lambda: pack_path(root, name))
    finally:
        os.close(directory)


def _unless_misplaced(name: str, flags: int, within: int | None, path: Callable[[], Path]) -> int:
    try:
        return os.open(name, flags, dir_fd=within)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            wanted = "directory" if within is None else "regular file"
            raise Bad(f"is not a {wanted}", path()) from error
        raise


def _fill(file: int, view: memoryview, offset: int) -> None:
    while view:
        done = os.preadv(file, [view], offset)
        if not done:
            raise Fault("ends early")
        view, offset = view[done:], offset + done
