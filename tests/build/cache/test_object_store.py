"""Objects come back as they were put, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from metabt.build.cache import pack_index
from metabt.build.cache.disk import DiskCache
from metabt.build.cache.folder.times import last_uses
from metabt.build.cache.object_store import Counts, ObjectStore, Section
from metabt.build.cache.pack_format import DIGITS, MAGIC, Stored, pack_pieces
from metabt.build.cache.shelf import Bad, Shelf
from metabt.build.cache.upkeep import prune, stats, verify
from metabt.errors import StoreError
from tests.build.cache.stores import (
    SCHEMA,
    Hooked,
    age,
    fill,
    fill_apart,
    index_of,
    key_of,
    path_of,
    plain,
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
def store(tmp_path: Path, told: list[str]) -> ObjectStore:
    with ObjectStore(tmp_path / ".cache", warn=told.append) as store:
        yield store


def stored(store: ObjectStore, name: object = "a") -> Path:
    store.put(key_of(name), SCHEMA, sections(name))
    store.flush()
    return path_of(store, key_of(name))


def is_refused(store: ObjectStore, key: str = KEY) -> bool:
    """Whether nothing is returned and what was there has been moved to the quarantine; seen by a store opened anew."""
    with ObjectStore(store.root, warn=store._warn) as anew:
        return anew.get(key, SCHEMA) is None and anew.counts.quarantined == 1


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
    assert store.get(KEY, SCHEMA) == {} == ObjectStore(store.root).get(KEY, SCHEMA)
    assert verify(store.root).sound == stats(store.root).objects == 1


def test_many_objects_are_published_as_one_file_and_found_before_it_is(store: ObjectStore) -> None:
    for name in range(50):
        store.put(key_of(name), SCHEMA, sections(name))
        assert plain(store.get(key_of(name), SCHEMA)) == plain(sections(name))
    assert store.counts.published == 0 and not store.root.exists()
    store.flush()
    assert store.counts.published == 50 and len(list((store.root / "packs").iterdir())) == 1
    with ObjectStore(store.root) as other:
        assert [plain(other.get(key_of(name), SCHEMA)) for name in range(50)] == [plain(sections(n)) for n in range(50)]


def test_what_is_known_is_told_by_the_index_and_no_object_is_read(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digests(name: int) -> dict[str, str]:
        return {part: it.sha256 for part, it in sections(name).items()}

    store.put(key_of(0), SCHEMA, sections(0))
    assert store.known(key_of(0), SCHEMA) == digests(0)
    fill_apart(store, range(5))
    reads: list[str] = []

    def read(shelf: Shelf, name: str) -> object:
        reads.append(name)
        return read_index(shelf, name)

    read_index = pack_index.read_index
    with monkeypatch.context() as patch, ObjectStore(store.root) as other:
        patch.setattr(pack_index, "read_index", read)
        patch.setattr("metabt.build.cache.object_store.read_object", lambda *_: pytest.fail("an object is read"))
        for _ in range(3):
            assert [other.known(key_of(name), SCHEMA) for name in range(5)] == [digests(name) for name in range(5)]
            assert other.known(key_of("no"), SCHEMA) is None and other.known(key_of(1), "test 2") is None
    assert len(reads) == len(set(reads)) == 5


def test_what_another_store_publishes_is_found(store: ObjectStore) -> None:
    with ObjectStore(store.root) as other:
        for name in range(30):
            assert store.get(key_of(name), SCHEMA) is None
            fill(other, [name])
            assert plain(store.get(key_of(name), SCHEMA)) == plain(sections(name))


def test_what_was_put_is_published_though_the_store_is_not_closed(tmp_path: Path) -> None:
    ObjectStore(tmp_path / ".cache").put(KEY, SCHEMA, sections("a"))
    assert ObjectStore(tmp_path / ".cache").get(KEY, SCHEMA) is not None


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


def test_what_lies_in_a_store_has_the_names_that_others_look_for(store: ObjectStore) -> None:
    """Another version of this code finds them by their names."""
    with store.claim(KEY):
        path = stored(store)
    age(store, KEY, 3)
    assert path.parent == store.root / "packs" and path.read_bytes().startswith(b"metabt-pack 1 ")
    (store.root / "used" / "kept").symlink_to(store.root / "used" / path.name)
    assert (store.root / "used" / "kept").resolve().stat().st_size == 4 and (store.root / "claims").stat().st_size == 0
    spoil(store, KEY)
    assert store.get(KEY, SCHEMA) is None
    assert [it.name for it in (store.root / "quarantine").iterdir()] == [f"{KEY}.1"]
    assert {it.name for it in store.root.iterdir()} == {"packs", "used", "claims", "quarantine"}


def test_keys_are_those_of_the_objects(store: ObjectStore) -> None:
    fill(store, range(50))
    (store.root / "packs" / "note.txt").write_text("not a pack")
    (store.root / "packs" / f".{key_of(0)}.1-1.tmp").write_text("left behind")
    assert list(store.keys()) == sorted(key_of(name) for name in range(50))


@pytest.mark.parametrize("key", ["", "ab", "A" * 64, "../" + "a" * 61, "a" * 63 + "\n", "a" * 65])
def test_a_key_that_is_none_never_becomes_a_path(store: ObjectStore, key: str) -> None:
    for use in (lambda: store.get(key, SCHEMA), lambda: store.put(key, SCHEMA, {}), lambda: store.claim(key)):
        with pytest.raises(StoreError, match="64 hexadecimal digits"):
            use()
    assert not store.root.exists()


def test_an_object_may_have_many_sections(store: ObjectStore) -> None:
    put = {f"section {n}": section(b"%d" % n) for n in range(1_000)}
    store.put(KEY, SCHEMA, put)
    store.flush()
    assert plain(store.get(KEY, SCHEMA)) == plain(put)


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
        store.put(KEY, SCHEMA, sections("first"))
        store.flush()
        assert plain(store.get(KEY, SCHEMA)) == plain(sections("first"))
        assert (store.counts.published, store.counts.lost) == (0, 1)
    assert len(list((root / "packs").iterdir())) == 1


def test_an_object_that_two_writers_publish_at_once_is_there_twice_until_it_is_pruned(tmp_path: Path) -> None:
    root, links = tmp_path / ".cache", []

    def overtake(name: str) -> None:
        if name == "link":
            links.append(name)
            if len(links) == 2:  # the first is the probe
                with ObjectStore(root) as other:
                    fill(other, ["b"])
                    fill(other, ["a"])

    with ObjectStore(root, disk=Hooked(overtake)) as store:
        fill(store, ["a", "b"])
    assert (stats(root).objects, stats(root).packs) == (4, 3)
    done = prune(root, None, None)
    assert (done.objects, done.kept, done.packs, stats(root).objects, stats(root).bytes) == (
        0,
        2,
        1,
        2,
        done.kept_bytes,
    )
    with ObjectStore(root) as store:
        assert [plain(store.get(key_of(name), SCHEMA)) for name in "ab"] == [plain(sections(name)) for name in "ab"]


# Never trusted


def test_no_flipped_byte_is_trusted(store: ObjectStore) -> None:
    path = stored(store)
    content = path.read_bytes()
    refused = trusted = 0
    for position in range(len(content)):
        for mask in (0x01, 0x20, 0xFF):
            bad = bytearray(content)
            bad[position] ^= mask
            path.write_bytes(bad)
            # by who has read the index before: what is returned is what was put, or nothing
            trusted += plain(store.get(KEY, SCHEMA)) not in (None, plain(sections("a")))
            path.write_bytes(bad)
            refused += is_refused(store)
            for kept in (store.root / "quarantine").iterdir():
                kept.unlink()
    print(f"{len(content)} bytes flipped in 3 ways: {3 * len(content) - refused} trusted, {trusted} wrong")
    assert (refused, trusted) == (3 * len(content), 0)


def test_a_pack_with_a_flipped_byte_loses_the_object_that_it_is_in_and_no_other(store: ObjectStore) -> None:
    names = range(4)
    fill(store, names)
    path = path_of(store, key_of(0))
    content, index = path.read_bytes(), index_of(path)
    lost = []
    for position in range(0, len(content), 7):
        bad = bytearray(content)
        bad[position] ^= 0x10
        path.write_bytes(bad)
        with ObjectStore(store.root, warn=lambda text: None) as anew:
            found = [plain(anew.get(key_of(name), SCHEMA)) for name in names]
            assert all(it in (None, plain(sections(name))) for name, it in zip(names, found, strict=True))
            lost.append(found.count(None))
            assert lost[-1] == (4 if position < index.end else 1)
            fill(anew, names)  # computed again, it is found
            assert [plain(anew.get(key_of(name), SCHEMA)) for name in names] == [plain(sections(n)) for n in names]
        for other in path.parent.iterdir():
            other.unlink()
    print(f"a pack of 4 objects flipped in {len(lost)} places: {lost.count(1)} lose 1 object, {lost.count(4)} all")
    assert lost.count(1) > 10 and lost.count(4) > 10


def test_no_truncated_and_no_extended_pack_is_trusted(store: ObjectStore) -> None:
    store.put(KEY, SCHEMA, sections("a", size=2_000))
    store.flush()
    path = path_of(store, KEY)
    content = path.read_bytes()
    others = [content[:length] for length in range(0, len(content), 64)]
    others += [content[:-1], content + b"\0", content + content, bytes(len(content)), b""]
    refused = 0
    for other in others:
        path.write_bytes(other)
        assert plain(store.get(KEY, SCHEMA)) is None
        path.write_bytes(other)
        refused += is_refused(store)
    print(f"{len(others)} truncated or extended: {len(others) - refused} trusted")
    assert refused == len(others)


def test_a_file_of_a_terabyte_is_refused_without_being_read(store: ObjectStore) -> None:
    path = stored(store)
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    assert is_refused(store)


def test_an_index_of_a_terabyte_is_refused_without_being_read(store: ObjectStore) -> None:
    path = stored(store)
    path.write_bytes(MAGIC + b"9" * DIGITS + b"\n" + bytes(1_000))
    assert is_refused(store)


def test_swapped_packs_are_not_trusted(store: ObjectStore, told: list[str]) -> None:
    one, two = stored(store, "a"), stored(store, "b")
    first, second = one.read_bytes(), two.read_bytes()
    assert len(first) == len(second)
    one.write_bytes(second)
    two.write_bytes(first)
    with ObjectStore(store.root, warn=told.append) as anew:
        assert [anew.get(key_of(name), SCHEMA) for name in "ab"] == [None, None]
        assert anew.counts.quarantined == 2
    assert all("not its name" in text for text in told) and len(told) == 2


def test_packs_that_are_swapped_once_their_indexes_are_read_are_not_trusted(store: ObjectStore) -> None:
    one, two = stored(store, "a"), stored(store, "b")
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert [store.get(key_of(name), SCHEMA) for name in "ab"] == [None, None]
    assert store.counts.quarantined == 2


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


def test_a_pack_of_another_format_is_left_alone_and_told(store: ObjectStore, told: list[str]) -> None:
    fill(store, range(3))
    alone = verify(store.root)
    path = store.root / "packs" / key_of("newer")
    content = MAGIC.replace(b"1", b"2") + b"whatever comes next"
    path.write_bytes(content)
    earlier = store.root / "ab" / ("ab" + 62 * "0")
    earlier.parent.mkdir()
    earlier.write_bytes(b"metabt-object 1 ")
    with ObjectStore(store.root, warn=told.append) as anew:
        assert [anew.get(key_of(name), SCHEMA) is not None for name in range(3)] == [True] * 3
        assert anew.get(KEY, SCHEMA) is None and anew.get(KEY, SCHEMA) is None
        assert anew.counts.quarantined == 0
    assert len(told) == 1 and "has the format 2, wanted 1; it is left alone" in told[0]
    assert (stats(store.root).objects, stats(store.root).foreign) == (3, (2, len(content) + 16))
    assert alone.sound == 3 and verify(store.root) == replace(alone, foreign=1)
    assert prune(store.root, None, 0).objects == 3
    assert path.read_bytes() == content and earlier.read_bytes() == b"metabt-object 1 "


def whole(head: bytes, columns: bytes) -> bytes:
    return head + b"\n" + columns


def head(kinds: str, objects: object = 1, sections: object = 1, rest: str = "") -> bytes:
    return f'{{"kinds":{kinds},"objects":{objects},"sections":{sections}{rest}}}'.encode()


ONE = f'[["{SCHEMA}",["a"]]]'
EMPTY = hashlib.sha256().digest()
PLAIN = bytes.fromhex(KEY)
COLUMNS = PLAIN + bytes(4) + bytes(8) + EMPTY
INDEXES = {
    "not JSON": whole(b"{", COLUMNS),
    "nested deeply": whole(b"[" * 9_000, COLUMNS),
    "a list": whole(b"[]", COLUMNS),
    "no kinds": whole(b'{"objects":1,"sections":1}', COLUMNS),
    "no such kind": whole(head(ONE), PLAIN + b"\1\0\0\0" + bytes(8) + EMPTY),
    "a kind too many": whole(head(f'[["{SCHEMA}",["a"]],["test 2",["a"]]]'), COLUMNS),
    "endless length": whole(head(ONE), PLAIN + bytes(4) + b"\xff" * 8 + EMPTY),
    "fewer objects": whole(head(ONE, 0, 1), COLUMNS),
    "more objects": whole(head(ONE, 2, 1), COLUMNS),
    "negative objects": whole(head(ONE, -1, 1), COLUMNS),
    "objects are true": whole(head(ONE, "true"), COLUMNS),
    "objects are a text": whole(head(ONE, '"1"'), COLUMNS),
    "endless objects": whole(head(ONE, "9" * 4_000), COLUMNS),
    "infinite sections": whole(head(ONE, 1, "Infinity"), COLUMNS),
    "a section too many": whole(head(ONE, 1, 2), PLAIN + bytes(4) + bytes(16) + 2 * EMPTY),
    "a key twice": whole(head(ONE, 2, 2), 2 * PLAIN + bytes(8) + bytes(16) + 2 * EMPTY),
    "keys not in order": whole(head(ONE, 2, 2), PLAIN + bytes(32) + bytes(8) + bytes(16) + 2 * EMPTY),
    "a name twice": whole(head(f'[["{SCHEMA}",["a","a"]]]', 1, 2), PLAIN + bytes(4) + bytes(16) + 2 * EMPTY),
    "a name that is a list": whole(head(f'[["{SCHEMA}",[[]]]]'), COLUMNS),
    "one thing more": whole(head(ONE, rest=',"more":1'), COLUMNS),
    "a byte more": whole(head(ONE), COLUMNS + b"\0"),
    "spaces": whole(head(ONE).replace(b",", b", "), COLUMNS),
    "another order": whole(f'{{"objects":1,"kinds":{ONE},"sections":1}}'.encode(), COLUMNS),
    "not ASCII": whole(b"\xff\xfe", COLUMNS),
    "nothing": b"",
}


def forged(store: ObjectStore, encoded: bytes) -> Path:
    """Put a pack with an index of one's own under the name that stands for it."""
    path = store.root / "packs" / hashlib.sha256(encoded).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = MAGIC + b"%0*d\n" % (DIGITS, len(encoded)) + encoded
    path.write_bytes(lines + bytes(-len(lines) % 64))  # sections without bytes end there
    return path


@pytest.mark.parametrize("encoded", INDEXES.values(), ids=INDEXES.keys())
def test_a_forged_index_with_the_right_hash_is_refused(store: ObjectStore, encoded: bytes) -> None:
    forged(store, encoded)
    assert is_refused(store)


def test_a_forged_index_like_those_but_right_is_read(store: ObjectStore) -> None:
    forged(store, whole(head(ONE), COLUMNS))
    assert plain(store.get(KEY, SCHEMA)) == {"a": (b"", EMPTY.hex())}


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
    assert store.get(KEY, SCHEMA) is None
    assert stored(store).read_bytes() == content
    assert plain(store.get(KEY, SCHEMA)) == plain(sections("a"))


def test_a_link_that_leads_to_the_pack_itself_is_moved_not_its_target(store: ObjectStore) -> None:
    path = stored(store)
    replace_by_link(path)
    assert is_refused(store)
    assert (store.root / "elsewhere").is_file()
    assert (store.root / "quarantine" / f"{path.name}.1").is_symlink()


# Quarantine


def test_each_bad_object_is_kept_under_a_name_of_its_own_and_told(store: ObjectStore, told: list[str]) -> None:
    for number in range(1, 4):
        path = stored(store)
        spoil(store, KEY)
        content = path.read_bytes()[index_of(path).end :]
        assert is_refused(store) and not path.exists()
        place = store.root / "quarantine" / f"{KEY}.{number}"
        assert place.read_bytes() == content
        assert store.get(KEY, SCHEMA) is None
    assert len(told) == 3 and all(str(path) in text and "SHA-256 is not the one stated" in text for text in told)


def test_each_bad_pack_is_kept_under_a_name_of_its_own_and_told(store: ObjectStore, told: list[str]) -> None:
    path = stored(store)
    for number in range(1, 4):
        path.write_bytes(b"bad %d" % number)
        assert is_refused(store)
    kept = sorted((store.root / "quarantine").iterdir())
    assert [place.name for place in kept] == [f"{path.name}.{number}" for number in range(1, 4)]
    assert [place.read_bytes() for place in kept] == [b"bad 1", b"bad 2", b"bad 3"]
    assert len(told) == 3 and all(str(path) in text and "does not begin like a pack" in text for text in told)


def test_all_bad_objects_of_a_pack_are_taken_out_at_once_and_told_once(store: ObjectStore, told: list[str]) -> None:
    fill(store, range(9))
    for name in (2, 5, 7):
        spoil(store, key_of(name))
    assert store.get(key_of(5), SCHEMA) is None
    assert len(told) == 1 and "with 2 more of that pack" in told[0] and store.counts.quarantined == 3
    for reader in (store, ObjectStore(store.root, warn=told.append)):
        found = [plain(reader.get(key_of(name), SCHEMA)) for name in range(9)]
        assert found == [None if name in (2, 5, 7) else plain(sections(name)) for name in range(9)]
    assert len(told) == 1
    assert sorted(path.name for path in (store.root / "quarantine").iterdir()) == sorted(
        f"{key_of(name)}.1" for name in (2, 5, 7)
    )


def test_a_bad_object_that_cannot_be_taken_out_is_never_used_and_told_once(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / ".cache") as store:
        fill(store, range(3))
        spoil(store, key_of(1))
    told: list[str] = []
    with ObjectStore(tmp_path / ".cache", warn=told.append, disk=refusing("write", errno.ENOSPC)) as store:
        for _ in range(3):
            assert [store.get(key_of(name), SCHEMA) is not None for name in range(3)] == [True, False, True]
    assert len(told) == 1 and "cannot be moved aside (No space left on device)" in told[0]


def test_a_sound_pack_that_has_taken_the_place_of_a_bad_one_is_left_alone(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(store)
    content = path.read_bytes()
    path.write_bytes(content[:-1])

    def overtaken(bad: Bad) -> Path | str | None:
        path.with_suffix(".new").write_bytes(content)
        path.with_suffix(".new").rename(path)
        return set_aside(bad)

    set_aside = store.shelf.set_aside
    monkeypatch.setattr(store.shelf, "set_aside", overtaken)
    assert plain(store.get(KEY, SCHEMA)) in (None, plain(sections("a")))
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


def test_a_pack_that_was_compacted_into_another_is_found_there(store: ObjectStore) -> None:
    fill_apart(store, range(5))
    assert store.get(key_of(0), SCHEMA) is not None
    assert prune(store.root, None, None).packs == 1
    assert [plain(store.get(key_of(name), SCHEMA)) for name in range(5)] == [plain(sections(n)) for n in range(5)]
    assert store.counts.missed == 0


# Last use


def test_a_read_records_its_day_and_that_of_no_other_object(store: ObjectStore) -> None:
    fill(store, range(3))
    path = path_of(store, key_of(0))
    for days, refreshed in ((1 / 24, False), (2.0, True)):
        for name in range(3):
            age(store, key_of(name), days)
        before = last_uses(store.root, path.name, 3, 0.0)
        with ObjectStore(store.root) as reader:
            assert reader.get(key_of(1), SCHEMA) is not None
        after = last_uses(store.root, path.name, 3, 0.0)
        row = index_of(path).keys.index(bytes.fromhex(key_of(1)))
        changed = [one != other for one, other in zip(before, after, strict=True)]
        assert changed == [refreshed and at == row for at in range(3)]
        assert not refreshed or abs(after[row] - time.time()) < 60


def test_times_that_are_not_sound_are_those_of_the_publication(store: ObjectStore) -> None:
    path = stored(store)
    (store.root / "used").mkdir()
    for content in (b"", b"12345", b"\0" * 4):
        (store.root / "used" / path.name).write_bytes(content)
        assert last_uses(store.root, path.name, 1, 7.0) == [7.0]


def test_the_pieces_of_a_pack_are_its_bytes(store: ObjectStore) -> None:
    path = stored(store)
    name, index, pieces = pack_pieces({bytes.fromhex(KEY): Stored(SCHEMA, sections("a"))})
    content = b"".join(pieces)
    assert (name, content, index.size) == (path.name, path.read_bytes(), len(content))


def test_a_file_in_the_place_of_a_lakehouses_cache_is_named_once(tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("")
    with pytest.raises(StoreError, match="is a file, wanted the cache's directory; remove it"):
        DiskCache(tmp_path / ".cache")
