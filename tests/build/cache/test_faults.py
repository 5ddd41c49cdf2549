"""Killed before any step, refused by the disk at any step: nothing partial is seen, and the next run goes on."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from metabt.build.cache import pack_writer
from metabt.build.cache.folder import publishing
from metabt.build.cache.folder.publishing import is_temporary
from metabt.build.cache.folder.syscalls import Disk
from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.upkeep import prune
from tests.build.cache.stores import (
    SCHEMA,
    STEPS,
    Hooked,
    age,
    files_under,
    fill,
    finish,
    key_of,
    path_of,
    plain,
    refusing,
    sections,
    small_disk,
    spoil,
    start,
)

KEY = key_of("a")
NAMES = ("a", *range(30))
PUBLISHED = {True: "link", False: "rename"}
"""Whether there are hard links -> the step that makes a pack visible."""


class Dying(Hooked):
    """A disk, with or without hard links, whose process is killed before a step; it records the steps until then."""

    def __init__(self, links: bool, last: int | None = None) -> None:
        self.links, self.last, self.steps = links, last, []
        super().__init__(self.step)

    def step(self, name: str) -> None:
        if len(self.steps) == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps.append(name)
        if name == "link" and not self.links:
            raise OSError(errno.EPERM, "Operation not permitted")

    def write(self, file: int, pieces: Sequence[bytes | memoryview]) -> int:
        """Write one piece at a time, so that it can be killed between any two."""
        return super().write(file, pieces[:1])


def put_all(root: Path, disk: Hooked | None = None) -> None:
    """Put some objects, which go into one pack."""
    with ObjectStore(root, disk=disk, warn=lambda text: None) as store:
        for name in NAMES:
            store.put(key_of(name), SCHEMA, sections(name))


def seen_of(store: ObjectStore) -> list[object]:
    return [plain(store.get(key_of(name), SCHEMA)) for name in NAMES]


def steps_of(root: Path, links: bool) -> list[str]:
    disk = Dying(links)
    put_all(root, disk)
    return disk.steps


def last_of(steps: list[str], name: str) -> int:
    return len(steps) - 1 - steps[::-1].index(name)


# Killed


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "none"])
def test_a_kill_before_any_step_leaves_nothing_partial(tmp_path: Path, links: bool) -> None:
    steps = steps_of(tmp_path / "whole", links)
    content = path_of(ObjectStore(tmp_path / "whole"), KEY).read_bytes()
    visible = last_of(steps, PUBLISHED[links])
    leftovers = 0
    for number, step in enumerate(steps):
        root = tmp_path / str(number)
        killed = finish(start(lambda root=root, number=number: put_all(root, Dying(links, number))))
        assert killed == -signal.SIGKILL
        with ObjectStore(root) as store:
            whole = [plain(sections(name)) for name in NAMES]
            assert seen_of(store) == (whole if number > visible else [None] * len(NAMES)), f"killed before {step}"
            assert store.counts.quarantined == 0
            put_all(root)
            assert seen_of(store) == whole and path_of(store, KEY).read_bytes() == content
        leftovers += prune(root, None, None, now=time.time() + 7_200).temporary
        assert len(files_under(root)) == 1
    print(
        f"a pack of {len(NAMES)} objects, killed before each of {len(steps)} steps "
        f"({', '.join(dict.fromkeys(steps))}): 0 partial, {leftovers} leftovers pruned"
    )
    assert leftovers > 0


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "none"])
def test_a_pack_is_on_the_disk_before_it_has_its_name(tmp_path: Path, links: bool) -> None:
    # what a power failure would show; a killed process leaves its writes to the kernel
    steps = steps_of(tmp_path / ".cache", links)
    named = last_of(steps, PUBLISHED[links])
    assert set(steps) <= set(STEPS)
    assert last_of(steps, "write") < last_of(steps, "fsync") < named < last_of(steps, "fsync_dir")
    for position, step in enumerate(steps):
        if step == "mkdir":
            assert steps[position + 1] == "fsync_dir"


class Halting(Disk):
    """A disk that writes a few bytes at a time."""

    def write(self, file: int, pieces: Sequence[bytes | memoryview]) -> int:
        return os.write(file, b"".join(pieces)[:7])


@pytest.mark.parametrize("many", [1, 2, 1024])
def test_a_pack_is_whole_however_much_the_disk_takes_at_a_time(
    tmp_path: Path, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "MANY", many)
    roots = [tmp_path / name for name in ("at once", "halting")]
    for root, disk in zip(roots, (None, Halting()), strict=True):
        with ObjectStore(root, disk=disk) as store:
            fill(store, range(50), 100)
            assert all(plain(store.get(key_of(n), SCHEMA)) == plain(sections(n, 100)) for n in range(50))
    one, other = (path_of(ObjectStore(root), key_of(0)).read_bytes() for root in roots)
    assert one == other


# Refused by the disk


@pytest.mark.parametrize("step", ["mkdir", "create", "write", "fsync", "link", "fsync_dir"])
def test_a_refusal_at_any_step_is_told_once_and_nothing_is_left(tmp_path: Path, step: str) -> None:
    told: list[str] = []
    with ObjectStore(tmp_path / ".cache", warn=told.append, disk=refusing(step, errno.EIO)) as store:
        fill(store, range(20))
        assert len(told) == 1 and "nothing more is written (Input/output error)" in told[0]
        assert store.counts.published == 0
        assert all(store.get(key_of(name), SCHEMA) in (None, sections(name)) for name in range(20))
    assert not [path for path in files_under(store.root) if is_temporary(path.name)]


def test_after_a_refusal_what_is_stored_is_still_read(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / ".cache") as store:
        fill(store, range(3))
    told: list[str] = []
    steps: list[str] = []

    def full(name: str) -> None:
        steps.append(name)
        if name == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    with ObjectStore(tmp_path / ".cache", warn=told.append, disk=Hooked(full)) as store:
        fill(store, range(3, 4))
        taken = len(steps)
        fill(store, range(4, 9))
        assert len(steps) == taken, "a store that was refused goes on writing"
        assert [plain(store.get(key_of(name), SCHEMA)) for name in range(3)] == [plain(sections(n)) for n in range(3)]
    assert len(told) == 1 and "the disk is full" in told[0]


def test_after_a_refusal_what_is_queued_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "PACK", 100)  # two objects
    tried: list[str] = []

    def full(name: str) -> None:
        if name == "write":
            tried.append(name)
            raise OSError(errno.ENOSPC, "No space left on device")

    with ObjectStore(tmp_path / ".cache", warn=lambda text: None, disk=Hooked(full)) as store:
        fill(store, range(40))
    assert len(tried) == 1


def test_a_disk_that_is_full_in_the_middle_of_a_pack_is_told_once_and_nothing_of_it_is_seen(tmp_path: Path) -> None:
    told: list[str] = []
    with small_disk(tmp_path / "small", "1m") as place:
        with ObjectStore(place / ".cache", warn=told.append) as store:
            fill(store, range(3))
            fill(store, range(3, 40), size=100_000)  # in one pack
            assert [store.get(key_of(name), SCHEMA) is not None for name in range(40)] == [True] * 3 + [False] * 37
            assert (store.counts.published, store.counts.quarantined) == (3, 0)
        assert len(files_under(store.root)) == 1
        assert len(told) == 1 and "the disk is full" in told[0] and str(store.root) in told[0]


def test_a_full_disk_is_told_once_and_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "PACK", 150_000)  # two objects
    told: list[str] = []
    with small_disk(tmp_path / "small", "1m") as place:
        with ObjectStore(place / ".cache", warn=told.append) as store:
            fill(store, range(40), size=100_000)
            found = [store.get(key_of(name), SCHEMA) for name in range(40)]
            n_found = sum(part is not None for part in found)
            assert 0 < n_found == store.counts.published < 40
            assert store.counts.quarantined == 0
            assert not [path for path in files_under(store.root) if is_temporary(path.name)]
        assert len(told) == 1 and "the disk is full" in told[0] and str(store.root) in told[0]
        # once there is room again, the next run stores the rest
        prune(store.root, None, 0)
        with ObjectStore(place / ".cache", warn=told.append) as store:
            fill(store, range(3), size=100_000)
            assert store.counts.published == 3
    print(f"disk of 1 MB: {n_found} of 40 objects stored, {len(told)} warning")


def test_a_limit_on_the_size_of_files_is_told_once(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        told: list[str] = []
        with ObjectStore(tmp_path / ".cache", warn=told.append) as store:
            fill(store, range(3), size=1_000)
            fill(store, range(3, 9), size=100_000)
            assert len(told) == 1 and "RLIMIT_FSIZE" in told[0], told
            assert [store.get(key_of(n), SCHEMA) is not None for n in range(9)] == [True] * 3 + [False] * 6

    assert finish(start(limited)) == 0
    assert len(files_under(tmp_path)) == 1


def test_a_read_only_store_is_read_and_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    with small_disk(tmp_path / "small", "4m") as place:
        with ObjectStore(place / ".cache") as store:
            fill(store, range(3))
        spoil(store, key_of(2))
        age(store, key_of(1), 10)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        with ObjectStore(place / ".cache", warn=told.append) as store:
            assert [store.get(key_of(name), SCHEMA) is not None for name in range(2)] == [True, True]
            with store.claim(key_of("new")):
                fill(store, range(10, 20))
            assert len(told) == 1 and "the file system is read-only" in told[0], told
            assert store.get(key_of(2), SCHEMA) is None
            assert len(told) == 2 and "cannot be moved aside" in told[1]
        with ObjectStore(place / "missing" / ".cache", warn=told.append) as store:
            assert store.get(KEY, SCHEMA) is None
            fill(store, range(3))
            assert len(told) == 3


def test_a_file_in_the_place_of_the_store_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / ".cache").write_text("x")
    with ObjectStore(tmp_path / ".cache", warn=told.append) as store:
        assert store.get(KEY, SCHEMA) is None
        fill(store, range(3))
        assert list(store.keys()) == []
    assert len(told) == 1 and "nothing more is written (Not a directory)" in told[0]
    assert (tmp_path / ".cache").read_text() == "x"


# Without hard links


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS], ids=os.strerror)
def test_without_hard_links_packs_are_renamed_into_place(tmp_path: Path, code: int) -> None:
    told: list[str] = []
    root = tmp_path / ".cache"
    with ObjectStore(root, warn=told.append, disk=refusing("link", code)) as store:
        fill(store, range(20))
        assert len(told) == 1 and "no hard links" in told[0] and str(root) in told[0]
        before = path_of(store, key_of(3)).stat()
        fill(store, range(20))
        assert path_of(store, key_of(3)).stat() == before
        assert (store.counts.published, store.counts.lost) == (20, 20)
        assert all(plain(store.get(key_of(n), SCHEMA)) == plain(sections(n)) for n in range(20))
    assert len(files_under(root)) == 1


def test_a_store_that_is_removed_while_it_is_used_is_made_again(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / ".cache") as store:
        fill(store, range(3))
        subprocess.run(["rm", "-r", store.root], check=True)
        assert store.get(key_of(0), SCHEMA) is None
        fill(store, range(3))
        assert len(list(store.keys())) == 3
