"""Known blocks: which blocks of a forest are stored already, found by following keys, computing nothing.

A block's key needs the state before it and its children's outputs: where one is unknown, so is everything that builds
on it.
"""

from __future__ import annotations

from collections.abc import Mapping

from metabt.build.cached_walk import INITIAL
from metabt.build.keys import BLOCK, node_key
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Sealed
from metabt.portfolio.sleeve import Meta


def known_blocks(plan: Plan, cache: Cache) -> dict[str, int]:
    """Return spec digest -> how many of the sleeve's blocks are in the cache and can be reached."""
    known = dict.fromkeys(plan.nodes, 0)
    if not cache.remembers:
        return known
    states: dict[str, str | None] = dict.fromkeys(plan.nodes, INITIAL)
    for label in plan.labels:
        before = dict(states)
        outputs: dict[str, str | None] = {}
        for key, node in plan.nodes.items():
            if label not in node.partitions or key in plan.fleeting:
                continue
            found = _look_up(plan, cache, key, label, before, outputs)
            states[key] = found.digests["state"] if found else None
            outputs[key] = found.digests["block"] if found else None
            known[key] += found is not None
    return known


def _look_up(
    plan: Plan,
    cache: Cache,
    key: str,
    label: str,
    states: Mapping[str, str | None],
    outputs: Mapping[str, str | None],
) -> Sealed | None:
    node = plan.nodes[key]
    children = node.spec.children if isinstance(node.spec, Meta) else ()
    lost = any(child.digest in outputs and outputs[child.digest] is None for child in children)
    if lost or states[key] is None or any(states[child.digest] is None for child in children):
        return None
    return cache.get(node_key(plan, node, label, states, outputs), BLOCK)
