"""Known blocks: which blocks of a forest are stored already, found by following keys, computing nothing.

A block's key needs the state before it and its children's outputs: where one is unknown, so is everything that builds
on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metabt.build.keys import BLOCK, Lineage
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache


def followed(plan: Plan, cache: Cache) -> Iterator[tuple[str, Node, str, Mapping[str, str] | None]]:
    """Yield partition, sleeve, key and the digests known of it, of every block whose key can be reached; reads none."""
    lineage = Lineage(plan)
    for label in plan.labels:
        lineage.enter(label)
        for node in plan.remembered(label):
            found = None
            if lineage.reaches(node):
                key = lineage.key(node)
                found = cache.known(key, BLOCK)
                yield label, node, key, found
            lineage.add(node, found)


def known_blocks(plan: Plan, cache: Cache) -> dict[str, int]:
    """Return spec digest -> how many of the sleeve's blocks are in the cache and can be reached."""
    known = dict.fromkeys(plan.nodes, 0)
    if cache.remembers:
        for _, node, _, found in followed(plan, cache):
            known[node.spec.digest] += found is not None
    return known
