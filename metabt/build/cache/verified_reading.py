"""Read what may be a pack without trusting it, and set aside what is not.

1. `opened` follows no symbolic link, neither for the directory nor for the file, and takes regular files only.
2. `read_index` reads the index alone: it is the one that the pack's name stands for, and accounts for the file's
   length, so that no more is read than is there.
3. `read_object` reads one object by its place, once, into memory of its own, and verifies that: it cannot change
   afterwards, as a mapping of a file that others may change or remove could.
4. `set_aside` moves a bad file, link or directory to `quarantine/<name>.<n>`, and `keep_aside` writes the bytes of a
   bad object of a pack there, where they can be looked at.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path

from metabt.build.cache.pack_format import (
    ALIGNMENT,
    DIGITS,
    FIRST,
    Fault,
    Foreign,
    Index,
    Section,
    decode_index,
    index_length,
    is_key,
)
from metabt.build.cache.syscalls import NEW

PACKS = "packs"
"""Directory of the packs, inside a store."""
QUARANTINE = "quarantine"
"""Directory of what is bad, inside a store."""
SHARDS = tuple(f"{number:02x}" for number in range(256))
"""Names of the directories that an earlier format has inside a store: one file for each object."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags with which a directory is opened."""
# without O_NONBLOCK a named pipe in a pack's place would stop the reader for ever
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags with which a pack is opened."""


class Bad(Exception):
    """What is at `path` must not be used as a pack; the text is the end of a sentence about it."""

    def __init__(self, what: str, path: Path, seen: os.stat_result | None = None) -> None:
        super().__init__(what)
        self.path = path
        """What is to be set aside."""
        self.seen = seen
        """Status of what was looked at, where it could be opened."""


def read_index(root: Path, name: str) -> tuple[Index, os.stat_result]:
    """Return the index of a pack, and its file's status.

    Raises
    ------
    FileNotFoundError
        When there is no such pack.
    Bad
        When what is there must not be used.
    Foreign
        When it is a pack of another format.
    """
    with opened(root, name) as (file, status):
        try:
            return _index(file, name, status.st_size), status
        except Fault as fault:
            raise Bad(str(fault), pack_path(root, name), status) from fault


def read_object(root: Path, name: str, index: Index, row: int) -> tuple[dict[str, Section], float]:
    """Return the sections of an object of a pack, every byte verified, and when the pack was published (st_mtime).

    Raises
    ------
    FileNotFoundError
        When there is no such pack any more.
    Bad
        When what is there is not the pack that the index is of.
    Fault
        When that object is not sound.
    """
    begin, end = index.span(row)
    with opened(root, name) as (file, status):
        if status.st_size != index.size:
            raise Bad(f"has {status.st_size} bytes instead of {index.size}", pack_path(root, name), status)
        return index.sections(row, read_range(file, begin, end), begin), status.st_mtime


def read_range(file: int, begin: int, end: int) -> memoryview:
    """Return some bytes of an opened file, read-only; what lies at a multiple of ALIGNMENT there does so in memory.

    Raises
    ------
    Fault
        When the file ends before them.
    """
    skip = begin % ALIGNMENT
    view = aligned(skip + end - begin)[skip:]
    _fill(file, view, begin)
    return view.toreadonly()


@contextmanager
def opened(root: Path, name: str) -> Iterator[tuple[int, os.stat_result]]:
    """Open the file of a pack for reading, with its status.

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
        yield file, status
    finally:
        os.close(file)


def pack_path(root: Path, name: str) -> Path:
    """Return the path of a pack's file."""
    return root / PACKS / name


def aligned(size: int) -> memoryview:
    """Return `size` writable bytes that begin at a multiple of `ALIGNMENT` in memory."""
    room = bytearray(size + ALIGNMENT)
    skip = -ctypes.addressof(ctypes.c_char.from_buffer(room)) % ALIGNMENT
    return memoryview(room)[skip : skip + size]


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


def set_aside(root: Path, path: Path, seen: os.stat_result | None) -> Path | None:
    """Move `path` into the quarantine and return its new place; None where what was `seen` is no longer there."""
    quarantine = _quarantine(root)
    try:
        if seen is not None and not os.path.samestat(os.lstat(path), seen):
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


def _index(file: int, name: str, size: int) -> Index:
    first = os.pread(file, FIRST, 0)
    try:
        return decode_index(name, _encoded(file, index_length(first), size), size)
    except Foreign as foreign:
        digits = first[-DIGITS - 1 : -1]
        length = int(digits) if digits.isdigit() else size
        if FIRST + length <= size and sha256(_encoded(file, length, size)).hexdigest() == name:
            raise Fault(f"{foreign}, and has an index of this one") from foreign  # a bit of the format has flipped
        raise


def _encoded(file: int, length: int, size: int) -> bytes:
    if FIRST + length > size:
        raise Fault("has no whole index")
    encoded = aligned(length)
    _fill(file, encoded, FIRST)
    return bytes(encoded)


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
