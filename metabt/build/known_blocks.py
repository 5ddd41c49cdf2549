"""Known blocks: which blocks of a forest are stored already, found by following keys, computing nothing.

A block's key needs the state before it and its children's outputs: where one is unknown, so is everything that builds
on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from metabt.build.cached_walk import INITIAL
from metabt.build.keys import BLOCK, node_key
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Sealed
from metabt.portfolio.sleeve import Meta


class Recalling:
    """A cache that reads each object once: what was looked up beforehand is kept in memory."""

    remembers = True

    def __init__(self, cache: Cache) -> None:
        """Wrap `cache`, with nothing recalled yet."""
        self._cache = cache
        self._seen: dict[str, Sealed] = {}

    def __reduce__(self) -> tuple[type[Recalling], tuple[Cache]]:
        """Travel without what was recalled."""
        return Recalling, (self._cache,)

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return what was put under the key, or None."""
        if key not in self._seen:
            found = self._cache.get(key, kind)
            if found is None:
                return None
            self._seen[key] = found
        return self._seen[key]

    def claim(self, key: str) -> AbstractContextManager[object]:
        """Wait until nobody else computes the key."""
        return nullcontext() if key in self._seen else self._cache.claim(key)

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Remember the parts of an object."""
        return self._cache.put(key, kind, parts)

    def flush(self) -> bool:
        """Wait until everything that was put can be found by other processes; return whether all of it can."""
        return self._cache.flush()


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
