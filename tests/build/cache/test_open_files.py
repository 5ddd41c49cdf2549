"""Whatever is done with a store, and however it ends: no file stays open, and no thread goes on."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.upkeep import prune, stats, verify
from metabt.errors import StoreError
from tests.build.cache.stores import SCHEMA, STEPS, age, fill, fill_apart, key_of, path_of, refusing, spoil


def store_at(root: Path, **options: object) -> ObjectStore:
    return ObjectStore(root, warn=lambda text: None, **options)  # type: ignore[arg-type]


def read(root: Path) -> None:
    with store_at(root) as store:
        for name in ("a", 0, 1, 2):
            store.get(key_of(name), SCHEMA)


def read_bad_objects(root: Path) -> None:
    with store_at(root) as store:
        spoil(store, key_of(0))
        spoil(store, key_of(2))
        assert store.get(key_of(0), SCHEMA) is None is store.get(key_of(2), SCHEMA)


def read_bad_packs(root: Path) -> None:
    for content in (b"", b"no pack", b"metabt-pack 2 ", b"metabt-pack 1 000000000009\n"):
        (root / "packs" / key_of(content)).write_bytes(content)
    (root / "packs" / key_of("pipe")).mkdir()
    read(root)


def read_where_packs_are_none(root: Path) -> None:
    (root / "packs").rename(root / "elsewhere")
    (root / "packs").symlink_to(root / "elsewhere")
    read(root)


def prune_some(root: Path) -> None:
    with store_at(root) as store:
        age(store, key_of(1), 50)
    assert prune(root, timedelta(days=30), None).objects == 1


def check(root: Path) -> None:
    assert stats(root).objects == verify(root).sound == 4
    with store_at(root) as store:
        path_of(store, key_of(3)).write_bytes(b"bad")
        spoil(store, key_of(0))
    verify(root)


def claim(root: Path) -> None:
    with store_at(root) as store, store_at(root) as other:
        with store.claim(key_of("b")):
            fill(store, [7])
        with suppress(ZeroDivisionError), other.claim(key_of("b")):
            raise ZeroDivisionError


USES = (read, read_bad_objects, read_bad_packs, read_where_packs_are_none, prune_some, check, claim)


def held_open(root: Path, use: Callable[[Path], object]) -> tuple[int, int]:
    """Return how many files and threads more there are after something is done with a store than before."""
    with store_at(root) as store:
        fill(store, range(3))
        fill_apart(store, [3])
    n_files, n_threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    use(root)
    return len(os.listdir("/proc/self/fd")) - n_files, threading.active_count() - n_threads


@pytest.mark.parametrize("use", USES)
def test_no_use_leaves_anything_open(tmp_path: Path, use: Callable[[Path], object]) -> None:
    assert max(held_open(tmp_path, use)) <= 0  # what others have left may go meanwhile


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", [errno.EIO, errno.EPERM])
def test_no_refusal_leaves_anything_open(tmp_path: Path, step: str, code: int) -> None:
    def use(root: Path) -> None:
        for place in (root, root / "new" / "one"):
            with store_at(place, disk=refusing(step, code)) as store:
                fill(store, range(10, 13))
        with store_at(root) as store:
            age(store, key_of(1), 50)
        with suppress(StoreError):
            prune(root, timedelta(days=30), None, disk=refusing(step, code))

    assert max(held_open(tmp_path, use)) <= 0  # what others have left may go meanwhile
