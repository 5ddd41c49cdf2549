"""Read what may be an object without trusting it, and set aside what is not.

1. `opened` follows no symbolic link, neither for the directory nor for the file, and takes regular files only.
2. `read_header` looks at the first bytes: they account for the file's length, so that no more is read than is there.
3. `read_object` reads it all, once, into memory of its own, and verifies that: it cannot change afterwards.
4. `set_aside` moves a bad file, link or directory to `quarantine/<name>.<n>`, where it can be looked at.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from metabt.build.cache.object_format import (
    ALIGNMENT,
    HEAD,
    Fault,
    Header,
    Section,
    decode_header,
    decode_sections,
    is_key,
)

QUARANTINE = "quarantine"
"""Directory of the bad objects, inside a store."""
SHARDS = tuple(f"{number:02x}" for number in range(256))
"""Names of the directories that hold objects: the first two digits of their keys."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags with which a shard is opened."""
# without O_NONBLOCK a named pipe in an object's place would stop the reader for ever
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags with which an object is opened."""


class Bad(Exception):
    """What is at `path` must not be used as an object; the text is the end of a sentence about it."""

    def __init__(self, what: str, path: Path, seen: os.stat_result | None = None) -> None:
        super().__init__(what)
        self.path = path
        """What is to be set aside."""
        self.seen = seen
        """Status of what was looked at, where it could be opened."""


def read_object(root: Path, key: str, schema: str | None) -> tuple[dict[str, Section], os.stat_result]:
    """Return an object's sections, every byte verified, and its file's status before; with None, of any schema.

    Raises
    ------
    FileNotFoundError
        When there is no such object.
    Bad
        When what is there must not be used.
    """
    with opened(root, key) as (file, status):
        try:
            header = read_header(file, status.st_size)
            _require(header.key == key, f"is the object {header.key!r}")
            _require(schema in (None, header.schema), f"has the schema {header.schema!r} instead of {schema!r}")
            return _read_sections(file, status.st_size, header), status
        except Fault as fault:
            raise Bad(str(fault), object_path(root, key), status) from fault


@contextmanager
def opened(root: Path, key: str) -> Iterator[tuple[int, os.stat_result]]:
    """Open the file of an object for reading, with its status.

    Raises
    ------
    FileNotFoundError
        When there is none.
    Bad
        When something else is in its place, or in its directory's.
    """
    file = _open(root, key)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise Bad("is not a regular file", object_path(root, key))
        yield file, status
    finally:
        os.close(file)


def read_header(file: int, size: int) -> Header:
    """Return the header of an opened object of `size` bytes.

    Raises
    ------
    Fault
        When it has none that accounts for its length.
    """
    return decode_header(os.pread(file, HEAD, 0), size)


def object_path(root: Path, key: str) -> Path:
    """Return the path of an object's file."""
    return root / key[:2] / key


def aligned(size: int) -> memoryview:
    """Return `size` writable bytes that begin at a multiple of `ALIGNMENT` in memory."""
    room = bytearray(size + ALIGNMENT)
    skip = -ctypes.addressof(ctypes.c_char.from_buffer(room)) % ALIGNMENT
    return memoryview(room)[skip : skip + size]


def entries(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what is named like an object, whatever it is, with its own status, in the order of the names."""
    for shard in SHARDS:
        for name, status in listing(root / shard):
            if is_key(name) and name.startswith(shard):
                yield name, status


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
    quarantine = root / QUARANTINE
    quarantine.mkdir(mode=0o700, exist_ok=True)
    try:
        if seen is not None and not os.path.samestat(os.lstat(path), seen):
            return None  # another process has put a sound one there since
        places = (quarantine / f"{path.name}.{number}" for number in count(1))
        place = next(place for place in places if not os.path.lexists(place))
        os.rename(path, place)
    except FileNotFoundError:
        return None  # another process has moved it
    return place


def _open(root: Path, key: str) -> int:
    # plain text, not paths: a warm run opens hundreds of objects
    directory = _unless_misplaced(f"{root}/{key[:2]}", DIRECTORY, None, lambda: object_path(root, key).parent)
    try:
        return _unless_misplaced(key, FILE, directory, lambda: object_path(root, key))
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


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Fault(otherwise)


def _read_sections(file: int, size: int, header: Header) -> dict[str, Section]:
    whole = aligned(size)
    _fill(file, whole)
    return decode_sections(header, whole.toreadonly())


def _fill(file: int, view: memoryview) -> None:
    offset = 0
    while view:
        done = os.preadv(file, [view], offset)
        if not done:
            raise Fault("ends early")
        view, offset = view[done:], offset + done
