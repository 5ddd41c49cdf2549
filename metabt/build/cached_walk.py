"""Cached walk: sleeves over one partition after another, each block named by its key, computed if unknown.

1. `enter` a partition: remember where each sleeve starts.
2. `step` a sleeve, its children first: name its block from digests alone and ask the cache; where it is not known,
   gather the inputs, `advance`, and put what came out. `adopt` takes over a step that was made elsewhere.
3. Where a sleeve fails, so do those above it; the others go on.

Without a cache there are no keys. A block that several processes want is computed by one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from metabt.build.inputs import Markets, PriceSource, Readings, initial_state, meta_inputs, opened, start_of
from metabt.build.keys import BLOCK, node_key
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Lap, Sealed, Step, WalkState
from metabt.errors import RunError
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.block import Block
from metabt.walk.book import Opened
from metabt.walk.leaf import LeafInputs
from metabt.walk.meta.meta_sleeve import MetaInputs
from metabt.walk.stopwatch import Stopwatch
from metabt.walk.walk_forward import advance

INITIAL = "initial"
"""Used in keys for the digest of the state before a sleeve's first session."""


@dataclass
class CachedWalk:
    """Takes sleeves over one partition after another, holding nothing but their states."""

    plan: Plan
    """What is walked."""
    cache: Cache
    """Where blocks are remembered."""
    markets: PriceSource | None = None
    """Where prices come from; from the plan's datasets by default."""
    failures: dict[str, RunError] = field(default_factory=dict)
    """Spec digest -> what ended the walk of a sleeve."""

    def __post_init__(self) -> None:
        """Set every sleeve to its state before its first session; call `enter` before `step`."""
        self.states: dict[str, WalkState] = {key: initial_state(node) for key, node in self.plan.nodes.items()}
        self.after: dict[str, str | None] = dict.fromkeys(self.states, INITIAL)
        self._readings = Readings(self.plan, self.markets or Markets(self.plan))
        self.enter("")  # so that what was walked elsewhere can be adopted ahead of the first partition

    def enter(self, label: str) -> None:
        """Begin a partition: forget what belonged to the one before, remember where each sleeve starts."""
        self._label = label
        self._blocks: dict[str, Block] = {}
        self._outputs: dict[str, str | None] = {}
        self._opened: dict[str, Opened] = {}
        self._starts = dict(self.states)
        self._before: dict[str, str | None] = dict(self.after)
        self._shared: dict[tuple[str, ...], MetaInputs] = {}
        self._readings.forget()

    def step(self, node: Node) -> Step:
        """Take one sleeve over the partition."""
        key = node.spec.digest
        failure = self.failures.get(key) or self._failure_beneath(node)
        if failure:
            return self.adopt(node, Step(failure=failure))
        watch, began = Stopwatch(), perf_counter()
        try:
            name, sealed, found = self._obtain(node, self.states[key], watch)
        except RunError as error:
            return self.adopt(node, Step(failure=RunError(f"sleeve '{node.label}': {error}")))
        except MemoryError as error:
            return self.adopt(node, Step(failure=out_of_memory(node, self._label, node.partitions[self._label], error)))
        spent = [("block", perf_counter() - began, len(sealed.parts["block"].dates))] if found else watch.laps
        laps = tuple(Lap(self._label, stage, seconds, rows, found) for stage, seconds, rows in spent)
        return self.adopt(node, Step(name, sealed, found, laps))

    def adopt(self, node: Node, step: Step) -> Step:
        """Take over a step of the partition, made here or elsewhere, and return it."""
        key = node.spec.digest
        if step.failure is not None:
            self.failures.setdefault(key, step.failure)
        if step.sealed is not None:
            self.states[key] = step.sealed.parts["state"]
            self._blocks[key] = step.sealed.parts["block"]
            self.after[key] = step.sealed.digests.get("state", "")
            self._outputs[key] = step.sealed.digests.get("block", "")
        return step

    def _failure_beneath(self, node: Node) -> RunError | None:
        children = node.spec.children if isinstance(node.spec, Meta) else ()
        return next((f for child in children if (f := self.failures.get(child.digest))), None)

    def _obtain(self, node: Node, state: WalkState, watch: Stopwatch) -> tuple[str, Sealed, bool]:
        """Return the block's key, the block with the state after it, and whether they were known."""
        if not self.cache.remembers:
            return "", self._compute(node, state, watch), False
        key = node_key(self.plan, node, self._label, self._before, self._outputs)
        known = self.cache.get(key, BLOCK)
        if known is None:
            with self.cache.claim(key):
                known = self.cache.get(key, BLOCK)
                if known is None:
                    computed = self._compute(node, state, watch)
                    return key, self.cache.put(key, BLOCK, computed.parts), False
        return key, known, True

    def _compute(self, node: Node, state: WalkState, watch: Stopwatch) -> Sealed:
        after, block = advance(node.spec, state, self._inputs(node), watch)
        return Sealed({"state": after, "block": block}, {})

    def _inputs(self, node: Node) -> LeafInputs | MetaInputs:
        rows = node.partitions[self._label]
        if isinstance(node.spec, Leaf):
            return self._readings.of(node, rows)
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


def out_of_memory(node: Node, label: str, rows: slice, error: MemoryError) -> RunError:
    """Return what is raised where the walk of a sleeve over `rows` of its calendar takes more memory than there is."""
    return RunError(
        f"sleeve '{node.label}': it ran out of memory in partition {label}, whose windows take "
        f"{node.footprint(rows)} ({error}); shorten its lookback or universe, or use a larger machine"
    )
