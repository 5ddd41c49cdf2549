"""The local executor: every block in this process, one after another. It is the reference for all others.

1. For each partition in time order, for each sleeve that has sessions in it, children first:
2. name the block by its key, from digests alone, and ask the cache
3. where it is not known: gather the inputs, `advance`, and put what came out
4. where a sleeve fails, so do those above it; the others go on

Without a cache there are no keys. A block that several processes want is computed by one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from metabt.block import Block
from metabt.book import Opened
from metabt.errors import RunError
from metabt.forest import Node, Plan
from metabt.inputs import Markets, initial_state, leaf_inputs, meta_inputs, opened, start_of
from metabt.keys import BLOCK, node_key
from metabt.leaf import LeafInputs
from metabt.meta.walk import MetaInputs
from metabt.ports import Cache, Lap, Progress, Sealed, Walk, WalkState
from metabt.sleeve import Leaf
from metabt.stopwatch import Stopwatch
from metabt.walk_forward import advance
from metabt.walked import Walked

INITIAL = "initial"
"""What stands for the digest of the state before a sleeve's first session."""


class Local:
    """In this process, one block after another: the reference."""

    name = "local"

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> Walked:
        """Walk every node over every partition, but for roots that are walked when they are assembled."""
        walker = Walker(plan, cache)
        done = known = 0
        for label in plan.labels:
            walker.enter(label)
            for node in plan.nodes.values():
                if label in node.partitions and node.spec.digest not in plan.fleeting:
                    known += walker.step(node)
                    done += 1
                    if progress:
                        progress(done, plan.n_blocks, f"{label} {node.label}, {known} known")
        cache.flush()
        return walker.walked


@dataclass
class Walker:
    """Takes sleeves over one partition after another."""

    plan: Plan
    """What is walked."""
    cache: Cache
    """Where blocks are remembered."""
    walked: Walked = field(init=False)
    """What has been walked."""

    def __post_init__(self) -> None:
        """Stand before the first session."""
        self.walks = {key: Walk(initial_state(node)) for key, node in self.plan.nodes.items()}
        self.walked = Walked(self.plan, self.walks)
        self._markets = Markets(self.plan)
        self._after = dict.fromkeys(self.walks, INITIAL)

    def enter(self, label: str) -> None:
        """Begin a partition: forget what belonged to the one before, remember where each sleeve starts."""
        self._label = label
        self._blocks: dict[str, Block] = {}
        self._outputs: dict[str, str | None] = {}
        self._opened: dict[str, Opened] = {}
        self._starts = {key: walk.state for key, walk in self.walks.items()}
        self._before: dict[str, str | None] = dict(self._after)
        self._shared: dict[tuple[str, ...], MetaInputs] = {}

    def step(self, node: Node) -> bool:
        """Take one sleeve over the partition; return whether its block was known."""
        key, walk = node.spec.digest, self.walks[node.spec.digest]
        walk.failure = walk.failure or self.walked.failure_beneath(node)
        if walk.failure:
            return False
        watch, began = Stopwatch(), perf_counter()
        try:
            sealed, found = self._obtain(node, walk.state, watch)
        except RunError as error:
            walk.failure = RunError(f"sleeve '{node.label}': {error}")
            return False
        walk.state, block = sealed.parts["state"], sealed.parts["block"]
        if found:
            watch.laps = [("block", perf_counter() - began, len(block.dates))]
        walk.computed += not found
        walk.laps += [Lap(self._label, stage, seconds, rows, found) for stage, seconds, rows in watch.laps]
        walk.blocks.append(block)
        self._blocks[key] = block
        self._after[key] = sealed.digests.get("state", "")
        self._outputs[key] = sealed.digests.get("block", "")
        return found

    def _obtain(self, node: Node, state: WalkState, watch: Stopwatch) -> tuple[Sealed, bool]:
        """Return the block and the state after it, and whether they were known."""
        if not self.cache.remembers:
            return self._compute(node, state, watch), False
        key = node_key(self.plan, node, self._label, self._before, self._outputs)
        known = self.cache.get(key, BLOCK)
        if known is None:
            with self.cache.claim(key):
                known = self.cache.get(key, BLOCK)
                if known is None:
                    computed = self._compute(node, state, watch)
                    return self.cache.put(key, BLOCK, computed.parts), False
        return known, True

    def _compute(self, node: Node, state: WalkState, watch: Stopwatch) -> Sealed:
        after, block = advance(node.spec, state, self._inputs(node), watch)
        return Sealed({"state": after, "block": block}, {})

    def _inputs(self, node: Node) -> LeafInputs | MetaInputs:
        rows = node.partitions[self._label]
        if isinstance(node.spec, Leaf):
            return leaf_inputs(node.spec, self._markets.of(node.spec, rows), rows, node.calendar.sessions)
        shared = tuple(child.digest for child in node.spec.children)
        if shared not in self._shared:
            nodes = [self.plan.nodes[key] for key in shared]
            children = [self._open(child) for child in nodes]
            starts = [start_of(child, self._starts) for child in nodes]
            self._shared[shared] = meta_inputs(node, rows, self.plan, children, starts)
        return self._shared[shared]

    def _open(self, node: Node) -> Opened | None:
        key = node.spec.digest
        if key in self._blocks and key not in self._opened:
            inputs = None if isinstance(node.spec, Leaf) else self._inputs(node)
            self._opened[key] = opened(self._blocks[key], inputs)
        return self._opened.get(key)
