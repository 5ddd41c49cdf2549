"""Walking ahead: where a leaf's blocks are not known, it is walked over many partitions at once.

1. A decision depends on its own window alone, and what is held on what came before: made together, blocks and states
   have the bits of those made one partition after another (metabt.walk.leaf_partitions).
2. At its first partition a leaf is walked over all. Where blocks turn out to be missing later on, it is walked over
   one partition, then over two, four, ...: there what was walked in vain is never more than what was needed.
3. What is kept for later is limited: of many or large leaves fewer partitions are walked at once.
4. Leaves that look at what they hold are walked at their time, and so are those with plug-ins, whose warnings and
   failures belong to a partition, and one that fails on the way, up to the partition in which it does.
"""

from __future__ import annotations

from metabt.build.inputs import Readings
from metabt.build.keys import plugin_versions
from metabt.build.plan import Node, Plan
from metabt.errors import RunError
from metabt.portfolio.built_estimators import build_optimizer
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.block import Block, LeafState
from metabt.walk.leaf import leaf_over
from metabt.walk.stopwatch import Stopwatch

KEPT = 2**28
"""Bytes, about, that blocks of later partitions may take, shared out evenly among the leaves."""
TOGETHER = 2**25
"""Bytes, about, of blocks that a leaf is walked over at once, and which are published together."""
STREAMS = 8
"""Columns of a block beside those of its assets."""


class Ahead:
    """Walks leaves whose prices of all partitions are here over as many partitions as seems right."""

    def __init__(self, plan: Plan, readings: Readings) -> None:
        """Take what leaves read; nothing is walked yet."""
        self._readings = readings
        n_leaves = sum(isinstance(node.spec, Leaf) for node in plan.nodes.values())
        self._most = min(KEPT // max(n_leaves, 1), TOGETHER)
        self._walked: dict[str, tuple[int, int]] = {}

    def walk(self, node: Node, label: str, state: LeafState, watch: Stopwatch) -> list[tuple[LeafState, Block]] | None:
        """Return the states and blocks of a leaf from one partition on, `state` being what the one before left.

        None where it is to be walked over this partition alone.
        """
        leaf, labels = _leaf(node), list(node.partitions)
        at, start = labels.index(label), node.partitions[label].start
        count = self._count(node, at)
        stops = [node.partitions[each].stop for each in labels[at : at + count]]
        if count > 1:
            inputs = self._readings.of(node, slice(start, stops[-1]))
            try:
                _, walked = leaf_over(leaf, state, inputs, [stop - start for stop in stops], watch)
            except (RunError, MemoryError):
                count = 1  # it may be a later partition that fails, up to which the blocks are wanted
            else:
                self._walked[leaf.digest] = stops[-1], count
                return walked
        self._walked[leaf.digest] = stops[0], count
        return None

    def _count(self, node: Node, at: int) -> int:
        """Return over how many partitions a leaf is walked from its `at`-th on."""
        leaf, rows = _leaf(node), list(node.partitions.values())
        count = len(rows) - at
        if at:
            stop, before = self._walked.get(leaf.digest, (0, 0))
            count = min(count, 2 * before if stop == rows[at].start else 1)
        fit = self._most // (8 * (len(leaf.universe) + STREAMS))
        while count > 1 and rows[at + count - 1].stop - rows[at].start > fit:
            count -= 1
        return 1 if count > 1 and waits(leaf) else count


def waits(spec: Leaf | Meta) -> bool:
    """Return whether a sleeve is walked at its time."""
    return build_optimizer(spec.optimizer).path_dependent or bool(plugin_versions(spec))


def _leaf(node: Node) -> Leaf:
    assert isinstance(node.spec, Leaf)  # meta sleeves walk over what their children have earned
    return node.spec
