"""Walk result: a forest after the walk, every sleeve end to end, with its book; and who makes one, an executor."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from metabt.build.cached_walk import ended
from metabt.build.foreign_warnings import Heard, listening
from metabt.build.inputs import Readings, Returns, initial_state, meta_inputs, opened
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Lap, Progress, Step
from metabt.errors import RunError
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import Assets, Block
from metabt.walk.book import Opened, Start
from metabt.walk.concatenation import join
from metabt.walk.decision import NOTHING, Spared
from metabt.walk.followed_rows import FollowedRows
from metabt.walk.meta.meta_sleeve import MetaInputs
from metabt.walk.stopwatch import Stopwatch
from metabt.walk.walk_forward import State, advance

HELD = 2**28
"""Bytes of holdings of all leaves up to which they are kept as they are, and not followed again when they are read."""


@dataclass
class Walk:
    """One sleeve, walked over all its partitions."""

    state: State
    """What the last partition left."""
    blocks: Sequence[Block] = field(default_factory=list)
    """Its blocks in time order; where they are stored, they may be read when they are looked at."""
    laps: list[Lap] = field(default_factory=list)
    """Where the time went."""
    computed: int = 0
    """Blocks that were not found but computed."""
    failure: RunError | None = None
    """What ended the walk early; sleeves above have the same."""
    heard: list[Heard] = field(default_factory=list)
    """Warnings of foreign estimators, partition by partition; blocks that were found have none."""

    def add(self, step: Step) -> None:
        """Append what the next partition brought."""
        self.failure = self.failure or step.failure
        if step.sealed is not None:
            self.state = step.sealed.parts["state"]
            assert isinstance(self.blocks, list)  # those that are read when they are looked at are all there
            self.blocks.append(step.sealed.parts["block"])
            self.computed += not step.found
            self.laps += step.laps
            self.heard += step.heard

    @cached_property
    def whole(self) -> Block:
        """All its blocks end to end, once it is finished."""
        return join(list(self.blocks))


@dataclass(frozen=True)
class WalkResult:
    """Result of walking a plan: a Walk (blocks, end state, failure) per distinct sleeve, and their books on demand."""

    plan: Plan
    """What was walked."""
    walks: MutableMapping[str, Walk]
    """Walks by spec digest."""
    _inputs: dict[tuple[str, ...], MetaInputs] = field(default_factory=dict)
    _opened: MutableMapping[str, Opened] = field(default_factory=dict)
    _notes: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    _spared: Mapping[str, Spared] = field(default_factory=dict)
    """What is left out of the walks of some sleeves, by spec digest."""

    def walk(self, node: Node, readings: Readings | None = None) -> Walk:
        """Return the walk of a sleeve over all partitions at once, what is beneath it having been walked.

        `readings` are what leaves read. The bits are those of a walk from partition to partition, whose blocks this one
        is end to end: a decision depends on its own window, and a state on what came before.
        """
        failure = next((f for key in node.children if (f := self.walks[key].failure)), None)
        walk, watch = Walk(initial_state(node), failure=failure), Stopwatch()
        if failure:
            return walk
        rows, span = slice(0, len(node.calendar.sessions)), f"{self.plan.labels[0]}-{self.plan.labels[-1]}"
        try:
            inputs = self.inputs(node) if readings is None or node.children else readings.of(node, rows)
            with listening(node.spec) as listener:
                walk.state, block = advance(
                    node.spec, walk.state, inputs, watch, self._spared.get(node.spec.digest, NOTHING)
                )
        except (RunError, MemoryError) as error:
            walk.failure = ended(node, span, rows, error)
            return walk
        walk.laps = [Lap(span, stage, seconds, n_rows, False) for stage, seconds, n_rows in watch.laps]
        walk.blocks, walk.computed = [self.lean(node, block)], len(node.partitions)
        walk.heard = list(listener.heard)
        return walk

    def lean(self, node: Node, block: Block) -> Block:
        """Return a block without what a leaf held between trades, where all leaves hold much: it is followed again."""
        if not self._hold_much or node.hedges or not isinstance(node.spec, Leaf) or not isinstance(block.held, Assets):
            return block
        market = Returns(self.plan.datasets[node.home], node.spec.universe)
        held, decided = np.asarray(block.held.after), block.decisions.weights
        after = FollowedRows.of(held, block.traded, market, decided, block.idle, ordered=node.spec.is_drawn)
        return replace(block, held=replace(block.held, after=after, before=np.asarray(block.held.before)))

    @cached_property
    def _hold_much(self) -> bool:
        leaves = (node for node in self.plan.nodes.values() if isinstance(node.spec, Leaf))
        return sum(8 * len(node.calendar.sessions) * node.layout.n_columns for node in leaves) > HELD

    def forget(self, node: Node, last: bool) -> None:
        """Let go of what was made to walk a meta sleeve, the `last` over its children; some of it is made again."""
        if last:
            self._inputs.pop(node.children, None)
        for key in node.children:
            inputs = self._inputs.get(self.plan.nodes[key].children)
            if inputs is not None:
                inputs.gathered.forget_books()

    def complete(self, root: Node) -> WalkResult:
        """Return the forest with the walk of a root that is not remembered: made now, and forgotten with the answer."""
        key = root.spec.digest
        if key not in self.plan.fleeting:
            return self
        walk = self.walk(root)
        self.walks[key].computed, self.walks[key].heard = walk.computed, walk.heard
        return replace(self, walks=ChainMap({key: walk}, self.walks), _opened=ChainMap({}, self._opened))

    def inputs(self, node: Node) -> MetaInputs:
        """Return what a meta sleeve reads over all partitions; sleeves over the same children share it."""
        if node.children not in self._inputs:
            nodes = [self.plan.nodes[key] for key in node.children]
            starts = [Start(False, False, np.zeros(child.layout.n_columns), 0.0) for child in nodes]
            rows = slice(0, len(node.calendar.sessions))
            self._inputs[node.children] = meta_inputs(node, rows, self.plan, [self.opened(n) for n in nodes], starts)
        return self._inputs[node.children]

    def opened(self, node: Node) -> Opened:
        """Return a sleeve over all partitions with its book."""
        key = node.spec.digest
        if key not in self._opened:
            inputs = None if isinstance(node.spec, Leaf) else self.inputs(node)
            self._opened[key] = opened(self.walks[key].whole, inputs)
        return self._opened[key]

    def noted(self, key: tuple[str, str], measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Return what was measured under a key, measuring it the first time."""
        if key not in self._notes:
            self._notes[key] = measure()
        return self._notes[key]

    @property
    def heard(self) -> dict[str, tuple[Heard, ...]]:
        """Spec digest -> warnings of foreign estimators, of those sleeves that had any."""
        return {key: tuple(walk.heard) for key, walk in self.walks.items() if walk.heard}

    @property
    def computed(self) -> int:
        """Blocks that were not found but computed."""
        return sum(walk.computed for walk in self.walks.values())

    @property
    def computed_leaves(self) -> int:
        """Blocks of leaves among them."""
        leaves = [key for key, node in self.plan.nodes.items() if isinstance(node.spec, Leaf)]
        return sum(self.walks[key].computed for key in leaves)


class Executor(Protocol):
    """Where a plan is walked."""

    @property
    def name(self) -> str:
        """Name in configuration and in the `runs` table."""

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Walk every node over every partition."""
