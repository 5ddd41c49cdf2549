"""Files, verification, pruning and what is known of a cache of many blocks.

`python benchmarks/pack_upkeep.py [--blocks 100000] [--bytes 2000] [--folder DIR]`

Blocks of random bytes are put as runs do, in packs that are full or due. Then every byte is verified, all keys are
asked for, a tenth that was not used for long is pruned (packs are written anew), and what is small is put together.
Seconds are wall and CPU, in this process; the page cache is warm.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.object_store import ObjectStore, Section
from metabt.build.cache.upkeep import prune, stats, verify
from metabt.build.cache.verified_reading import read_index

DAY = 86_400.0
"""Seconds."""
Answer = TypeVar("Answer")


def key(number: int) -> str:
    """Return the key of a block."""
    return sha256(b"%d" % number).hexdigest()


def timed(what: str, work: Callable[[], Answer]) -> Answer:
    """Do something, and print what it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    done = work()
    print(f"{what:<34}{time.perf_counter() - wall:8.2f} s{time.process_time() - cpu:8.2f} cpu s", flush=True)
    return done


def fill(root: Path, n_blocks: int, size: int) -> None:
    """Put blocks of two sections."""
    data = os.urandom(size + n_blocks)
    with ObjectStore(root) as store:
        for number in range(n_blocks):
            parts = {"state": data[number : number + 300], "block": data[number : number + size]}
            store.put(
                key(number), "block 3", {it: Section(text, sha256(text).hexdigest()) for it, text in parts.items()}
            )


def known(root: Path, n_blocks: int) -> int:
    """Ask a new store for all of them."""
    with ObjectStore(root) as store:
        return sum(store.known(key(number), "block 3") is not None for number in range(n_blocks))


def age(root: Path) -> None:
    """Have every tenth object of each pack last used 60 days ago."""
    shelf = FolderShelf(root)
    for name, _ in shelf.names():
        n_objects = len(read_index(shelf, name)[0].keys)
        shelf.write_uses(name, [time.time() - 60 * DAY * (row % 10 == 0) for row in range(n_objects)])


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=2_000)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        root = Path(place) / "cache"
        timed("put and published", lambda: fill(root, asked.blocks, asked.bytes))
        found = timed("stats", lambda: stats(root))
        print(f"  {found.objects:,} blocks, {found.bytes / 1e6:,.0f} MB, in {found.packs:,} files")
        sound = timed("verify", lambda: verify(root))
        count = timed("what is known of all, store opened", lambda: known(root, asked.blocks))
        age(root)
        done = timed("prune of a tenth", lambda: prune(root, timedelta(days=30), None))
        print(f"  {sound.sound:,} sound, {count:,} known, {done.objects:,} pruned, {done.packs:,} packs left")
        timed("prune of all", lambda: prune(root, None, 0))


if __name__ == "__main__":
    main()
