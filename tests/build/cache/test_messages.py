"""Every sentence about a store, in full: who says it, what was found, and what to do."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metabt.build.cache import single_flight
from metabt.build.cache.codec import CLASSES, encode
from metabt.build.cache.disk import DiskCache
from metabt.build.cache.folder import reading
from metabt.build.cache.folder import shelf as folder_shelf
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.folder.syscalls import REASONS
from metabt.build.cache.object_store import ObjectStore, Section
from metabt.build.cache.pack_format import MAGIC, Fault, Foreign, decode_index, index_length
from metabt.build.cache.shelf import Bad
from metabt.build.cache.upkeep import parse_age, parse_size, prune, verify
from metabt.build.cache.verified_reading import read_index, read_object
from metabt.errors import ConfigError, StoreError
from metabt.walk.asset_risk import AssetRisk
from tests.build.cache.stores import (
    SCHEMA,
    age,
    fill,
    fill_apart,
    index_of,
    key_of,
    path_of,
    refusing,
    section,
    sections,
    spoil,
)

KEY = key_of("a")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / ".cache"


def stored(root: Path, name: object = "a") -> Path:
    """Publish an object in a pack of its own, and return the pack's path."""
    with ObjectStore(root) as store:
        store.put(key_of(name), SCHEMA, sections(name))
        store.flush()
        return path_of(store, key_of(name))


def refused(root: Path, told: list[str], schema: str = SCHEMA) -> None:
    with ObjectStore(root, warn=told.append) as store:
        assert store.get(KEY, schema) is None


def raised(act: Callable[[], object], kind: type[BaseException] = Exception) -> str:
    with pytest.raises(kind) as error:
        act()
    return str(error.value)


# Bad packs, and bad objects of a pack


def test_a_pack_that_must_not_be_used_is_told_with_where_it_goes(root: Path, told: list[str]) -> None:
    path = stored(root)
    whole = path.read_bytes()
    index = index_of(path)
    other = sha256(whole[len(MAGIC) + 13 : index.end - 1] + b"\xff").hexdigest()
    said = {
        b"": "does not begin like a pack",
        b"no pack": "does not begin like a pack",
        b"metabt-pack one ": "does not begin like a pack",
        MAGIC + b"12x456789012\n": "has no whole first line",
        MAGIC + b"123456789012 ": "has no whole first line",
        MAGIC + b"1": "has no whole first line",
        whole[: index.end - 1]: "has no whole index",
        whole[: index.end - 1]
        + b"\xff"
        + whole[index.end :]: f"has an index whose SHA-256 is {other[:12]}..., not its name",
        whole[:-1]: f"has {len(whole) - 1} bytes instead of {len(whole)}",
        whole + b"1": f"has {len(whole) + 1} bytes instead of {len(whole)}",
        whole.replace(b"pack 1", b"pack 3", 1): "has the format 3, wanted 1, and has an index of this one",
    }
    for number, (content, what) in enumerate(said.items(), 1):
        path.write_bytes(content)
        refused(root, told)
        place = root / "quarantine" / f"{path.name}.{number}"
        text = f"cache: '{path}' {what}; it is not used, moved to '{place}', and its objects are computed again"
        assert told.pop() == text and not told and place.read_bytes() == content
        path.write_bytes(content)
        assert verify(root).bad == ((f"pack {path.name}", what),)
        (root / "quarantine" / f"{path.name}.{number + 1}").unlink()


def test_an_index_that_no_store_writes_is_told(root: Path) -> None:
    encoded = b"{}\n"
    name = sha256(encoded).hexdigest()
    assert raised(lambda: decode_index(name, encoded, 100)) == "has an index that no store writes"


def test_what_is_no_regular_file_is_told(root: Path, told: list[str]) -> None:
    path = stored(root)

    def pipe() -> None:
        os.mkfifo(path)

    def link() -> None:
        path.symlink_to(root / "elsewhere")

    def directory() -> None:
        path.mkdir()

    for number, make in enumerate((pipe, link, directory), 1):
        path.unlink(missing_ok=True)
        make()
        assert raised(lambda: read_index(FolderShelf(root), path.name), Bad) == "is not a regular file"
        refused(root, told)
        place = root / "quarantine" / f"{path.name}.{number}"
        text = f"cache: '{path}' is not a regular file; it is not used, moved to '{place}', and its objects are "
        assert told.pop() == f"{text}computed again" and not told


@pytest.mark.parametrize("link", [False, True])
def test_what_is_no_directory_of_packs_is_told(root: Path, told: list[str], link: bool) -> None:
    path, packs = stored(root), root / "packs"
    index = index_of(path)
    packs.rename(root / "elsewhere")
    packs.symlink_to(root / "elsewhere") if link else packs.write_text("x")
    for read in (
        lambda: read_index(FolderShelf(root), path.name),
        lambda: read_object(FolderShelf(root), path.name, index, 0),
    ):
        with pytest.raises(Bad) as error:
            read()
        assert (str(error.value), error.value.path, error.value.seen) == ("is not a directory", packs, None)
    refused(root, told)
    place = root / "quarantine" / "packs.1"
    text = (
        f"cache: '{packs}' is not a directory; it is not used, moved to '{place}', and its objects are computed again"
    )
    assert told == [text]


def test_a_pack_that_is_another_when_an_object_is_read_is_told(root: Path) -> None:
    path = stored(root)
    index, size = index_of(path), path.stat().st_size
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(Bad) as error:
        read_object(FolderShelf(root), path.name, index, 0)
    assert str(error.value) == f"has {size + 4} bytes instead of {size}"
    assert error.value.path == path and error.value.seen is not None
    assert os.path.samestat(error.value.seen, path.stat())


def test_a_bad_pack_that_cannot_be_moved_is_told(root: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(root)
    path.write_bytes(b"bad")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(reading.os, "rename", refuse)
    with ObjectStore(root, warn=told.append) as store:
        for _ in range(3):
            assert store.get(KEY, SCHEMA) is None
        assert store.counts.quarantined == 0
    what = "does not begin like a pack; it is not used, and cannot be moved aside (Permission denied)"
    assert told == [f"cache: '{path}' {what}"]
    assert verify(root).unread == ((f"pack {path.name}", "does not begin like a pack"),)


def test_a_pack_that_is_cut_off_once_its_index_is_read_is_given_up_as_a_whole(
    root: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ObjectStore(root) as store:
        fill(store, range(3))
        path = path_of(store, key_of(0))

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(reading.os, "rename", refuse)
    with ObjectStore(root, warn=told.append) as store:
        assert all(store.known(key_of(name), SCHEMA) is not None for name in range(3))
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[:-1])
        for _ in range(2):
            assert [store.get(key_of(name), SCHEMA) for name in range(3)] == [None] * 3
            assert [store.known(key_of(name), SCHEMA) for name in range(3)] == [None] * 3
        assert store.counts.missed == 6
    what = f"has {size - 1} bytes instead of {size}; it is not used, and cannot be moved aside (Permission denied)"
    # by who read an object, and by who looked at the directory again; not by object
    assert len(told) <= 2 and set(told) == {f"cache: '{path}' {what}"}


def test_an_object_that_must_not_be_used_is_told_with_where_it_goes(root: Path, told: list[str]) -> None:
    begin = {"one": section(b"1"), "two": section(b"2")}
    with ObjectStore(root) as store:
        store.put(KEY, SCHEMA, begin)
        store.flush()
        path = path_of(store, KEY)
    whole, index = path.read_bytes(), index_of(path)
    schema = f"has the schema '{SCHEMA}' instead of 'test 2'"
    said = [
        ("has a section 'one' whose SHA-256 is not the one stated", index.stops[0] - 1, SCHEMA),
        ("has a section 'two' whose SHA-256 is not the one stated", index.stops[1] - 1, SCHEMA),
        ("has bytes before section 'one' that are not zero", index.stops[0] - 2, SCHEMA),
        ("has bytes before section 'two' that are not zero", index.stops[1] - 2, SCHEMA),
        (schema, None, "test 2"),
    ]
    for what, at, wanted in said:
        content = bytearray(whole)
        if at is not None:
            content[at] ^= 1
        path.write_bytes(content)
        refused(root, told, wanted)
        moved = f"it is not used, moved to '{root / 'quarantine'}', and computed again"
        assert told.pop() == f"cache: object {KEY} in '{path}' {what}; {moved}" and not told
        if at is not None:
            path.write_bytes(content)
            assert verify(root).bad == ((f"block {KEY} in pack {path.name}", what),)


def test_several_bad_objects_of_a_pack_are_told_at_once(root: Path, told: list[str]) -> None:
    with ObjectStore(root, warn=told.append) as store:
        fill(store, range(5))
        path = path_of(store, key_of(3))
        for name in (1, 3):
            spoil(store, key_of(name))
        assert store.get(key_of(3), SCHEMA) is None
    what = "has a section 'block' whose SHA-256 is not the one stated; it is not used, moved to"
    more = f"'{root / 'quarantine'}' with 1 more of that pack, and computed again"
    assert told == [f"cache: object {key_of(3)} in '{path}' {what} {more}"]


def test_a_bad_object_that_cannot_be_moved_is_told(root: Path, told: list[str]) -> None:
    path = stored(root)
    with ObjectStore(root) as store:
        fill(store, range(2))
        path = path_of(store, key_of(0))
        spoil(store, key_of(0))
    with ObjectStore(root, warn=told.append, disk=refusing("write", errno.ENOSPC)) as store:
        assert store.get(key_of(0), SCHEMA) is None
    what = "has a section 'block' whose SHA-256 is not the one stated; it is not used, and cannot be moved aside"
    assert told == [f"cache: object {key_of(0)} in '{path}' {what} (No space left on device)"]


def test_an_object_that_ends_early_says_so(root: Path) -> None:
    path = stored(root)
    with FolderShelf(root).opened(path.name, (0, 8)) as pack:
        assert raised(lambda: pack.read(pack.size - 3, pack.size + 1), Fault) == "ends early"


def test_an_object_that_cannot_be_read_is_told(root: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(root)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with ObjectStore(root, warn=told.append) as store:
        assert store.known(KEY, SCHEMA) is not None
        monkeypatch.setattr("metabt.build.cache.object_store.read_object", broken)
        assert store.get(KEY, SCHEMA) is None
    reason = "cannot be read ([Errno 5] Input/output error)"
    assert told == [f"cache: '{path}' {reason}; object {KEY[:12]} is computed again"]


def test_packs_that_cannot_be_listed_or_read_are_told(
    root: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(root)
    foreign = root / "packs" / key_of("foreign")
    foreign.write_bytes(b"metabt-pack 12 and so on")
    assert raised(lambda: index_length(foreign.read_bytes()), Foreign) == "has the format 12, wanted 1"

    def broken(*_: object) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(folder_shelf, "pack_names", broken)
        refused(root, told)
    assert told == [f"cache '{root}': its packs cannot be listed (Input/output error); none is used"]
    told.clear()
    reason = "cannot be read ([Errno 5] Input/output error); it is not used"
    with monkeypatch.context() as patch, ObjectStore(root, warn=told.append) as store:
        read = os.preadv
        broken_pack = path.stat().st_ino
        patch.setattr(
            reading.os,
            "preadv",
            lambda file, *rest: (broken if os.fstat(file).st_ino == broken_pack else read)(file, *rest),
        )
        for _ in range(2):
            assert store.get(KEY, SCHEMA) is None
    alone = f"cache: pack '{foreign.name[:12]}' in '{root}' has the format 12, wanted 1; it is left alone, and not used"
    assert sorted(told) == sorted([alone, f"cache: pack '{path.name[:12]}' in '{root}' {reason}"])


@pytest.mark.parametrize("key", ["ab", "A" * 64])
def test_what_is_no_key_is_told(root: Path, key: str) -> None:
    text = f"{key!r} is no key of an object; a key is a SHA-256, 64 hexadecimal digits in lower case"
    with ObjectStore(root) as store:
        assert raised(lambda: store.get(key, SCHEMA), StoreError) == text


# Writing

REFUSALS = {
    errno.ENOSPC: ("No space left on device", "the disk is full; free some space"),
    errno.EDQUOT: ("Disk quota exceeded", "the disk quota is used up; free some space"),
    errno.EFBIG: (
        "File too large",
        "the limit of this process on a file's size is reached (RLIMIT_FSIZE); raise it with `ulimit -f`",
    ),
    errno.EROFS: ("Read-only file system", "the file system is read-only; mount it writable"),
    errno.EACCES: ("Permission denied", "permission is denied; restore write permission"),
    errno.EPERM: ("Operation not permitted", "permission is denied; restore write permission"),
    errno.EIO: ("Input/output error", "the disk refuses; see the system's log"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_disk_that_refuses_is_told_with_what_to_do(root: Path, told: list[str], code: int) -> None:
    with ObjectStore(root, warn=told.append, disk=refusing("write", code)) as store:
        fill(store, range(2))
        assert not store.flush()
    what, cure = REFUSALS[code]
    rest = "What is computed from here on is not kept; what is stored is still used"
    assert told == [f"cache '{root}': nothing more is written ({what}): {cure}. {rest}"]


def test_every_reason_that_is_known_is_one_of_those() -> None:
    assert REASONS == {code: cure for code, (_, cure) in REFUSALS.items() if code != errno.EIO}


def test_a_file_system_without_hard_links_is_told(root: Path, told: list[str]) -> None:
    with ObjectStore(root, warn=told.append, disk=refusing("link", errno.EPERM)) as store:
        fill_apart(store, range(3))
    rest = "packs are renamed into place instead, which is as safe"
    assert told == [f"cache '{root}': its file system has no hard links; {rest}"]


# Pruning


def test_a_store_that_cannot_be_pruned_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(root)

    def refuse(self: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    said = raised(lambda: prune(root, None, 0), StoreError)
    cure = "restore write permission, or prune as the user who owns it"
    assert said == f"cache '{root}' cannot be pruned: '{path}': Permission denied; {cure}"


def test_a_store_that_cannot_be_pruned_to_the_end_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ObjectStore(root) as store:
        fill_apart(store, range(4))
        age(store, key_of(3), 50)
    cure = "nothing of it is lost; free some space or restore write permission, and prune again"
    text = f"cache '{root}' cannot be pruned to the end: what stays of 3 packs cannot be written anew"
    disk = refusing("write", errno.ENOSPC)
    said = raised(lambda: prune(root, timedelta(days=30), None, disk=disk), StoreError)
    assert said == f"{text} (No space left on device); {cure}"

    def bad(*_: object) -> None:
        raise Bad("is another", root)

    monkeypatch.setattr("metabt.build.cache.pruning.rewritten", bad)
    said = raised(lambda: prune(root, timedelta(days=30), None), StoreError)
    assert said == f"{text} (is another); {cure}"


# Claims


def test_claims_are_told_of_in_full(root: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with ObjectStore(root) as store:

        def inside() -> None:
            with store.claim(KEY), store.claim(key_of("b")):
                raise AssertionError

        rest = "leave that one first"
        assert raised(inside) == f"claim on {key_of('b')[:12]} inside the claim on {KEY[:12]}; {rest}"
    monkeypatch.setattr(single_flight, "LOCK_SECONDS", 0.05)
    with ObjectStore(root) as holder, ObjectStore(root, warn=told.append) as store, holder.claim(KEY):
        monkeypatch.setattr(single_flight, "LOCK_SECONDS", 0.6)
        monkeypatch.setattr(single_flight.Claims, "_wait", lambda *_: False)
        with store.claim(KEY):
            pass
    rest = "it is computed here as well, with the same result; if that process hangs, end it"
    assert told == [f"cache '{root}': the block {KEY[:12]} has been claimed by another process for 1 s; {rest}"]


@pytest.mark.parametrize("code", [errno.ENOLCK, *REASONS])
def test_files_that_cannot_be_locked_are_told_of_unless_the_disk_refuses_all(
    root: Path, told: list[str], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(single_flight.Claims, "_opened", refuse)
    if code == errno.EACCES:
        monkeypatch.setattr(single_flight.Claims, "_taken", refuse)  # of the file, not of a lock that is another's
    with ObjectStore(root, warn=told.append) as store:
        for name in "ab":
            with store.claim(key_of(name)):
                pass
    rest = "processes that run at the same time may compute the same twice, with the same result"
    text = f"cache '{root}': files cannot be locked (No locks available); {rest}"
    assert told == ([text] if code == errno.ENOLCK else [])


# The cache of a lakehouse, and what is written into it


def test_the_cache_of_a_lakehouse_says_what_is_in_its_place(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.write_text("")
    text = f"'{root}' is a file, wanted the cache's directory; remove it: it holds no results"
    assert raised(lambda: DiskCache(root), StoreError) == text
    root.unlink()
    with DiskCache(root) as cache:
        for kind, stated in (("block", "block 4"), ("exposure", "exposure 3")):
            data = b"whatever"
            cache.store.put(key_of(kind), stated, {"it": Section(data, hashlib.sha256(data).hexdigest())})
            for error in (KeyError("Popen"), TypeError("of another kind"), ValueError("too short")):

                def broken(_: object, error: Exception = error) -> None:
                    raise error

                monkeypatch.setattr("metabt.build.cache.disk.decode", broken)
                with caplog.at_level(logging.WARNING, "metabt.cache"):
                    assert cache.get(key_of(kind), kind) is None
                said = f"cache: object {key_of(kind)} holds no {kind} ({error}); it is computed again"
                assert [record.getMessage() for record in caplog.records] == [said]
                caplog.clear()


def test_what_cannot_be_stored_is_told() -> None:
    for value in ([1.0], {"a": 1}, b"1", np.int64(1)):
        wanted = f"wanted one of {', '.join(CLASSES)}, arrays and plain values"
        said = raised(lambda value=value: encode(AssetRisk(value)), TypeError)  # type: ignore[misc]
        assert said == f"cannot store {type(value).__name__} {value!r}; {wanted}"
    said = raised(lambda: encode(AssetRisk(np.zeros(2, complex))), TypeError)
    assert said == "cannot store an array of complex128; wanted flags, numbers or dates"


def test_ages_and_sizes_that_are_none_are_told() -> None:
    wanted = "a number and one of m (minutes), h (hours), d (days) or w (weeks) are wanted, such as 30d"
    assert raised(lambda: parse_age("30x"), ConfigError) == f"'30x' is no age: {wanted}"
    wanted = "a number and one of K, M, G or T (powers of 1024 bytes) are wanted, such as 10G"
    assert raised(lambda: parse_size("10X"), ConfigError) == f"'10X' is no size: {wanted}"
