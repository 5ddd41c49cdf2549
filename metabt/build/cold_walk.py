"""Cold walk: sleeves of which nothing is known, walked over all partitions at once, and remembered block by block.

1. `cold_sleeves` are found from keys alone. A leaf is one whose first block is not known and whose blocks, together,
   are not too large; a meta sleeve is one whose children are. Sleeves that share anything are so together, or none of
   them is: what is walked partition by partition reads blocks, what is walked at once reads its children end to end.
2. Each is walked as where nothing is remembered (metabt.build.walk_result), cut into blocks, and these are put
   together under the keys that a walk from partition to partition gives them: one claim, on the first, is enough.
3. What is kept is its walk from end to end, as lean as where nothing is remembered.

A sleeve is given up where it fails, or where a block of it is known after all; it leaves nothing behind, and is walked
partition by partition (metabt.build.cached_walk). So are those that look at what they hold, and those with plug-ins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from metabt.build.foreign_warnings import listening
from metabt.build.inputs import Readings, initial_state
from metabt.build.keys import BLOCK, Histories
from metabt.build.known_columns import put_block
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Lap
from metabt.build.walk_result import Walk, WalkResult
from metabt.build.walked_ahead import STREAMS, TOGETHER, waits
from metabt.errors import RunError
from metabt.portfolio.sleeve import Leaf, Meta
from metabt.walk.block import Block, LeafState, MetaState
from metabt.walk.leaf import leaf_over
from metabt.walk.meta.meta_sleeve import meta_over
from metabt.walk.stopwatch import FLATTENING, HOLDING, Stopwatch
from metabt.walk.walk_forward import State


class _Known(Exception):
    """A block that was to be put is stored already."""


class ColdWalk:
    """Walks sleeves over all partitions at once and remembers their blocks; several threads may walk different ones."""

    def __init__(self, result: WalkResult, cache: Cache) -> None:
        """Take the result that is to be filled, and where blocks are remembered."""
        self._result, self._cache = result, cache
        self._histories = Histories(result.plan)
        self.sleeves = cold_sleeves(result.plan, cache, self._histories)
        """Digests of the sleeves that are to be walked, children first."""

    def walk(self, node: Node, readings: Readings) -> Walk | None:
        """Return the walk of one of the sleeves, those beneath it having been walked, or None where it is given up."""
        if any(not self._histories.has(key) for key in node.children):
            return None
        key, watch = self._histories.key(node, next(iter(node.partitions))), Stopwatch()
        with self._cache.claim(key):
            if self._cache.known(key, BLOCK) is not None:
                return None  # another process has been here since
            try:
                with listening(node.spec) as listener:
                    whole, walked = self._over(node, readings, watch)
                self._put(node, key, walked)
            except (RunError, MemoryError, _Known):
                return None
        laps = list(_laps(node, watch))
        return Walk(walked[-1][0], [self._result.lean(node, whole)], laps, len(walked), heard=list(listener.heard))

    def _over(self, node: Node, readings: Readings, watch: Stopwatch) -> tuple[Block, Sequence[tuple[State, Block]]]:
        """Return its block over all partitions, and the state after each of them with the block of it."""
        state, rows = initial_state(node), slice(0, len(node.calendar.sessions))
        stops = [part.stop for part in node.partitions.values()]
        match node.spec, state:
            case Leaf(), LeafState():
                return leaf_over(node.spec, state, readings.of(node, rows), stops, watch)
            case Meta(), MetaState():
                return meta_over(node.spec, state, self._result.inputs(node), stops, watch)
        raise AssertionError("a sleeve's first state is of its kind")

    def _put(self, node: Node, key: str, walked: Sequence[tuple[State, Block]]) -> None:
        """Put all blocks of a sleeve, and note what later keys build on."""
        digests: dict[str, Mapping[str, str]] = {}
        last: Mapping[str, str] = {}
        with self._cache.together():
            for label, (state, block) in zip(node.partitions, walked, strict=True):
                if last:
                    key = self._histories.key(node, label, last["state"])
                    if self._cache.known(key, BLOCK) is not None:
                        raise _Known
                sealed = put_block(self._cache, self._result.plan, node, key, {"state": state, "block": block})
                if sealed.parts["state"] is not state:
                    raise _Known
                digests[label] = last = sealed.digests
        self._histories.add(node, digests)


def cold_sleeves(plan: Plan, cache: Cache, histories: Histories) -> dict[str, None]:
    """Return the digests of the sleeves that may be walked over all partitions at once, children first."""
    cold: dict[str, None] = {}
    for digest, node in plan.nodes.items():
        if digest not in plan.fleeting and _is_cold(node, cold, cache, histories):
            cold[digest] = None
    warm = [digest for digest in plan.nodes if digest not in cold and digest not in plan.fleeting]
    beside = _beside(plan)
    while warm:
        for digest in beside.get(warm.pop(), ()):
            if digest in cold:
                del cold[digest]
                warm.append(digest)
    return cold


def _is_cold(node: Node, cold: Mapping[str, None], cache: Cache, histories: Histories) -> bool:
    spec = node.spec
    if waits(spec):
        return False
    if isinstance(spec, Meta):
        return all(key in cold for key in node.children)
    large = 8 * len(node.calendar.sessions) * (len(spec.universe) + STREAMS) > TOGETHER
    return not large and cache.known(histories.key(node, next(iter(node.partitions))), BLOCK) is None


def _beside(plan: Plan) -> dict[str, list[str]]:
    """Return spec digest -> the sleeves right beneath it and right above it, of those that are remembered."""
    beside: dict[str, list[str]] = {}
    for digest, node in plan.nodes.items():
        for child in node.children if digest not in plan.fleeting else ():
            beside.setdefault(digest, []).append(child)
            beside.setdefault(child, []).append(digest)
    return beside


def _laps(node: Node, watch: Stopwatch) -> Iterator[Lap]:
    """Yield where the time went: each later partition has its part of the last stage, the first one all else."""
    first, *later = node.partitions
    stage = HOLDING if isinstance(node.spec, Leaf) else FLATTENING
    parts = []
    for label in later:
        rows = node.partitions[label]
        parts.append(Lap(label, *watch.part(stage, rows.stop - rows.start), False))
    yield from (Lap(first, *spent, False) for spent in watch.laps)
    yield from parts
