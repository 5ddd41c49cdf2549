"""Publish a pack so that it is there whole or not at all, whatever happens when.

1. Open its directory; make it, and make that durable, where it is missing.
2. Write everything to a temporary file in the same directory, under a name of its own, and fsync it.
3. Link it to the pack's name. Where that name is taken another writer was first: the same name has the same index.
4. Remove the temporary name, and fsync the directory.

A file system may refuse hard links, which `links_work` finds out. There the temporary file is renamed instead: as
atomic, and a second publisher replaces a pack by the same bytes.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from metabt.build.cache.folder.reading import DIRECTORY
from metabt.build.cache.folder.syscalls import MANY, Disk

REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""Error numbers of a file system that has no hard links, or refuses them to this process."""


def publish(disk: Disk, place: Path, name: str, pieces: Iterable[bytes | memoryview], *, links: bool) -> bool:
    """Publish the pieces of a pack's file in the directory `place`; return False where another writer was first.

    `links` says whether the file system has hard links, as `links_work` found.

    Raises
    ------
    OSError
        When the disk refuses. No temporary file is left, unless it refuses that too.
    """
    with directory_of(disk, place) as directory:
        if _exists(name, directory):
            return False
        temporary = temporary_name(name)
        try:
            _write(disk, temporary, directory, pieces)
            new = _give_name(disk, temporary, name, directory, links)
        finally:
            with suppress(FileNotFoundError):
                disk.unlink(temporary, directory)
        disk.fsync_dir(directory)
    return new


def links_work(disk: Disk, root: Path) -> bool:
    """Return whether the file system of `root` has hard links, by making one."""
    with directory_of(disk, root) as directory:
        name, second = temporary_name("probe"), temporary_name("probe")
        os.close(disk.create(name, directory))
        try:
            disk.link(name, second, directory)
            disk.unlink(second, directory)
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            return False
        finally:
            disk.unlink(name, directory)
    return True


def temporary_name(name: str) -> str:
    """Return a name that no other process and no other thread uses."""
    return f".{name}.{os.getpid()}-{secrets.token_hex(8)}.tmp"


def is_temporary(name: str) -> bool:
    """Return whether a name is one of `temporary_name`."""
    return name.startswith(".") and name.endswith(".tmp")


def _give_name(disk: Disk, source: str, name: str, directory: int, links: bool) -> bool:
    if not links:
        disk.rename(source, name, directory)
        return True
    try:
        disk.link(source, name, directory)
    except FileExistsError:
        return False
    return True


def _write(disk: Disk, name: str, directory: int, pieces: Iterable[bytes | memoryview]) -> None:
    file = disk.create(name, directory)
    try:
        left = iter(pieces)
        while some := [memoryview(piece) for piece in islice(left, MANY)]:
            _write_all(disk, file, some)
        disk.fsync(file)
    finally:
        os.close(file)


def _write_all(disk: Disk, file: int, pieces: list[memoryview]) -> None:
    first = 0
    while first < len(pieces):
        done = disk.write(file, pieces[first:])
        while first < len(pieces) and done >= pieces[first].nbytes:
            done -= pieces[first].nbytes
            first += 1
        if done:
            pieces[first] = pieces[first][done:]


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def directory_of(disk: Disk, path: Path) -> Iterator[int]:
    """Open a directory, which is made, durably, where it is missing; yield its descriptor."""
    try:
        directory = os.open(path, DIRECTORY)
    except FileNotFoundError:
        _make(disk, path)
        directory = os.open(path, DIRECTORY)
    try:
        yield directory
    finally:
        os.close(directory)


def _make(disk: Disk, path: Path) -> None:
    if not path.parent.exists():
        _make(disk, path.parent)
    with suppress(FileExistsError):
        disk.mkdir(path)
    # also where another process has just made it: what is published below must not outlive its directory's name
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.fsync_dir(parent)
    finally:
        os.close(parent)
