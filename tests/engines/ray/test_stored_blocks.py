"""Blocks that a lane left: read when they are looked at, and missed with a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from metabt.build.cache import MemoryCache
from metabt.build.keys import BLOCK
from metabt.build.ports import Sealed
from metabt.build.shard import Mark
from metabt.engines.ray.stored_blocks import StoredBlocks
from metabt.errors import RunError


class Counting(MemoryCache):
    """Counts what is read."""

    reads = 0

    def get(self, key: str, kind: str) -> Sealed | None:
        self.reads += 1
        return super().get(key, kind)


def stored(cache: Counting, steps: Any) -> StoredBlocks:
    plan: Any = SimpleNamespace(known_from=lambda node: None)
    node: Any = SimpleNamespace(label="book/a")
    return StoredBlocks(plan, node, cache, steps)


@pytest.fixture
def cache() -> Counting:
    from metabt.walk.costs import Unpaid

    found = Counting()
    for key in "ab":
        found.put(key * 64, BLOCK, {"block": Unpaid(float(ord(key))), "state": Unpaid()})
    return found


def test_stored_blocks_are_read_when_they_are_looked_at(cache: Counting) -> None:
    blocks = stored(cache, [(Mark("a" * 64), None), (Mark("b" * 64), None)])
    assert len(blocks) == 2 and cache.reads == 0
    assert [block.traded for block in blocks] == [97.0, 98.0] and cache.reads == 2
    assert [block.traded for block in blocks[1:]] == [98.0]


def test_a_block_that_is_not_stored_is_the_one_that_was_brought(cache: Counting) -> None:
    brought = Sealed({"block": "brought", "state": "after it"}, {})
    assert stored(cache, [(Mark(), brought)])[0] == "brought" and cache.reads == 0


def test_a_walk_ends_where_it_failed(cache: Counting) -> None:
    blocks = stored(cache, [(Mark("a" * 64), None), (Mark(failure="ruined"), None)])
    assert len(blocks) == 1 and str(blocks.failure) == "ruined"


def test_a_block_that_is_gone_is_named(cache: Counting) -> None:
    blocks = stored(cache, [(Mark("c" * 64), None)])
    with pytest.raises(RunError, match="block cccccccccccc of 'book/a' was stored and is gone.*run the same again"):
        blocks[0]
