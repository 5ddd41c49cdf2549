"""Actors: processes that hold shards. Twins of their methods, which is where everything happens.

A SleeveActor owns the states of the leaves assigned to it, a MetaActor those of meta sleeves; they differ in what they
are given: price partitions, or the blocks beneath.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import ray

from metabt.build.cache import NoCache
from metabt.build.keys import plan_basis
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Sealed
from metabt.build.shard import Blocks, Given, Mark, Report, Shard
from metabt.engines.local import Local
from metabt.engines.ray.block_buffers import BlockBuffer
from metabt.engines.ray.head_notes import write_down
from metabt.engines.ray.monitoring.metrics import put_bytes, walked_seconds
from metabt.engines.ray.price_partitions import PricePartitions
from metabt.engines.tree_groups import Assembly, Finished, View
from metabt.lakehouse.runs.run_files import Desk
from metabt.numerics.platform import one_thread


class Actor(ABC):
    """Holds shards, the sleeves that one process walks, by the lane that they are of."""

    def __init__(self, plan: Plan, cache: Cache | None) -> None:
        """Take the whole plan and the cache (None: nothing is remembered); lanes come with `take`."""
        self._feed, self._plan, self._cache = PricePartitions(plan), plan, cache or NoCache()
        self._shards: dict[str, Shard] = {}

    def basis(self) -> str:
        """Return the digest of code, libraries, platform and plug-ins that its blocks are made with."""
        return plan_basis(self._plan)

    def take(self, lane: str, keys: Sequence[str]) -> None:
        """Take a lane: spec digests of the sleeves to walk."""
        self._shards[lane] = Shard(self._plan, self._cache, keys, self._feed)

    def leave(self, lane: str) -> None:
        """Drop a lane, which goes on elsewhere."""
        self._shards.pop(lane, None)
        self._feed.leave(lane)

    @ray.method(num_returns=2)
    def advance(
        self, lane: str, label: str, previous: Report | None, given: Any, failed: Mapping[str, str], carried: Any
    ) -> tuple[Report, BlockBuffer]:
        """Twin of Shard.advance of a lane; `carried` are references to blocks that hold its newest states."""
        with one_thread():
            blocks, at_hand = self._given(lane, given), partial(_newest, carried)
            before = put_bytes(self._cache)
            report, made = self._shards[lane].advance(label, previous, blocks, failed, at_hand)
            return replace(report, stored_bytes=put_bytes(self._cache) - before), BlockBuffer.of(made)

    def probe(
        self, lane: str, label: str, previous: Report | None, given: Any, key: str, note: str, carried: Any
    ) -> None:
        """Twin of Shard.probe of a lane; sessions are written down under `note`, which outlives this process."""
        with one_thread():
            blocks, at_hand = self._given(lane, given), partial(_newest, carried)
            write_down(note, "")
            self._shards[lane].probe(label, previous, blocks, key, lambda session: write_down(note, session), at_hand)

    @abstractmethod
    def _given(self, lane: str, given: Any) -> Given:
        """Take what a call brings, and return the marks and blocks of other shards among it."""


class SleeveActor(Actor):
    """Walks leaves: it is given references to the partitions of prices that they may need."""

    def _given(self, lane: str, given: Any) -> Given:
        self._feed.take(given, lane)
        return ()


class MetaActor(Actor):
    """Aggregates, optimizes and flattens: it is given marks of other shards, with references to their blocks."""

    def _given(self, lane: str, given: Sequence[tuple[Mapping[str, Mark], Any]]) -> Given:
        return [(marks, _fetched(reference)) for marks, reference in given]


class GroupActor:
    """Walks and assembles groups of trees, from prices to files of tables, with nothing kept between groups."""

    def __init__(self, plan: Plan, cache: Cache | None, desk: Desk) -> None:
        """Take the datasets of a plan, the cache, and where tables are written; groups come with `finish`."""
        self._plan, self._cache, self._desk = plan, cache or NoCache(), desk

    def basis(self) -> str:
        """Return the digest of code, libraries, platform and plug-ins that its blocks are made with."""
        return plan_basis(self._plan)

    def finish(self, positions: tuple[int, ...], plan: Plan, views: Sequence[View], keep: str) -> Finished:
        """Walk and assemble a group, whose plan comes without datasets, and write its tables."""
        plan, before = replace(plan, datasets=self._plan.datasets), put_bytes(self._cache)
        with one_thread():
            walked = Local(threads=1).walk(plan, self._cache, None)
            assembly = Assembly(self._cache, keep, self._desk.writer())
            made = tuple(assembly.add(tree, walked, view) for tree, view in zip(plan.trees, views, strict=True))
            self._cache.flush()
            files = assembly.writer.close()
        stages, stored = walked_seconds(walked), put_bytes(self._cache) - before
        return Finished(positions, made, files, walked.heard, walked.computed, walked.computed_leaves, stages, stored)


def _newest(references: Sequence[Any]) -> Blocks:
    """Return the newest block of each sleeve; `references` are in time order."""
    found: dict[str, Sealed] = {}
    for blocks in map(_fetched, references):
        found.update(blocks or {})
    return found


def _fetched(reference: Any) -> Blocks | None:
    """Return the blocks behind a reference; None where the machine that held them is gone."""
    try:
        parcel: BlockBuffer | None = ray.get(reference)
    except ray.exceptions.ObjectLostError:
        return None
    blocks: Blocks | None = None if parcel is None else parcel.opened()
    return blocks


# a restarted actor would be an empty one, and retried calls would come in another order: the driver hires a new one
_OPTIONS: Any = {"max_restarts": 0, "max_task_retries": 0}
sleeve_actor: Any = ray.remote(**_OPTIONS)(SleeveActor)
"""Its remote class."""
meta_actor: Any = ray.remote(**_OPTIONS)(MetaActor)
"""Its remote class."""
group_actor: Any = ray.remote(**_OPTIONS)(GroupActor)
"""Its remote class."""
