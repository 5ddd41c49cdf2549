"""Ports: what the engine asks of whoever walks a plan and of whoever remembers blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from metabt.block import Block, LeafState, MetaState
from metabt.forest import Plan

WalkState = LeafState | MetaState
Progress = Callable[[int, int, str], None]
"""Called with blocks done, blocks in all, and what was done last."""


@dataclass(frozen=True)
class Lap:
    """Time spent on one stage of one block."""

    partition: str
    """The partition's label."""
    stage: str
    """Stage name, as in metabt.stopwatch."""
    seconds: float
    """Wall seconds."""
    rows: int
    """Decisions or sessions it covered."""
    cache_hit: bool
    """The block was not computed but found."""


@dataclass
class Walk:
    """One sleeve, walked over all its partitions."""

    state: WalkState
    """What the last partition left."""
    blocks: list[Block] = field(default_factory=list)
    """Its blocks in time order."""
    laps: list[Lap] = field(default_factory=list)
    """Where the time went."""


class Cache(Protocol):
    """Where blocks are remembered."""

    def get(self, key: Callable[[], str]) -> tuple[WalkState, Block] | None:
        """Return what was put under the key, or None."""

    def put(self, key: Callable[[], str], state: WalkState, block: Block) -> None:
        """Remember a block and the state after it, unless the key is taken."""


class Executor(Protocol):
    """Where a plan is walked."""

    name: str
    """Name in configuration and in the `runs` table."""

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> Mapping[str, Walk]:
        """Walk every node over every partition; returns walks by spec digest."""
