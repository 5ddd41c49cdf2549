"""Walk result: a forest after the walk, every sleeve end to end, with the books that its blocks describe."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace

import numpy as np

from metabt.build.cached_walk import out_of_memory
from metabt.build.inputs import Readings, initial_state, meta_inputs, opened
from metabt.build.plan import Node, Plan
from metabt.build.ports import Lap, Walk
from metabt.errors import RunError
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.book import Opened, Start
from metabt.walk.meta.meta_sleeve import MetaInputs
from metabt.walk.stopwatch import Stopwatch
from metabt.walk.walk_forward import advance


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

    def failure_beneath(self, node: Node) -> RunError | None:
        """Return what ended the walk of a child early, if anything did."""
        children = node.spec.children if isinstance(node.spec, Meta) else ()
        return next((f for child in children if (f := self.walks[child.digest].failure)), None)

    def complete(self, root: Node) -> WalkResult:
        """Return the forest with the walk of a root that is not remembered: made now, and forgotten with the answer."""
        key = root.spec.digest
        if key not in self.plan.fleeting:
            return self
        walk = walk_through(self, root)
        self.walks[key].computed = walk.computed
        return replace(self, walks=ChainMap({key: walk}, self.walks), _opened=ChainMap({}, self._opened))

    def inputs(self, node: Node) -> MetaInputs:
        """Return what a meta sleeve reads over all partitions; sleeves over the same children share it."""
        assert isinstance(node.spec, Meta)
        children = tuple(child.digest for child in node.spec.children)
        if children not in self._inputs:
            nodes = [self.plan.nodes[key] for key in children]
            starts = [Start(False, False, np.zeros(child.layout.n_columns)) for child in nodes]
            rows = slice(0, len(node.calendar.sessions))
            self._inputs[children] = meta_inputs(node, rows, self.plan, [self.opened(n) for n in nodes], starts)
        return self._inputs[children]

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
    def computed(self) -> int:
        """Blocks that were not found but computed."""
        return sum(walk.computed for walk in self.walks.values())

    @property
    def computed_leaves(self) -> int:
        """Blocks of leaves among them."""
        leaves = [key for key, node in self.plan.nodes.items() if isinstance(node.spec, Leaf)]
        return sum(self.walks[key].computed for key in leaves)


def walk_through(walked: WalkResult, node: Node, readings: Readings | None = None) -> Walk:
    """Return the walk of a sleeve over all partitions at once, what is beneath it having been walked.

    `readings` are what leaves read. The bits are those of a walk from partition to partition, whose blocks this one is
    end to end: a decision depends on its own window, and a state on what came before.
    """
    walk, watch = Walk(initial_state(node), failure=walked.failure_beneath(node)), Stopwatch()
    if walk.failure:
        return walk
    rows, span = slice(0, len(node.calendar.sessions)), f"{walked.plan.labels[0]}-{walked.plan.labels[-1]}"
    try:
        inputs = walked.inputs(node) if readings is None or isinstance(node.spec, Meta) else readings.of(node, rows)
        walk.state, block = advance(node.spec, walk.state, inputs, watch)
    except RunError as error:
        walk.failure = RunError(f"sleeve '{node.label}': {error}")
        return walk
    except MemoryError as error:
        walk.failure = out_of_memory(node, span, rows, error)
        return walk
    walk.laps += [Lap(span, stage, seconds, rows, False) for stage, seconds, rows in watch.laps]
    walk.blocks = [block]
    walk.computed = len(node.partitions)
    return walk
