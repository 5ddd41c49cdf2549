"""Driver: a plan walked by actors, to the bit as in one process.

1. Leaves are shared out by cost into lanes, as many as the work is worth and the cluster can grow to; groups of meta
   sleeves that share none into others (metabt.build.cost_estimate).
2. SleeveActors walk the lanes of leaves, MetaActors the others. They come and go (metabt.engines.ray.actor_pool): until
   all are there, and where one dies, lanes share those that are.
3. Partitions of prices that blocks miss are streamed in time order, ahead of the actors
   (metabt.engines.ray.price_stream).
4. Each lane (metabt.engines.ray.actor_progress) is kept busy: leaves run ahead of the meta sleeves above them, but not
   far.
5. A sleeve that keeps ending its process is found and fails alone (metabt.engines.ray.crashing_sleeve).
6. At the end the blocks are read from the cache, or from the object store where nothing is remembered.

Nothing passes the driver meanwhile but references, digests and progress.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ray

from metabt.build.cost_estimate import components, leaves_beneath, seconds_missing, seconds_of, shared_out
from metabt.build.inputs import initial_state
from metabt.build.memory_estimate import actor_memory
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Progress
from metabt.build.shard import Blocks, Lost, Mark, Report
from metabt.build.walk_result import Walk, WalkResult
from metabt.engines.ray.actor_pool import ActorPool, Need
from metabt.engines.ray.actor_progress import ActorProgress
from metabt.engines.ray.actors import meta_actor, sleeve_actor
from metabt.engines.ray.capacity import capacity
from metabt.engines.ray.crashing_sleeve import CrashingSleeve
from metabt.engines.ray.price_stream import PriceStream
from metabt.engines.ray.stored_blocks import StoredBlocks
from metabt.engines.ray.workforce import LISTEN, Workforce, cause_of, n_worth
from metabt.portfolio.sleeve import Leaf
from metabt.values.ranges import plural

AHEAD = 3
"""Partitions by which leaves may be ahead of what is above them: a bound on blocks in flight."""
SHARE = 0.9
"""Part of a processor that each SleeveActor asks for; the rest is for MetaActors and for reading prices."""
META_SHARE = 0.05
"""Part of a processor that each MetaActor asks for."""
PUBLISHING = 2.3
"""Seconds that a walk whose blocks are remembered takes for a second of one whose blocks are not
(`benchmarks/cache_cost.py`)."""


class Run:
    """The walk of one plan over the cluster that this process is connected to."""

    def __init__(
        self,
        plan: Plan,
        cache: Cache,
        known: Mapping[str, int],
        progress: Progress | None,
        workers: int | None,
        patience: float,
    ) -> None:
        """Share the sleeves out; `known` is spec digest -> blocks of it that are stored."""
        self.plan, self.cache, self.progress = plan, cache, progress
        self.supply = PriceStream(plan, known)
        costs = {key: seconds_of(node) for key, node in plan.nodes.items() if isinstance(node.spec, Leaf)}
        n_lanes = workers or self._n_worth(seconds_missing(plan, known))
        shares = shared_out(costs, n_lanes)
        self.leaves = [ActorProgress.over(f"leaves {i}", keys, plan) for i, keys in enumerate(shares)]
        self.metas = list(self._meta_lanes(n_lanes))
        passed_on = ray.put(plan), ray.put(cache if cache.remembers else None)
        leaves, metas = self._need(sleeve_actor, self.leaves, workers), self._need(meta_actor, self.metas, None)
        pools = [
            ActorPool("leaves", leaves, self.leaves, passed_on, patience),
            ActorPool("sleeves above", metas, self.metas, passed_on, patience),
        ]
        self.workforce = Workforce(pools, plan, self.supply.begin)
        self.suspicion = CrashingSleeve(plan, self._given, self.workforce.lost)
        self._done = self._known = 0

    def _n_worth(self, seconds: float) -> int:
        """Return how many lanes some seconds of work are worth, and the cluster can have actors for."""
        return n_worth(seconds * (PUBLISHING if self.cache.remembers else 1.0))

    def _need(self, kind: Any, lanes: list[ActorProgress], workers: int | None) -> Need:
        """Return what each actor of some lanes asks for; stated workers share the processors that there are."""
        there, cpus = capacity(), SHARE if kind is sleeve_actor else META_SHARE
        if workers and there.n_cpus and there.most is None:
            cpus = round(min(SHARE, SHARE * there.n_cpus / max(len(lanes), 1)), 3)
        memory = max((actor_memory(self.plan, lane.keys) for lane in lanes), default=0)
        return Need(kind, cpus, min(memory, int(there.memory / 2)) if there.memory else memory, max(len(lanes), 1))

    def _meta_lanes(self, n_lanes: int) -> Iterator[ActorProgress]:
        groups = {keys[0]: keys for keys in components(self.plan)}
        costs = {first: sum(seconds_of(self.plan.nodes[key]) for key in keys) for first, keys in groups.items()}
        for i, firsts in enumerate(shared_out(costs, n_lanes)):
            keys = tuple(key for first in firsts for key in groups[first])
            beneath = leaves_beneath(self.plan, keys)
            sources = [lane for lane in self.leaves if beneath & set(lane.keys)]
            yield ActorProgress.over(f"sleeves above {i}", keys, self.plan, sources)

    @property
    def lanes(self) -> list[ActorProgress]:
        """All lanes, those of leaves first."""
        return [*self.leaves, *self.metas]

    def finish(self) -> WalkResult:
        """Walk to the end and return the walked sleeves."""
        try:
            while True:
                self._walk()
                try:
                    return WalkResult(self.plan, self._walks())
                except ray.exceptions.ObjectLostError:
                    for lane in self.lanes:
                        lane.begin_again()  # what is stored is found
        finally:
            self.supply.close()
            self.workforce.close()

    def _walk(self) -> None:
        """Take every lane to its end."""
        while any(not lane.done for lane in self.lanes):
            self.workforce.settle()
            self._turn()

    def _turn(self) -> None:
        """Make the calls that can be made, then settle one that has come back."""
        for lane in self.lanes:
            if self.suspicion.of(lane):
                if not self._works_for_others(lane):
                    self.suspicion.examine(lane)
                continue
            while lane.has_room and not self._is_watched(lane) and (given := self._given(lane, lane.next)) is not None:
                lane.call(given)
                if self.suspicion.of(lane):
                    break
        waiting = {lane.waited_for: lane for lane in self.lanes if lane.waited_for is not None}
        arrivals = self.workforce.awaited
        if not waiting and not arrivals:
            return  # a lane has begun again
        ready, _ = ray.wait([*waiting, *arrivals], num_returns=1, timeout=LISTEN)
        if not ready or ready[0] not in waiting:
            return
        lane = waiting[ready[0]]
        try:
            report = lane.confirm()
        except ray.exceptions.RayTaskError as error:
            self._recover_from(error, lane)
        except ray.exceptions.RayError as error:
            self._died(lane, error)
        else:
            self._confirmed(lane, report)

    def _is_watched(self, lane: ActorProgress) -> bool:
        """Return whether a suspect shares the lane's actor: what ends that must not be laid at this lane's door."""
        return bool(self.suspicion) and any(
            other.host is lane.host and self.suspicion.of(other) for other in self.lanes
        )

    def _works_for_others(self, lane: ActorProgress) -> bool:
        """Return whether calls of other lanes are open in the lane's actor."""
        return any(other.host is lane.host and other is not lane and other.waited_for for other in self.lanes)

    def _died(self, lane: ActorProgress, error: Exception) -> None:
        """Note that the actor of a lane is dead: with it the open calls of all its lanes are gone."""
        host = lane.host
        for other in self.lanes:
            if other.host is host and other.waited_for is not None:
                self.suspicion.died(other, error)
        if host is not None:
            self.workforce.lost(host)

    def _recover_from(self, error: ray.exceptions.RayTaskError, lane: ActorProgress) -> None:
        if isinstance(error.cause, Lost):
            # blocks that are not stored are made again, by the lane that made them and by the one that needs them
            for other in [lane, *lane.sources]:
                other.begin_again()
        elif isinstance(error.cause, ray.exceptions.RayError):
            self._died(lane, error.cause)
        else:
            raise cause_of(error)

    def _given(self, lane: ActorProgress, position: int) -> Any:
        """Return what a lane needs for a partition; None while it is not made yet, or the lane is too far ahead."""
        label = lane.labels[position]
        if lane in self.leaves:
            return None if self._too_far(lane, label) else self.supply.references(lane.keys, label, self._oldest())
        given: list[tuple[Mapping[str, Mark], ray.ObjectRef | None]] = []
        for source in lane.sources:
            if label in source.labels:
                found = source.report_on(label)
                if found is None:
                    return None
                given.append((found[0].steps, found[1]))
        return given

    def _too_far(self, lane: ActorProgress, label: str) -> bool:
        place = self.plan.labels.index(label)
        return any(
            lane in above.sources
            and not above.done
            and place > self.plan.labels.index(above.labels[above.position]) + AHEAD
            for above in self.metas
        )

    def _oldest(self) -> str:
        """Return the oldest partition that a lane of leaves has not confirmed."""
        return min((lane.labels[lane.position] for lane in self.leaves if not lane.done), default=self.plan.labels[-1])

    def _confirmed(self, lane: ActorProgress, report: Report) -> None:
        self._done += len(report.steps)
        self._known += sum(mark.found for mark in report.steps.values())
        self.workforce.metrics.reported(self.plan, report)
        for source in [lane, *lane.sources]:
            self._forget_blocks(source)
        if self.progress:
            self.progress(
                min(self._done, self.plan.n_blocks),
                self.plan.n_blocks,
                f"{report.label}, {self._known} known, {plural(self.workforce.n_working, 'actor')}",
            )

    def _forget_blocks(self, lane: ActorProgress) -> None:
        """Drop references to blocks that are stored, and that every lane above has confirmed to have read."""
        above = [meta for meta in self.metas if lane in meta.sources and not meta.done]
        seen = min((meta.labels[meta.position] for meta in above), default="~")  # after every label
        for place, report in enumerate(lane.reports):
            if report.kept and report.label < seen:
                lane.blocks[place] = None

    def _walks(self) -> dict[str, Walk]:
        walks = {key: Walk(initial_state(node)) for key, node in self.plan.nodes.items()}
        for lane in self.lanes:
            held: list[Blocks] = [{} if it is None else ray.get(it).opened() for it in lane.blocks]
            for key in lane.keys:
                steps = [report.steps.get(key) for report in lane.reports]
                made = [(mark, blocks.get(key)) for mark, blocks in zip(steps, held, strict=True) if mark is not None]
                _fill(walks[key], StoredBlocks(self.plan, self.plan.nodes[key], self.cache, made))
        return walks


def _fill(walk: Walk, blocks: StoredBlocks) -> None:
    """Give a walk its blocks, which are read when they are first used, and the state that the newest one left."""
    if len(blocks):
        walk.state, walk.blocks = blocks.sealed(-1).parts["state"], blocks
    walk.computed = sum(not mark.found for mark in blocks.marks)
    walk.laps = [lap for mark in blocks.marks for lap in mark.laps]
    walk.heard = [each for mark in blocks.marks for each in mark.heard]
    walk.failure = blocks.failure
