"""The cache of a lakehouse: parts come back as they were put, by key and kind, and closing it leaves nothing open."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path

import pytest

from metabt.build.cache.codec import encode
from metabt.build.cache.disk import SCHEMAS, DiskCache
from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.sealing import seal
from metabt.build.ports import Sealed
from metabt.walk.block import LeafState
from tests.build.cache.stores import key_of

KEY = key_of("a")
PARTS = {"state": LeafState.initial(2), "block": LeafState.initial(3)}


def data_of(sealed: Sealed | None) -> dict[str, bytes] | None:
    return None if sealed is None else {name: encode(part) for name, part in sealed.parts.items()}


def test_parts_come_back_with_the_digests_that_they_were_put_with(tmp_path: Path) -> None:
    expected, data = seal(PARTS)
    with DiskCache(tmp_path) as cache:
        assert cache.remembers and cache.get(KEY, "block") is None and cache.known(KEY, "block") is None
        put = cache.put(KEY, "block", PARTS)
        assert put.parts is PARTS and put.digests == expected.digests
        for published in (False, True):
            found = cache.get(KEY, "block")
            assert found is not None and data_of(found) == data and list(found.parts) == list(PARTS)
            assert found.digests == expected.digests == cache.known(KEY, "block")
            assert published or cache.flush()


def test_the_first_that_is_put_stays_and_is_of_its_kind(tmp_path: Path) -> None:
    assert SCHEMAS == {"block": "block 4", "exposure": "exposure 3", "causal": "causal 1"}
    with DiskCache(tmp_path) as cache:
        for kind in SCHEMAS:
            cache.put(key_of(kind), kind, PARTS)
            cache.flush()
            cache.put(key_of(kind), kind, {"state": PARTS["block"]})
            cache.flush()
            assert data_of(cache.get(key_of(kind), kind)) == seal(PARTS)[1]
        assert cache.known(key_of("block"), "exposure") is None is cache.known(key_of("exposure"), "block")
        assert cache.store.get(key_of("exposure"), "exposure 3") is not None


def test_a_cache_that_is_closed_has_everything_on_the_disk_and_nothing_open(tmp_path: Path) -> None:
    n_files, n_threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    with DiskCache(tmp_path) as cache, cache.claim(KEY):
        cache.put(KEY, "block", PARTS)
    with ObjectStore(tmp_path) as store:
        assert store.get(KEY, SCHEMAS["block"]) is not None
    assert len(os.listdir("/proc/self/fd")) <= n_files and threading.active_count() <= n_threads
    assert cache.get(KEY, "block") is not None


def test_a_cache_is_pickled_as_its_directory_wherever_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with DiskCache(Path("here")) as cache:
        cache.put(KEY, "block", PARTS)
        cache.flush()
        pickled = pickle.dumps(cache)
    monkeypatch.chdir("/")
    again = pickle.loads(pickled)
    assert type(again) is DiskCache and again.store.root == tmp_path / "here"
    assert data_of(again.get(KEY, "block")) == seal(PARTS)[1]


def test_what_is_put_together_is_in_one_pack_and_publishing_does_not_wait(tmp_path: Path) -> None:
    with DiskCache(tmp_path) as cache:
        with cache.together():
            cache.put(key_of(1), "block", PARTS)
            cache.flush()
            assert ObjectStore(tmp_path).get(key_of(1), SCHEMAS["block"]) is None
            cache.put(key_of(2), "block", PARTS)
        cache.publish()
        assert cache.flush() and len(list((tmp_path / "packs").iterdir())) == 1


def test_a_directory_that_is_there_is_used_and_one_that_is_not_is_made_with_the_first_object(tmp_path: Path) -> None:
    with DiskCache(tmp_path / "new") as cache:
        assert cache.get(KEY, "block") is None and not (tmp_path / "new").exists()
        cache.put(KEY, "block", PARTS)
    assert (tmp_path / "new" / "packs").is_dir()
    with DiskCache(tmp_path / "new") as again:
        assert again.get(KEY, "block") is not None
