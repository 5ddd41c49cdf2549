"""The local executor: every block in this process, one after another. It is the reference for all others.

Where nothing is remembered nothing is published between partitions, so each sleeve is walked over all of them at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from metabt.build.cached_walk import CachedWalk
from metabt.build.inputs import Markets, Readings, initial_state, reading
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import Walk, WalkResult
from metabt.portfolio.sleeve import Leaf


class Local:
    """In this process, one block after another: the reference."""

    name = "local"

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Walk every node over every partition, but for roots that are walked when they are assembled."""
        result = WalkResult(plan, {key: Walk(initial_state(node)) for key, node in plan.nodes.items()})
        if not cache.remembers:
            walk_by_sleeve(result, progress)
            return result
        cached_walk, done, known = CachedWalk(plan, cache, ahead=True), 0, 0
        for label in plan.labels:
            cached_walk.enter(label)
            for node in plan.remembered(label):
                step = cached_walk.step(node)
                result.walks[node.spec.digest].add(step)
                known += step.found
                done += 1
                if progress:
                    progress(done, plan.n_blocks, f"{label} {node.label}, {known} known")
        cache.flush()
        return result


def walk_by_sleeve(
    result: WalkResult, progress: Progress | None, found: Callable[[Node], Walk | None] = lambda node: None
) -> None:
    """Walk one node after another; leaves that read the same are neighbours, so that little is kept for later.

    `found` returns the walk of a sleeve that is known, or None.
    """
    plan, readings, done = result.plan, Readings(result.plan, Markets(result.plan)), 0
    alike = {key: reading(node.spec) for key, node in plan.nodes.items() if isinstance(node.spec, Leaf)}
    metas = [key for key in plan.nodes if key not in alike]
    readers = Counter(node.children for node in plan.nodes.values())  # fleeting ones among them read later
    for key in (*sorted(alike, key=alike.__getitem__), *metas):
        node = plan.nodes[key]
        if key not in plan.fleeting:
            result.walks[key] = found(node) or result.walk(node, readings)
            readers[node.children] -= 1
            result.forget(node, last=not readers[node.children])
            done += len(node.partitions)
            if progress:
                progress(done, plan.n_blocks, node.label)
