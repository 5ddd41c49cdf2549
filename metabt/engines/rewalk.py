"""Rewalk: forests around one run, walked again in memory: blocks are read from a cache, and none is put into it.

1. Sleeves of the first tree that is walked, the run's own, are kept for the forests that come later. Where the run's
   decisions are at hand they are not taken again (metabt.engines.taken_decisions).
2. A sleeve all of whose blocks are known is read, where that costs less than walking it.
3. Every other is walked over all partitions at once, as where nothing is remembered (metabt.engines.local).
4. Shares of risk are measured of roots alone: nobody asks for those beneath them (metabt.walk.decision).

What is read is kept as lean as what is walked: a leaf's holdings are followed again when they are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy

from metabt.build.cost_estimate import seconds_of
from metabt.build.inputs import initial_state
from metabt.build.known_blocks import followed
from metabt.build.known_columns import get_block
from metabt.build.plan import Node, Plan
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import Walk, WalkResult
from metabt.engines.local import walk_by_sleeve
from metabt.engines.taken_decisions import taken
from metabt.engines.usable_cpus import default_threads
from metabt.portfolio.handed_over import objects_of
from metabt.values.freed_memory import give_back
from metabt.values.tables import Table
from metabt.walk.block import Decisions
from metabt.walk.concatenation import join
from metabt.walk.decision import Spared

READ = 1.5e-3
"""Seconds that a block must cost, by estimate, to be read and not computed: a read one is found by its key, verified
and decoded, and one of many that are walked at once costs less than one by itself."""
FOLLOWED = 1.5e-4
"""Seconds that it takes to find out whether a block is known, of every block of a forest, dear or not."""


class Rewalk:
    """In this process, on its threads; what is put into the cache that it is given is up to nobody."""

    name = "local"

    def __init__(self, cache: Cache | None, decided: Callable[[], Table | None] = lambda: None) -> None:
        """Read blocks from `cache`; None has none.

        `decided` returns the table `decisions` of the first tree's run, verified and not cut by the end of its view; it
        is asked once, and where it has none the sleeves decide again.
        """
        self._cache, self._decided = cache, decided
        self._own: dict[str, Walk] = {}
        self._notes: dict[tuple[str, str], dict[str, float]] = {}

    @property
    def remembered(self) -> Cache | None:
        """What it reads blocks from, which knows which steps have passed; None where there is none."""
        return self._cache

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Walk every node over every partition; `cache` is neither read nor written."""
        walks = {key: Walk(initial_state(node)) for key, node in plan.nodes.items()}
        known = {} if self._own else self._taken(plan)
        result = WalkResult(plan, walks, _notes=self._notes, _spared=_spared(plan, known))
        stored = self._stored(plan, known)
        # leaves leave small pieces of memory behind, sleeves above them take large ones
        walk_by_sleeve(
            result, progress, default_threads(), lambda node: self._found(result, node, stored), between=give_back
        )
        if not self._own:
            self._own = {sleeve.spec.digest: walks[sleeve.spec.digest] for _, sleeve in plan.trees[0].walk()}
        return result

    def _taken(self, plan: Plan) -> dict[str, Decisions]:
        """Return spec digest -> decisions of the first tree that are known."""
        table = self._decided()
        return {} if table is None else taken(table, plan.trees[0], plan)

    def _found(self, result: WalkResult, node: Node, stored: Mapping[str, list[str]]) -> Walk | None:
        """Return the walk of a sleeve that is kept or stored; None where it is to be walked."""
        digest = node.spec.digest
        return self._own.get(digest) or self._read(result, node, stored.get(digest, []))

    def _read(self, result: WalkResult, node: Node, keys: list[str]) -> Walk | None:
        if not keys or self._cache is None:
            return None
        blocks = (get_block(self._cache, result.plan, node, key) for key in keys)
        sealed = [found for found in blocks if found is not None]
        if len(sealed) < len(keys):
            return None  # removed or damaged meanwhile
        whole = result.lean(node, join([each.parts["block"] for each in sealed]))
        # a copy: what is decoded is a view of the bytes of its whole block
        return Walk(deepcopy(sealed[-1].parts["state"]), [whole])

    def _stored(self, plan: Plan, decided: Mapping[str, Decisions]) -> dict[str, list[str]]:
        """Return spec digest -> keys of its blocks in time order, of the dear sleeves that are known in full."""
        if self._cache is None or not self._cache.remembers or objects_of(plan.trees):
            return {}
        costs = {
            key: seconds_of(node) for key, node in plan.nodes.items() if key not in self._own and key not in decided
        }
        dear = {key for key, seconds in costs.items() if seconds > READ}
        if sum((costs[key] - READ) * plan.sizes[key] for key in dear) <= FOLLOWED * plan.n_blocks:
            return {}
        keys: dict[str, list[str]] = {key: [] for key in dear}
        for _, node, key, known in followed(plan, self._cache):
            if known is not None and node.spec.digest in dear:
                keys[node.spec.digest].append(key)
        return {digest: found for digest, found in keys.items() if len(found) == len(plan.nodes[digest].partitions)}


def _spared(plan: Plan, decided: Mapping[str, Decisions]) -> dict[str, Spared]:
    """Return spec digest -> what need not be made of it: decisions that are known, and risk beneath the roots."""
    roots = {tree.spec.digest for tree in plan.trees}
    return {key: Spared(decided.get(key), risk=key not in roots) for key in plan.nodes}
