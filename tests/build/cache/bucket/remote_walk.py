"""A script that walks the trees of the suite with a cache in an object store, as another machine would.

`python -m tests.build.cache.bucket.remote_walk ADDRESS ENDPOINT [FAULT]` prints a JSON line of what came out. FAULT is
the number of the pack before whose put the process is killed, or with `after` beside it, after it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from metabt.build.cache import Around
from metabt.build.cache.bucket.cache import BucketCache
from metabt.build.cache.bucket.shelf import BucketShelf
from metabt.build.ports import Cache, Sealed
from tests.shared.agreement import bits
from tests.shared.executors import NESTED, WRAPPED, engine


class Prompt(Around):
    """A cache that has every object in the store before the next is computed."""

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Put it, and wait."""
        sealed = super().put(key, kind, parts)
        self.flush()
        return sealed


def walk(cache: Cache | None, **options: Any) -> dict[str, Any]:
    """Return the digest of what came out, the blocks that were computed, and all blocks."""
    job = engine([NESTED, WRAPPED], cache=cache, **options)
    walked = job.run()
    total = sha256()
    for place in range(2):
        tables = job.assemble(walked, place)
        for name in sorted(set(tables) - {"stages"}):
            for column in tables[name]:
                total.update(repr((name, column, bits(tables[name][column]))).encode())
    if cache is not None:
        cache.flush()
    return {"digest": total.hexdigest(), "computed": walked.computed, "n_blocks": job.plan.n_blocks}


def _kill_at(number: int, after: bool) -> None:
    put, puts = BucketShelf.put, iter(range(10**9))

    def killed(shelf: BucketShelf, name: str, pieces: Any) -> bool:
        is_last = next(puts) == number
        if is_last and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = put(shelf, name, pieces)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    BucketShelf.put = killed  # type: ignore[method-assign]


def main(address: str, endpoint: str, fault: str = "", after: str = "") -> None:
    """Walk, and print what came out."""
    cache = BucketCache(address, endpoint)
    if fault:
        _kill_at(int(fault), bool(after))
    said = walk(Prompt(cache) if fault else cache)
    print(json.dumps({**said, **vars(cache.store.counts)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
