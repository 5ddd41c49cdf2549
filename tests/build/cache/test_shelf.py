"""One suite for every shelf: a folder, and a bucket of a real server and of moto's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from metabt.build.cache.bucket.shelf import BucketShelf
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.pack_format import ALIGNMENT, Fault, Stored, pack_pieces
from metabt.build.cache.shelf import Bad, Shelf
from metabt.build.cache.upkeep import prune, stats, verify
from metabt.build.cache.verified_reading import read_index, read_object
from tests.build.cache.stores import SCHEMA, finish, key_of, plain, sections, start


def pack_of(*names: object, size: int = 40) -> tuple[str, bytes]:
    """Return the name and the bytes of a pack."""
    name, _, pieces = pack_pieces({bytes.fromhex(key_of(it)): Stored(SCHEMA, sections(it, size)) for it in names})
    return name, b"".join(pieces)


def content(shelf: Shelf, name: str) -> bytes:
    with shelf.opened(name, (0, 8)) as pack:
        return bytes(pack.read(0, pack.size))


# One pack


def test_an_empty_shelf_has_no_pack(shelf: Shelf) -> None:
    assert list(shelf.names()) == []
    with pytest.raises(FileNotFoundError), shelf.opened(key_of("none"), (0, 8)):
        pass
    shelf.remove(key_of("none"))


def test_a_pack_comes_back_as_it_was_put(shelf: Shelf) -> None:
    name, data = pack_of(*range(20), size=1000)
    assert shelf.put(name, [data[:100], memoryview(data)[100:]])
    assert list(shelf.names()) == [(name, len(data))]
    assert content(shelf, name) == data
    index, published = read_index(shelf, name)
    assert read_object(shelf, name, index, 3)[1] == published > 1.6e9
    for number in range(20):
        row = index.row(bytes.fromhex(key_of(number)))
        assert row is not None
        assert plain(read_object(shelf, name, index, row)[0]) == plain(sections(number, 1000))


@pytest.mark.parametrize("first", [(0, 8), (0, 10**7), (500, 600), (10**7, 10**7 + 1), (100, 100)])
def test_any_range_is_read_whatever_was_asked_for_first(shelf: Shelf, first: tuple[int, int]) -> None:
    name, data = pack_of(*range(5), size=999)
    shelf.put(name, [data])
    with shelf.opened(name, first) as pack:
        assert pack.size == len(data)
        for begin, end in [(0, 1), (1, 70), (64, 128), (777, len(data)), (0, len(data)), (5, 5), (len(data),) * 2]:
            part = pack.read(begin, end)
            assert part == data[begin:end] and part.readonly
        for begin, end in [(0, len(data) + 1), (len(data), len(data) + 9)]:
            with pytest.raises(Fault, match="ends early"):
                pack.read(begin, end)


def test_what_is_read_is_aligned(shelf: Shelf) -> None:
    import numpy as np

    name, data = pack_of("a", size=500)
    shelf.put(name, [data])
    for first in ((0, 300), (128, 500)):
        with shelf.opened(name, first) as pack:
            part = np.frombuffer(pack.read(100, 400), np.uint8)
            assert part[28:].__array_interface__["data"][0] % ALIGNMENT == 0


def test_the_second_of_two_writers_is_told_and_changes_nothing(shelf: Shelf, anew: Callable[[], Shelf]) -> None:
    name, data = pack_of("a")
    assert shelf.put(name, [data])
    assert not anew().put(name, [b"other"]) and not shelf.put(name, [data])
    assert content(shelf, name) == data


def test_a_pack_that_was_removed_is_gone_with_its_times(shelf: Shelf) -> None:
    name, data = pack_of("a", "b")
    shelf.put(name, [data])
    shelf.write_uses(name, [7.0, 9.0])
    shelf.remove(name)
    assert list(shelf.names()) == [] and shelf.uses(name, 2, 3.0) == [3.0, 3.0]
    assert shelf.put(name, [data])


def test_times_of_use_are_kept_where_nothing_newer_is_written(shelf: Shelf) -> None:
    name, _ = pack_of("a", "b", "c")
    assert shelf.uses(name, 3, 5.0) == [5.0, 5.0, 5.0]
    shelf.write_uses(name, [7.0, 0.0, 9.0])
    shelf.write_uses(name, [0.0, 0.0, 11.0])
    assert shelf.uses(name, 3, 5.0) == [7.0, 5.0, 11.0]
    assert shelf.uses(name, 2, 5.0) == [5.0, 5.0]


def test_other_names_are_no_packs(shelf: Shelf, kind: str | None) -> None:
    name, data = pack_of("a")
    shelf.put(name, [data])
    if isinstance(shelf, FolderShelf):
        (shelf.at / "packs" / "note.txt").write_text("none")
    elif isinstance(shelf, BucketShelf):
        shelf._connection.put(f"{shelf.address.prefix}/packs/note.txt", b"none")
        shelf._connection.put(f"{shelf.address.prefix}/packs/{key_of(1)}/deeper", b"none")
    assert [found for found, _ in shelf.names()] == [name]


# What is bad


def test_what_is_bad_is_set_aside_under_a_name_of_its_own(shelf: Shelf) -> None:
    name = key_of("bad")
    places = set()
    for number in range(3):
        shelf.put(name, [b"bad %d" % number])
        with pytest.raises(Bad) as caught:
            read_index(shelf, name)
        places.add(shelf.set_aside(caught.value))
        assert list(shelf.names()) == []
    assert len(places) == 3 and all("/quarantine/" in str(place) for place in places)
    assert shelf.set_aside(caught.value) is None


def test_a_sound_pack_in_the_place_of_a_bad_one_stays(shelf: Shelf) -> None:
    name, data = pack_of("a")
    shelf.put(name, [data[:-1]])
    with pytest.raises(Bad) as caught:
        read_index(shelf, name)
    with shelf.opened(name, (0, 8)):  # or a file system may give the new file the number of the old one
        shelf.remove(name)
        shelf.put(name, [data])
    assert shelf.set_aside(caught.value) is None
    assert content(shelf, name) == data


# A store


def test_what_one_store_puts_another_one_finds(anew: Callable[[], Shelf]) -> None:
    with ObjectStore(anew()) as store:
        for number in range(50):
            store.put(key_of(number), SCHEMA, sections(number))
    assert store.counts.published == 50
    with ObjectStore(anew()) as other:
        assert [plain(other.get(key_of(n), SCHEMA)) for n in range(50)] == [plain(sections(n)) for n in range(50)]
        assert other.known(key_of(7), SCHEMA) == {name: part.sha256 for name, part in sections(7).items()}
        assert other.get(key_of("none"), SCHEMA) is None
        assert sorted(other.keys()) == sorted(key_of(number) for number in range(50))
        other.put(key_of(3), SCHEMA, sections(3))
        other.flush()
        assert (other.counts.published, other.counts.lost) == (0, 1)


def test_a_damaged_object_is_taken_out_and_the_others_stay(anew: Callable[[], Shelf]) -> None:
    shelf, told = anew(), list[str]()
    name, data = pack_of(*range(9), size=200)
    index = pack_pieces({bytes.fromhex(key_of(n)): Stored(SCHEMA, sections(n, 200)) for n in range(9)})[1]
    row = index.row(bytes.fromhex(key_of(4)))
    assert row is not None
    at = index.stops[index.firsts[row]] - 1
    shelf.put(name, [data[:at], bytes([data[at] ^ 1]), data[at + 1 :]])
    with ObjectStore(shelf, warn=told.append) as store:
        for _ in range(2):
            found = [plain(store.get(key_of(n), SCHEMA)) for n in range(9)]
            assert found == [None if n == 4 else plain(sections(n, 200)) for n in range(9)]
    assert len(told) == 1 and "SHA-256 is not the one stated" in told[0]
    assert store.counts.quarantined == 1 and [found for found, _ in shelf.names()] != [name]


def test_of_eight_racing_writers_one_has_each_name(anew: Callable[[], Shelf]) -> None:
    shelves = [anew() for _ in range(8)]
    names = [key_of(number) for number in range(12)]
    with ThreadPoolExecutor(8) as pool:
        for name in names:
            won = list(pool.map(lambda it, name=name: it[1].put(name, [b"%d" % it[0] * 1000]), enumerate(shelves)))
            assert won.count(True) == 1
            assert content(shelves[0], name) == b"%d" % won.index(True) * 1000
    print(f"{len(names)} names, {len(shelves)} writers at once: one winner each, its bytes stay")


@pytest.mark.parametrize("step", ["before", "after"])
def test_a_kill_beside_the_put_of_a_pack_leaves_it_whole_or_not_at_all(anew: Callable[[], Shelf], step: str) -> None:
    def work() -> None:
        shelf = anew()
        put = shelf.put

        def killed(name: str, pieces: object) -> bool:
            if step == "after":
                put(name, pieces)  # type: ignore[arg-type]
            os.kill(os.getpid(), signal.SIGKILL)
            return True

        shelf.put = killed  # type: ignore[method-assign]
        with ObjectStore(shelf) as store:
            for number in range(20):
                store.put(key_of(number), SCHEMA, sections(number))

    assert finish(start(work)) == -signal.SIGKILL
    with ObjectStore(anew()) as store:
        found = [plain(store.get(key_of(number), SCHEMA)) for number in range(20)]
        whole = [plain(sections(number)) for number in range(20)]
        assert found == (whole if step == "after" else [None] * 20)
        assert store.counts.quarantined == 0
        for number in range(20):
            store.put(key_of(number), SCHEMA, sections(number))
        store.flush()
        assert [plain(store.get(key_of(number), SCHEMA)) for number in range(20)] == whole
    assert len(list(anew().names())) == 1


# Upkeep


def test_upkeep_counts_verifies_and_puts_small_packs_together(anew: Callable[[], Shelf]) -> None:
    shelf = anew()
    with ObjectStore(shelf) as store:
        for number in range(6):
            store.put(key_of(number), SCHEMA, sections(number))
            store.flush()
    found = stats(shelf)
    assert (found.objects, found.packs, found.quarantined, found.temporary) == (6, 6, 0, 0)
    assert verify(shelf).sound == 6 and verify(shelf).bytes == found.bytes
    assert prune(shelf, None, None).packs == 1 and stats(shelf).packs == 1
    with ObjectStore(anew()) as store:
        assert [plain(store.get(key_of(n), SCHEMA)) for n in range(6)] == [plain(sections(n)) for n in range(6)]
        # what this one has not seen, another one prunes
        assert prune(anew(), None, 0).objects == 6
        assert store.get(key_of(0), SCHEMA) is None and list(anew().names()) == []


def test_what_is_not_used_goes_and_what_is_used_stays(anew: Callable[[], Shelf]) -> None:
    shelf, day = anew(), 86_400.0
    with ObjectStore(shelf) as store:
        for number in range(4):
            store.put(key_of(number), SCHEMA, sections(number))
    (name,) = (name for name, _ in shelf.names())
    index = read_index(shelf, name)[0]
    old = {index.row(bytes.fromhex(key_of(number))) for number in (1, 3)}
    shelf.write_uses(name, [time.time() - 40 * day * (row in old) for row in range(4)])
    with ObjectStore(anew()) as reader:
        assert reader.get(key_of(3), SCHEMA) is not None  # and that is a use
    done = prune(anew(), timedelta(days=30), None)
    assert (done.objects, done.kept) == (1, 3)
    with ObjectStore(anew()) as store:
        assert [store.get(key_of(number), SCHEMA) is not None for number in range(4)] == [True, False, True, True]


def test_litter_and_quarantine_go_in_time(anew: Callable[[], Shelf], shelf: Shelf) -> None:
    name = key_of("bad")
    shelf.put(name, [b"bad"])
    shelf.write_uses(key_of("no pack"), [7.0])
    found = verify(shelf)
    assert found.sound == 0 and len(found.bad) == 1
    assert (stats(shelf).quarantined, stats(shelf).temporary, stats(shelf).packs) == (1, 1, 0)
    now = time.time()
    assert prune(shelf, timedelta(days=30), None, now=now).quarantined == 0
    later = prune(shelf, timedelta(days=30), None, now=now + 31 * 86_400)
    assert (later.quarantined, later.temporary) == (1, 1)
    assert (stats(shelf).quarantined, stats(shelf).temporary) == (0, 0)


# Signatures


def test_signatures_are_listed_and_stay_as_long_as_their_pack(shelf: Shelf) -> None:
    assert list(shelf.signatures()) == []
    name, data = pack_of("a")
    signed = [f"{name}.ann@desk.{key_of(1)}", f"{name}.bob.{key_of(2)}", f"{key_of('gone')}.ann@desk.{key_of(3)}"]
    for signature in [*signed, signed[0]]:
        shelf.sign(signature)
    shelf.put(name, [data])
    assert sorted(shelf.signatures()) == sorted(signed)
    assert [place for place, _ in shelf.litter()] == [f"signatures/{signed[2]}"]
    assert [it for it, _ in shelf.names()] == [name]
    shelf.clear(f"signatures/{signed[2]}")
    assert sorted(shelf.signatures()) == sorted(signed[:2])
