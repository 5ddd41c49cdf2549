"""Packs that are written anew: what is in them, what is planned of them, and which are put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from metabt.build.cache import pruning
from metabt.build.cache.compaction import Kept, mended, planned_size, rewritten
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.folder.times import last_uses, write_uses
from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.pack_format import Stored, pack_pieces
from metabt.build.cache.upkeep import prune
from metabt.build.cache.verified_reading import read_index, read_object
from tests.build.cache.stores import SCHEMA, age, fill, fill_apart, index_of, key_of, path_of, plain, sections, spoil


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    with ObjectStore(tmp_path / ".cache", warn=lambda text: None) as store:
        yield store


def packs(store: ObjectStore) -> list[str]:
    return sorted(path.name for path in (store.root / "packs").iterdir())


def rows_of(store: ObjectStore, pack: str, names: list[int]) -> list[int]:
    keys = list(read_index(FolderShelf(store.root), pack)[0].keys)
    return [keys.index(bytes.fromhex(key_of(name))) for name in names]


def test_a_new_pack_is_that_of_its_objects_with_the_latest_use_of_each(store: ObjectStore) -> None:
    """An object that is in two packs is in the new one once; the old packs stay."""
    store.put(key_of("other"), "other 2", {"it": sections("other")["block"]})
    fill(store, [0, 1, 2, 3])
    (first,) = packs(store)
    with ObjectStore(store.root.parent / "second") as second:
        second.put(key_of(2), SCHEMA, sections(2))
        fill(second, [4])
        path = path_of(second, key_of(2))
    (store.root / "packs" / path.name).write_bytes(path.read_bytes())
    parts = []
    for pack, names, used in ((first, [3, 0, 2], 1_000.0), (path.name, [2, 4], 2_000.0)):
        index, rows = read_index(FolderShelf(store.root), pack)[0], rows_of(store, pack, names)
        write_uses(store.root, pack, [used + row for row in range(len(index.keys))])
        parts.append(Kept(pack, index, rows, last_uses(store.root, pack, len(index.keys), 0.0)))
    name, index = rewritten(FolderShelf(store.root), parts)
    kept = [0, 2, 3, 4]
    expected = [bytes.fromhex(key_of(it)) for it in kept]
    assert list(index.keys) == sorted(expected) and index.size == planned_size(parts)
    assert set(packs(store)) == {first, path.name, name} and index_of(store.root / "packs" / name).size == index.size
    for row, key in enumerate(index.keys):
        (number,) = (it for it in kept if bytes.fromhex(key_of(it)) == key)
        assert plain(read_object(FolderShelf(store.root), name, index, row)[0]) == plain(sections(number))
        uses = [float(part.uses[at]) for part in parts for at, other in enumerate(part.index.keys) if other == key]
        assert last_uses(store.root, name, 4, 0.0)[row] == max(uses)
    with ObjectStore(store.root.parent / "alone") as alone:
        fill(alone, kept)
        assert path_of(alone, key_of(0)).read_bytes() == (store.root / "packs" / name).read_bytes()


def test_of_a_pack_in_which_nothing_is_sound_nothing_is_left(store: ObjectStore) -> None:
    fill(store, range(2))
    (pack,) = packs(store)
    age(store, key_of(0), 3)
    for name in range(2):
        spoil(store, key_of(name))
    found = mended(FolderShelf(store.root), pack, read_index(FolderShelf(store.root), pack)[0])
    stated = "has a section 'block' whose SHA-256 is not the one stated"
    assert found == {0: stated, 1: stated} and packs(store) == [] == list((store.root / "used").iterdir())


def test_of_others_what_is_known_of_is_taken_out_too(store: ObjectStore) -> None:
    """With its bytes, and the times of last use go on."""
    fill(store, range(4))
    (pack,) = packs(store)
    for name in range(4):
        age(store, key_of(name), 10 * name + 3)
    index, content = read_index(FolderShelf(store.root), pack)[0], (store.root / "packs" / pack).read_bytes()
    uses = dict(zip(index.keys, last_uses(store.root, pack, 4, 0.0), strict=True))
    (row,) = rows_of(store, pack, [2])
    assert mended(FolderShelf(store.root), pack, index, {row: "is known of"}) == {row: "is known of"}
    begin, end = index.span(row)
    (kept,) = (store.root / "quarantine").iterdir()
    assert (kept.name, kept.read_bytes()) == (f"{key_of(2)}.1", content[begin:end])
    (new,) = packs(store)
    found = read_index(FolderShelf(store.root), new)[0]
    assert set(found.keys) == set(index.keys) - {index.keys[row]}
    assert list(last_uses(store.root, new, 3, 0.0)) == [uses[key] for key in found.keys]
    assert [path.name for path in (store.root / "used").iterdir()] == [new]
    assert mended(FolderShelf(store.root), new, found) == {} and packs(store) == [new]


def test_of_an_object_that_has_been_cut_off_what_is_left_is_kept(store: ObjectStore) -> None:
    fill(store, range(3), size=500)
    (pack,) = packs(store)
    index, path = read_index(FolderShelf(store.root), pack)[0], store.root / "packs" / pack
    (begin, end), content = index.span(2), path.read_bytes()
    path.write_bytes(content[: end - 100])
    assert mended(FolderShelf(store.root), pack, index) == {2: "ends early"}
    (kept,) = (store.root / "quarantine").iterdir()
    assert (kept.name, kept.read_bytes()) == (f"{index.keys[2].hex()}.1", content[begin : end - 100])
    (new,) = packs(store)
    assert list(read_index(FolderShelf(store.root), new)[0].keys) == list(index.keys[:2])


def test_the_size_that_is_planned_is_that_of_the_pack_that_is_written(store: ObjectStore) -> None:
    for name in range(5):
        store.put(key_of(name), f"test {name % 2}", sections(name, 10 + 50 * name))
    store.flush()
    (pack,) = packs(store)
    index, _ = read_index(FolderShelf(store.root), pack)
    for wanted in range(1, 2**5):
        rows = [row for row in range(5) if wanted >> row & 1]
        parts = [Kept(pack, index, rows, [0.0] * 5)]
        objects = {index.keys[row]: read_object(FolderShelf(store.root), pack, index, row)[0] for row in rows}
        stored = {key: Stored(f"test {number_of(key) % 2}", it) for key, it in objects.items()}
        assert planned_size(parts) == len(b"".join(pack_pieces(stored)[2]))
    assert (store.root / "packs" / pack).stat().st_size == index.size


def number_of(key: bytes) -> int:
    return next(number for number in range(5) if bytes.fromhex(key_of(number)) == key)


@pytest.mark.parametrize(("room", "less", "left"), [(2, 0, 2), (2, 1, 4), (3, 0, 2), (3, 1, 2), (4, 0, 1), (4, 1, 2)])
def test_small_packs_are_put_together_up_to_the_size_of_a_pack(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, room: int, less: int, left: int
) -> None:
    """Those that were used last with each other; one that stays alone is not touched."""
    fill_apart(store, range(4))
    for name in range(4):
        age(store, key_of(name), 1 + name)
    (size,) = {path.stat().st_size for path in (store.root / "packs").iterdir()}
    before = packs(store)
    monkeypatch.setattr(pruning, "PACK", room * size - less)
    done = prune(store.root, None, None)
    assert (done.objects, done.kept, done.packs, len(packs(store))) == (0, 4, left, left)
    together = min(room - less, 4)
    with ObjectStore(store.root) as anew:
        homes = [path_of(anew, key_of(name)).name for name in range(4)]
    assert homes == [homes[name // together * together] for name in range(4)]
    assert sum(home in before for home in homes) == sum(homes.count(home) == 1 for home in homes)


@pytest.mark.parametrize("more", [0, 1])
def test_a_pack_is_small_below_a_quarter_of_a_full_one(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    fill_apart(store, range(3))
    (size,) = {path.stat().st_size for path in (store.root / "packs").iterdir()}
    monkeypatch.setattr(pruning, "SMALL", size + more)
    assert prune(store.root, None, None).packs == (1 if more else 3)
