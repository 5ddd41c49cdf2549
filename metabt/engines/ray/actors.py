"""Actors: processes that hold a shard. Twins of its methods, which is where everything happens.

A SleeveActor owns the states of the leaves assigned to it, a MetaActor those of meta sleeves; they differ in what they
are given: price partitions, or the blocks beneath.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import ray

from metabt.build.cache import NoCache
from metabt.build.keys import plan_basis
from metabt.build.plan import Plan
from metabt.build.ports import Cache
from metabt.build.shard import Blocks, Given, Mark, Report, Shard
from metabt.engines.ray.block_buffers import BlockBuffer
from metabt.engines.ray.head_notes import write_down
from metabt.engines.ray.price_partitions import PricePartitions
from metabt.numerics.platform import one_thread


class Actor(ABC):
    """Holds a shard, the sleeves that one process walks."""

    def __init__(self, plan: Plan, cache: Cache | None, keys: Sequence[str]) -> None:
        """Take the whole plan, the cache (None: nothing is remembered), and the spec digests of sleeves to walk."""
        self._feed, self._plan = PricePartitions(plan), plan
        self._shard = Shard(plan, cache or NoCache(), keys, self._feed)

    def basis(self) -> str:
        """Return the digest of code, libraries, platform and plug-ins that its blocks are made with."""
        return plan_basis(self._plan)

    def probe(self, label: str, previous: Report | None, given: Any, key: str, note: str) -> None:
        """Twin of Shard.probe; sessions are written down under `note`, which outlives this process."""
        with one_thread():
            blocks = self._given(given)
            write_down(note, "")
            self._shard.probe(label, previous, blocks, key, lambda session: write_down(note, session))

    @abstractmethod
    def _given(self, given: Any) -> Given:
        """Take what a call brings, and return the marks and blocks of other shards among it."""


class SleeveActor(Actor):
    """Walks leaves."""

    @ray.method(num_returns=2)
    def advance(
        self, label: str, previous: Report | None, prices: Any, failed: Mapping[str, str]
    ) -> tuple[Report, BlockBuffer]:
        """Twin of Shard.advance; `prices` are references to the partitions of prices that it may need."""
        with one_thread():
            return _packed(self._shard.advance(label, previous, self._given(prices), failed))

    def _given(self, given: Any) -> Given:
        self._feed.take(given)
        return ()


class MetaActor(Actor):
    """Aggregates, optimizes and flattens: walks meta sleeves."""

    @ray.method(num_returns=2)
    def advance(
        self, label: str, previous: Report | None, given: Any, failed: Mapping[str, str]
    ) -> tuple[Report, BlockBuffer]:
        """Twin of Shard.advance; `given` are marks of other shards, with references to their blocks."""
        with one_thread():
            return _packed(self._shard.advance(label, previous, self._given(given), failed))

    def _given(self, given: Sequence[tuple[Mapping[str, Mark], Any]]) -> Given:
        return [(marks, _fetched(reference)) for marks, reference in given]


def _packed(made: tuple[Report, Blocks]) -> tuple[Report, BlockBuffer]:
    report, blocks = made
    return report, BlockBuffer.of(blocks)


def _fetched(reference: Any) -> Blocks | None:
    """Return the blocks behind a reference; None where the machine that held them is gone."""
    try:
        parcel: BlockBuffer | None = ray.get(reference)
    except ray.exceptions.ObjectLostError:
        return None
    return None if parcel is None else parcel.opened()


# a restarted actor would be an empty one, and retried calls would come in another order: the driver hires a new one
_OPTIONS: Any = {"max_restarts": 0, "max_task_retries": 0}
sleeve_actor: Any = ray.remote(**_OPTIONS)(SleeveActor)
"""Its remote class."""
meta_actor: Any = ray.remote(**_OPTIONS)(MetaActor)
"""Its remote class."""
