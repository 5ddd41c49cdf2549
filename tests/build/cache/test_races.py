"""Many processes at once: every one succeeds, and every object is there, now and then twice, which pruning mends."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from metabt.build.cache import pack_writer
from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.upkeep import prune, stats, verify
from tests.build.cache.stores import SCHEMA, files_under, finish, key_of, plain, sections, start

N_PROCESSES, N_KEYS = 8, 500


def race(root: Path, seed: int, gate: int) -> None:
    """Put all keys, in an order of one's own, and look at each."""
    names = list(range(N_KEYS))
    random.Random(seed).shuffle(names)
    told: list[str] = []
    pack_writer.PACK = 1_000  # in this child: about ten objects, other ones in every process
    os.read(gate, 1)
    with ObjectStore(root, warn=told.append) as store:
        for name in names:
            store.put(key_of(name), SCHEMA, sections(name))
            assert plain(store.get(key_of(name), SCHEMA)) in (None, plain(sections(name)))
        store.flush()
        assert all(plain(store.get(key_of(name), SCHEMA)) == plain(sections(name)) for name in names)
        assert (store.counts.published + store.counts.lost, store.counts.quarantined, told) == (N_KEYS, 0, [])


def test_eight_processes_put_the_same_keys_and_all_succeed(tmp_path: Path) -> None:
    root = tmp_path / ".cache"
    gate, opener = os.pipe()
    children = [start(lambda seed=seed: race(root, seed, gate)) for seed in range(N_PROCESSES)]
    os.write(opener, b"x" * N_PROCESSES)
    codes = [finish(child) for child in children]
    assert codes == [0] * N_PROCESSES
    found = stats(root)
    print(
        f"{N_PROCESSES} processes x {N_KEYS} keys: {codes.count(0)} succeeded, {found.packs} packs, "
        f"{found.objects - N_KEYS} objects twice"
    )
    assert found.objects == verify(root).sound >= N_KEYS == len(list(ObjectStore(root).keys()))
    done = prune(root, None, None)
    assert (done.objects, done.kept) == (0, N_KEYS)
    assert stats(root).objects == verify(root).sound == N_KEYS and len(files_under(root)) == 2  # a pack, its times
    with ObjectStore(root) as store:
        assert all(plain(store.get(key_of(n), SCHEMA)) == plain(sections(n)) for n in range(N_KEYS))


def test_pruning_while_others_read_and_write_harms_nobody(tmp_path: Path) -> None:
    root = tmp_path / ".cache"
    done, closing = os.pipe()

    def use() -> None:
        with ObjectStore(root, warn=_fail) as store:
            found = missed = 0
            for turn in range(400):
                name = turn % 5
                for _ in range(2):  # before it is published anew, and just after
                    seen = store.get(key_of(name), SCHEMA)
                    found, missed = found + (seen is not None), missed + (seen is None)
                    assert plain(seen) in (None, plain(sections(name)))
                    store.put(key_of(name), SCHEMA, sections(name))
                    store.flush()
            assert found and missed
        os.write(closing, b"x")

    child = start(use)
    os.close(closing)
    os.set_blocking(done, False)
    removed = 0
    while not _has_ended(done):
        removed += prune(root, None, 0).objects
        time.sleep(0.002)
    assert finish(child) == 0
    assert removed > 0


def _has_ended(pipe: int) -> bool:
    try:
        os.read(pipe, 1)
    except BlockingIOError:
        return False
    return True


def _fail(text: str) -> None:
    raise AssertionError(text)
