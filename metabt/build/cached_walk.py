"""Cached walk: sleeves over one partition after another, each block named by its key, computed if unknown.

1. `enter` a partition: remember where each sleeve starts.
2. `step` a sleeve, its children first: name its block from digests alone and ask the cache; where it is not known,
   gather the inputs, `advance`, and put what came out. `adopt` takes over a step that was made elsewhere. What a leaf
   was walked over ahead is put together, so that whoever finds the first of its blocks finds all: one claim is enough.
3. Where a sleeve fails, so do those above it; the others go on.

Without a cache there are no keys. A block that several processes want is computed by one of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import thread_time

from metabt.build.foreign_warnings import Heard, listening
from metabt.build.inputs import Markets, PriceSource, Readings, initial_state, meta_inputs, opened, start_of
from metabt.build.keys import BLOCK, Lineage
from metabt.build.known_columns import get_block, put_block
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Lap, Sealed, Step
from metabt.build.walked_ahead import Ahead
from metabt.errors import RunError
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import Block, LeafState
from metabt.walk.book import Opened
from metabt.walk.leaf import LeafInputs
from metabt.walk.meta.meta_sleeve import MetaInputs
from metabt.walk.stopwatch import HOLDING, Stopwatch
from metabt.walk.walk_forward import State, advance


@dataclass
class CachedWalk:
    """Takes sleeves over one partition after another, holding nothing but their states."""

    plan: Plan
    """What is walked."""
    cache: Cache
    """Where blocks are remembered."""
    markets: PriceSource | None = None
    """Where prices come from; from the plan's datasets by default."""
    ahead: bool = False
    """Whether leaves may be walked over later partitions too (metabt.build.walked_ahead)."""
    failures: dict[str, RunError] = field(default_factory=dict)
    """Spec digest -> what ended the walk of a sleeve."""

    def __post_init__(self) -> None:
        """Set every sleeve to its state before its first session; call `enter` before `step`."""
        self.states: dict[str, State] = {key: initial_state(node) for key, node in self.plan.nodes.items()}
        self.lineage = Lineage(self.plan)
        self._readings = Readings(self.plan, self.markets or Markets(self.plan))
        self._ahead = Ahead(self.plan, self._readings) if self.ahead and self.cache.remembers else None
        self._made: dict[str, deque[Step]] = {}  # steps of later partitions
        self.enter("")  # so that what was walked elsewhere can be adopted ahead of the first partition

    def enter(self, label: str) -> None:
        """Begin a partition: publish and forget what belonged to the one before, remember where each sleeve starts."""
        self.cache.publish()
        self._label = label
        self._blocks: dict[str, Block] = {}
        self._opened: dict[str, Opened] = {}
        self._starts = dict(self.states)
        self._shared: dict[tuple[str, ...], MetaInputs] = {}
        self._readings.forget()
        self.lineage.enter(label)

    def is_made(self, node: Node) -> bool:
        """Return whether a sleeve's step of the partition was made with one before."""
        return bool(self._made.get(node.spec.digest))

    def step(self, node: Node) -> Step:
        """Take one sleeve over the partition."""
        failure = next((f for key in (node.spec.digest, *node.children) if (f := self.failures.get(key))), None)
        if failure:
            return self.adopt(node, Step(failure=failure))
        if made := self._made.get(node.spec.digest):
            return self.adopt(node, made.popleft())
        watch, began = Stopwatch(), thread_time()
        try:
            key, sealed, found, heard = self._obtain(node, watch)
        except (RunError, MemoryError) as error:
            return self.adopt(node, Step(failure=ended(node, self._label, node.partitions[self._label], error)))
        spent = [("block", thread_time() - began, len(sealed.parts["block"].dates))] if found else watch.laps
        laps = tuple(Lap(self._label, stage, seconds, rows, found) for stage, seconds, rows in spent)
        return self.adopt(node, Step(key, sealed, found, laps, heard=heard))

    def adopt(self, node: Node, step: Step) -> Step:
        """Take over a step of the partition, made here or elsewhere, and return it."""
        digest = node.spec.digest
        if step.failure is not None:
            self.failures.setdefault(digest, step.failure)
        if step.sealed is not None:
            self.states[digest] = step.sealed.parts["state"]
            self._blocks[digest] = step.sealed.parts["block"]
            self.lineage.add(node, step.sealed.digests)
        return step

    def _obtain(self, node: Node, watch: Stopwatch) -> tuple[str, Sealed, bool, tuple[Heard, ...]]:
        """Return the block's key, the block with the state after it, whether they were known, and warnings."""
        key = self.lineage.key(node) if self.cache.remembers else ""
        known = get_block(self.cache, self.plan, node, key) if key else None
        if known is None:
            with self.cache.claim(key):
                # another process or thread that had the claim may have put it
                known = get_block(self.cache, self.plan, node, key) if key else None
                if known is None:
                    with listening(node.spec) as listener:
                        walked = self._walk(node, watch)
                    return key, self._put(node, key, walked, watch), False, listener.heard
        return key, known, True, ()

    def _walk(self, node: Node, watch: Stopwatch) -> Sequence[tuple[State, Block]]:
        """Return the state after the partition and its block, and maybe those of the leaf's next partitions."""
        state = self.states[node.spec.digest]
        if self._ahead is not None and isinstance(state, LeafState):
            walked = self._ahead.walk(node, self._label, state, watch)
            if walked is not None:
                return walked
        return [advance(node.spec, state, self._inputs(node), watch)]

    def _put(self, node: Node, key: str, walked: Sequence[tuple[State, Block]], watch: Stopwatch) -> Sealed:
        """Put what a sleeve was walked over, up to what is known, and return the first; the rest waits for its time."""
        (after, block), *later = walked
        labels = list(node.partitions)
        with self.cache.together() if later else nullcontext():
            first = last = put_block(self.cache, self.plan, node, key, {"state": after, "block": block})
            made = deque[Step]()
            for label, (state, block) in zip(labels[labels.index(self._label) + 1 :], later, strict=False):
                key = self.lineage.key_after(node, label, last.digests["state"])
                if last.parts["state"] is not after or self.cache.known(key, BLOCK) is not None:
                    break  # the walk goes on from what is stored
                last, after = put_block(self.cache, self.plan, node, key, {"state": state, "block": block}), state
                laps = (Lap(label, *watch.part(HOLDING, len(block.dates)), False),)
                made.append(Step(key, last, laps=laps))
        self._made[node.spec.digest] = made
        return first

    def _inputs(self, node: Node) -> LeafInputs | MetaInputs:
        rows = node.partitions[self._label]
        if isinstance(node.spec, Leaf):
            return self._readings.of(node, rows)
        if node.children not in self._shared:
            nodes = [self.plan.nodes[key] for key in node.children]
            children = [self._open(child) for child in nodes]
            starts = [start_of(child, self._starts) for child in nodes]
            self._shared[node.children] = meta_inputs(node, rows, self.plan, children, starts)
        return self._shared[node.children]

    def _open(self, node: Node) -> Opened | None:
        key = node.spec.digest
        if key in self._blocks and key not in self._opened:
            inputs = None if isinstance(node.spec, Leaf) else self._inputs(node)
            self._opened[key] = opened(self._blocks[key], inputs)
        return self._opened.get(key)


def ended(node: Node, label: str, rows: slice, error: RunError | MemoryError) -> RunError:
    """Return what ends the walk of a sleeve in the partition `label`, `rows` of its calendar; it names the sleeve."""
    if isinstance(error, RunError):
        return RunError(f"sleeve '{node.label}': {error}")
    return RunError(
        f"sleeve '{node.label}': it ran out of memory in partition {label}, whose windows take "
        f"{node.footprint(rows)} ({error}); shorten its lookback or universe, or use a larger machine"
    )
