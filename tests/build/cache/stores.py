"""What the tests of the store share: keys, sections, children that may be killed, and disks that refuse."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.folder.syscalls import Disk
from metabt.build.cache.folder.times import last_uses, write_uses
from metabt.build.cache.object_store import ObjectStore, Section
from metabt.build.cache.pack_format import Index
from metabt.build.cache.verified_reading import read_index

SCHEMA = "test 1"
STEPS = ("mkdir", "create", "write", "fsync", "link", "rename", "unlink", "fsync_dir")


def key_of(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def section(data: bytes) -> Section:
    return Section(data, hashlib.sha256(data).hexdigest())


def sections(name: object, size: int = 40) -> dict[str, Section]:
    text = f"{name} ".encode()
    return {"block": section((text * size)[:size]), "state": section(text), "nothing": section(b"")}


def plain(found: dict[str, Section] | None) -> dict[str, tuple[bytes, str]] | None:
    return None if found is None else {name: (bytes(part.data), part.sha256) for name, part in found.items()}


def fill(store: ObjectStore, names: Sequence[int], size: int = 40) -> None:
    """Put objects and publish them, in one pack unless they are too large for it."""
    for name in names:
        store.put(key_of(name), SCHEMA, sections(name, size))
    store.flush()


def fill_apart(store: ObjectStore, names: Sequence[int], size: int = 40) -> None:
    """Put objects and publish each in a pack of its own."""
    for name in names:
        fill(store, [name], size)


def path_of(store: ObjectStore, key: str) -> Path:
    """Return the path of the pack that an object is in."""
    place = store.place(key)
    assert isinstance(place, Path)
    return place


def index_of(path: Path) -> Index:
    return read_index(FolderShelf(path.parent.parent), path.name)[0]


def spoil(store: ObjectStore, key: str) -> None:
    """Flip a bit of an object in its pack."""
    path = path_of(store, key)
    index = index_of(path)
    row = index.row(bytes.fromhex(key))
    assert row is not None
    content = bytearray(path.read_bytes())
    content[index.stops[index.firsts[row]] - 1] ^= 1
    path.write_bytes(content)


def age(store: ObjectStore, key: str, days: float) -> None:
    """Have an object last used some days ago."""
    path = path_of(store, key)
    index = index_of(path)
    uses = list(last_uses(store.root, path.name, len(index.keys), path.stat().st_mtime))
    uses[index.keys.index(bytes.fromhex(key))] = time.time() - days * 86_400.0
    write_uses(store.root, path.name, uses)


def files_under(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.name != "claims"]


class Hooked(Disk):
    """A disk that calls `before` with the name of each step before it is taken."""

    def __init__(self, before: Callable[[str], None]) -> None:
        self.before = before

    def __getattribute__(self, name: str) -> object:
        if name in STEPS:
            object.__getattribute__(self, "before")(name)
        return super().__getattribute__(name)


def refusing(step: str, code: int) -> Hooked:
    def before(name: str) -> None:
        if name == step:
            raise OSError(code, os.strerror(code))

    return Hooked(before)


def start(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; return its process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which the child does not use
        child = os.fork()
    if child:
        return child
    signal.alarm(60)  # a child that waits for what never comes ends all the same
    try:
        work()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def finish(child: int) -> int:
    """Wait for a child; return its exit code, negative for the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """Mount a file system in memory of `size`; the test is skipped where that is not allowed."""
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
