"""The index of keys: when the directory of packs is looked at again, and when it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metabt.build.cache.folder import shelf
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.pack_index import PackIndex
from tests.build.cache.stores import fill, key_of, path_of

NOW = 1_700_000_000 * 10**9


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return where packs were listed, at a time that stands still."""
    listed: list[Path] = []
    names = shelf.pack_names

    def noted(root: Path) -> object:
        listed.append(root)
        return names(root)

    monkeypatch.setattr(shelf, "pack_names", noted)
    monkeypatch.setattr(shelf.time, "time_ns", lambda: NOW)
    return listed


def index_at(root: Path, age: int) -> PackIndex:
    """Return the index of a store whose directory of packs changed some nanoseconds ago, looked at once."""
    with ObjectStore(root) as store:
        fill(store, [0])
    os.utime(root / "packs", ns=(NOW, NOW - age))
    index = PackIndex(FolderShelf(root), lambda text: None, lambda bad: True)
    index.look()
    return index


@pytest.mark.parametrize(("age", "again"), [(0, True), (49_999_999, True), (50_000_000, False), (10**10, False)])
def test_a_directory_that_changed_within_the_clocks_tick_is_looked_at_again(
    tmp_path: Path, looks: list[Path], age: int, again: bool
) -> None:
    index = index_at(tmp_path, age)
    looks.clear()
    assert index.find(bytes.fromhex(key_of("no"))) is None
    assert looks == [tmp_path] * again
    looks.clear()
    index.look(anew=True)
    assert looks == [tmp_path]


def test_what_is_there_is_found_without_a_look_and_what_is_not_with_one(tmp_path: Path, looks: list[Path]) -> None:
    index = index_at(tmp_path, 0)
    looks.clear()
    found = index.find(bytes.fromhex(key_of(0)))
    assert found is not None and not looks
    with ObjectStore(tmp_path) as store:
        assert found.pack == path_of(store, key_of(0)).name and found.row == 0
    looks.clear()
    assert index.find(bytes.fromhex(key_of("no")), look=False) is None and not looks
    assert index.among([bytes.fromhex(key_of(name)) for name in (0, "no")]) == {bytes.fromhex(key_of(0))}
    assert looks == [tmp_path]


def test_another_directory_of_the_same_time_is_another(tmp_path: Path, looks: list[Path]) -> None:
    index, packs = index_at(tmp_path, 10**10), tmp_path / "packs"
    packs.rename(tmp_path / "before")
    packs.mkdir()
    os.utime(packs, ns=(NOW, NOW - 10**10))
    looks.clear()
    assert index.find(bytes.fromhex(key_of("no"))) is None and looks == [tmp_path]
    assert index.keys() == []
