"""Objects come back as they were put, or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metabt.build.cache.disk import DiskCache
from metabt.build.cache.object_format import MAGIC, file_pieces
from metabt.build.cache.object_store import Counts, ObjectStore, Section
from metabt.errors import StoreError
from tests.build.cache.stores import SCHEMA, Hooked, fill, key_of, path_of, plain, section, sections

KEY = key_of("a")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, told: list[str]) -> ObjectStore:
    with ObjectStore(tmp_path / ".cache", warn=told.append) as store:
        yield store


def stored(store: ObjectStore, name: object = "a") -> Path:
    store.put(key_of(name), SCHEMA, sections(name))
    store.flush()
    return path_of(store, key_of(name))


def is_refused(store: ObjectStore, key: str = KEY) -> bool:
    """Whether nothing is returned and what was there has been moved to the quarantine."""
    before = store.counts.quarantined
    return store.get(key, SCHEMA) is None and store.counts.quarantined == before + 1


# Round trip


def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    assert store.get(KEY, SCHEMA) is None
    stored(store)
    assert plain(store.get(KEY, SCHEMA)) == plain(sections("a"))
    assert store.counts == Counts(published=1, found=1, missed=1, quarantined=0, lost=0)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1_000_003])
def test_sections_of_any_size_come_back(store: ObjectStore, size: int) -> None:
    put = {"first": section(b"x"), "second": section(os.urandom(size)), "third": section(os.urandom(size))}
    store.put(KEY, SCHEMA, put)
    store.flush()
    assert plain(store.get(KEY, SCHEMA)) == plain(put)


def test_an_object_may_have_no_sections(store: ObjectStore) -> None:
    store.put(KEY, SCHEMA, {})
    store.flush()
    assert store.get(KEY, SCHEMA) == {}


def test_equal_objects_have_equal_bytes(tmp_path: Path) -> None:
    contents = set()
    for place in ("one", "two"):
        with ObjectStore(tmp_path / place) as store:
            contents.add(stored(store).read_bytes())
    assert len(contents) == 1


def test_what_is_returned_is_aligned_read_only_and_unaffected_by_the_file(store: ObjectStore) -> None:
    path = stored(store)
    found = store.get(KEY, SCHEMA)
    assert found is not None
    path.write_bytes(b"\xff" * path.stat().st_size)
    assert plain(found) == plain(sections("a"))
    for part in found.values():
        assert isinstance(part.data, memoryview) and part.data.readonly


def test_sections_begin_where_arrays_may_lie(store: ObjectStore) -> None:
    np = pytest.importorskip("numpy")
    stored(store)
    found = store.get(KEY, SCHEMA)
    assert found is not None
    assert [np.frombuffer(found[name].data, np.uint8).ctypes.data % 64 for name in ("block", "state")] == [0, 0]


def test_a_buffer_of_numbers_is_stored_as_its_bytes(store: ObjectStore) -> None:
    numbers = memoryview(bytes(range(64))).cast("d")
    store.put(KEY, SCHEMA, {"numbers": Section(numbers, hashlib.sha256(numbers).hexdigest())})
    store.flush()
    found = store.get(KEY, SCHEMA)
    assert found is not None and bytes(found["numbers"].data) == bytes(range(64))


def test_only_the_owner_can_look_in(store: ObjectStore) -> None:
    path = stored(store)
    assert {stat.S_IMODE(place.stat().st_mode) for place in (store.root, path.parent)} == {0o700}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_are_those_of_the_objects(store: ObjectStore) -> None:
    fill(store, range(50))
    (store.root / "ab").mkdir(exist_ok=True)
    (store.root / "ab" / "note.txt").write_text("not an object")
    (store.root / key_of(0)[:2] / f".{key_of(0)}.1-1.tmp").write_text("left behind")
    found = dict(store.keys())
    assert list(found) == sorted(key_of(name) for name in range(50))
    assert all(status.st_size == path_of(store, key).stat().st_size for key, status in found.items())


@pytest.mark.parametrize("key", ["", "ab", "A" * 64, "../" + "a" * 61, "a" * 63 + "\n", "a" * 65])
def test_a_key_that_is_none_never_becomes_a_path(store: ObjectStore, key: str) -> None:
    for use in (lambda: store.get(key, SCHEMA), lambda: store.put(key, SCHEMA, {}), lambda: store.claim(key)):
        with pytest.raises(StoreError, match="64 hexadecimal digits"):
            use()
    assert not store.root.exists()


def test_too_many_sections_are_refused_before_anything_is_written(store: ObjectStore) -> None:
    with pytest.raises(StoreError, match="fewer sections"):
        store.put(KEY, SCHEMA, {f"section {n}": section(b"") for n in range(1_000)})
    assert not store.root.exists()


def test_a_store_can_be_used_after_it_was_closed(store: ObjectStore) -> None:
    store.close()
    stored(store)
    store.close()
    assert store.get(KEY, SCHEMA) is not None


def test_an_error_that_is_not_the_disks_is_not_swallowed(tmp_path: Path) -> None:
    def broken(name: str) -> None:
        raise ZeroDivisionError(name)

    store = ObjectStore(tmp_path / ".cache", disk=Hooked(broken))
    store.put(KEY, SCHEMA, sections("a"))
    with pytest.raises(ZeroDivisionError):
        store.flush()


# The first one stays


def test_a_second_put_changes_nothing(store: ObjectStore) -> None:
    path = stored(store)
    before = path.stat()
    store.put(KEY, SCHEMA, sections("something else"))
    store.flush()
    assert path.stat() == before
    assert plain(store.get(KEY, SCHEMA)) == plain(sections("a"))
    assert (store.counts.published, store.counts.lost) == (1, 1)


def test_whoever_links_first_stays_even_when_both_saw_the_key_free(tmp_path: Path) -> None:
    root, links = tmp_path / ".cache", []

    def overtake(name: str) -> None:
        if name == "link":
            links.append(name)
            if len(links) == 2:  # the first is the probe
                with ObjectStore(root) as other:
                    other.put(KEY, SCHEMA, sections("first"))

    with ObjectStore(root, disk=Hooked(overtake)) as store:
        store.put(KEY, SCHEMA, sections("second"))
        store.flush()
        assert plain(store.get(KEY, SCHEMA)) == plain(sections("first"))
        assert (store.counts.published, store.counts.lost) == (0, 1)
    assert [path.name for path in path_of(store, KEY).parent.iterdir()] == [KEY]


# Never trusted


def test_no_flipped_byte_is_trusted(store: ObjectStore) -> None:
    path = stored(store)
    content = path.read_bytes()
    refused = 0
    for position in range(len(content)):
        for mask in (0x01, 0x20, 0xFF):
            bad = bytearray(content)
            bad[position] ^= mask
            path.write_bytes(bad)
            refused += is_refused(store)
            (store.root / "quarantine" / f"{KEY}.1").unlink(missing_ok=True)
    print(f"{len(content)} bytes flipped in 3 ways: {3 * len(content) - refused} trusted")
    assert refused == 3 * len(content)


def test_no_truncated_and_no_extended_object_is_trusted(store: ObjectStore) -> None:
    store.put(KEY, SCHEMA, sections("a", size=2_000))
    store.flush()
    path = path_of(store, KEY)
    content = path.read_bytes()
    others = [content[:length] for length in range(0, len(content), 64)]
    others += [content[:-1], content + b"\0", content + content, bytes(len(content)), b""]
    refused = 0
    for other in others:
        path.write_bytes(other)
        refused += is_refused(store)
    print(f"{len(others)} truncated or extended: {len(others) - refused} trusted")
    assert refused == len(others)


def test_a_file_of_a_terabyte_is_refused_without_being_read(store: ObjectStore) -> None:
    path = stored(store)
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    assert is_refused(store)


def test_swapped_objects_are_not_trusted(store: ObjectStore, told: list[str]) -> None:
    one, two = stored(store, "a"), stored(store, "b")
    first, second = one.read_bytes(), two.read_bytes()
    assert len(first) == len(second)
    one.write_bytes(second)
    two.write_bytes(first)
    assert is_refused(store, key_of("a")) and is_refused(store, key_of("b"))
    assert f"is the object '{key_of('b')}'" in told[0]


def test_swapped_sections_are_not_trusted(store: ObjectStore) -> None:
    store.put(KEY, SCHEMA, {"one": section(b"1" * 64), "two": section(b"2" * 64)})
    store.flush()
    path = path_of(store, KEY)
    content = path.read_bytes()
    path.write_bytes(content[:-128] + content[-64:] + content[-128:-64])
    assert is_refused(store)


def test_another_schema_is_not_trusted(store: ObjectStore, told: list[str]) -> None:
    stored(store)
    assert store.get(KEY, "test 2") is None
    assert "has the schema 'test 1' instead of 'test 2'" in told[0]


def test_a_wrong_hash_given_by_the_caller_makes_an_object_that_is_never_returned(store: ObjectStore) -> None:
    store.put(KEY, SCHEMA, {"block": Section(b"data", "0" * 64)})
    store.flush()
    assert is_refused(store)


def header(sections: str, rest: str = "") -> bytes:
    return f'{{"key":"{KEY}","schema":"{SCHEMA}","sections":[{sections}]{rest}}}'.encode()


EMPTY = hashlib.sha256().hexdigest()
HEADERS = {
    "not JSON": b"{",
    "nested deeply": b"[" * 9_000,
    "a list": b"[]",
    "no sections": json.dumps({"key": KEY, "schema": SCHEMA}).encode(),
    "negative length": header(f'["a",-5,"{EMPTY}"]'),
    "length is false": header(f'["a",false,"{EMPTY}"]'),
    "length is a text": header(f'["a","0","{EMPTY}"]'),
    "endless length": header(f'["a",{"9" * 9_000},"{EMPTY}"]'),
    "infinite length": header(f'["a",Infinity,"{EMPTY}"]'),
    "a name twice": header(f'["a",0,"{EMPTY}"],["a",0,"{EMPTY}"]'),
    "a name that is a list": header(f'[[],0,"{EMPTY}"]'),
    "one thing more": header("", ',"more":1'),
    "spaces": header(" "),
    "another order": f'{{"schema":"{SCHEMA}","key":"{KEY}","sections":[]}}'.encode(),
    "not ASCII": b"\xff\xfe",
}


@pytest.mark.parametrize("line", HEADERS.values(), ids=HEADERS.keys())
def test_a_forged_header_with_the_right_hash_is_refused(store: ObjectStore, line: bytes) -> None:
    path = stored(store)
    lines = MAGIC + hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n"
    n_sections = line.count(EMPTY.encode())
    # so long that sections without bytes end where the file does
    path.write_bytes(lines + bytes(-len(lines) % 64 if n_sections else 0))
    assert is_refused(store)


# Only regular files, and no links


def replace_by_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_socket(path: Path) -> None:
    path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is at most 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(here)


def replace_directory_by_link(path: Path) -> None:
    path.parent.rename(path.parent.parent / "elsewhere")
    path.parent.symlink_to(path.parent.parent / "elsewhere")


def replace_directory_by_file(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("x")


REPLACEMENTS = (
    replace_by_link,
    replace_by_directory,
    replace_by_pipe,
    replace_by_socket,
    replace_directory_by_link,
    replace_directory_by_file,
)


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_what_is_no_regular_file_is_moved_away_and_made_anew(
    store: ObjectStore, told: list[str], replace: Callable[[Path], None]
) -> None:
    path = stored(store)
    content = path.read_bytes()
    replace(path)
    assert is_refused(store)
    assert len(told) == 1 and str(path.parent) in told[0]
    assert stored(store).read_bytes() == content
    assert plain(store.get(KEY, SCHEMA)) == plain(sections("a"))


def test_a_link_that_leads_to_the_object_itself_is_moved_not_its_target(store: ObjectStore) -> None:
    path = stored(store)
    replace_by_link(path)
    assert is_refused(store)
    assert (store.root / "elsewhere").is_file()
    assert (store.root / "quarantine" / f"{KEY}.1").is_symlink()


# Quarantine


def test_each_bad_object_is_kept_under_a_name_of_its_own_and_told(store: ObjectStore, told: list[str]) -> None:
    path = stored(store)
    for number in range(1, 4):
        path.write_bytes(b"bad %d" % number)
        assert is_refused(store)
    kept = sorted((store.root / "quarantine").iterdir())
    assert [place.name for place in kept] == [f"{KEY}.{number}" for number in range(1, 4)]
    assert [place.read_bytes() for place in kept] == [b"bad 1", b"bad 2", b"bad 3"]
    assert len(told) == 3 and all(str(path) in text and "does not begin like an object" in text for text in told)


def test_a_sound_object_that_has_taken_the_place_of_a_bad_one_is_left_alone(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(store)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    from metabt.build.cache import object_store

    def overtaken(root: Path, bad: Path, seen: os.stat_result) -> Path | None:
        path.with_suffix(".new").write_bytes(content)
        path.with_suffix(".new").rename(path)
        return set_aside(root, bad, seen)

    set_aside = object_store.set_aside
    monkeypatch.setattr(object_store, "set_aside", overtaken)
    assert store.get(KEY, SCHEMA) is None
    assert store.counts.quarantined == 0
    assert plain(store.get(KEY, SCHEMA)) == plain(sections("a"))


def test_an_error_of_the_disk_is_told_and_moves_nothing(
    store: ObjectStore, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(store)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", broken)
        assert store.get(KEY, SCHEMA) is None
    assert len(told) == 1 and "Input/output error" in told[0] and str(path) in told[0]
    assert store.get(KEY, SCHEMA) is not None


# Last use


def test_a_read_records_its_day(store: ObjectStore) -> None:
    path = stored(store)
    for age, refreshed in ((3_600.0, False), (2 * 86_400.0, True)):
        used = time.time() - age
        os.utime(path, (used, used))
        assert store.get(KEY, SCHEMA) is not None
        assert (path.stat().st_mtime > used + 60) is refreshed


def test_the_pieces_of_a_file_are_its_bytes(store: ObjectStore) -> None:
    assert b"".join(file_pieces(KEY, SCHEMA, sections("a"))) == stored(store).read_bytes()


def test_a_file_in_the_place_of_a_lakehouses_cache_is_named_once(tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("")
    with pytest.raises(StoreError, match="is a file, wanted the cache's directory; remove it"):
        DiskCache(tmp_path / ".cache")
