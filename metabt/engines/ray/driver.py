"""Driver: a plan walked by actors, to the bit as in one process.

1. Leaves are shared out by cost among SleeveActors, as many as there are processors; groups of meta sleeves that share
   none among MetaActors (metabt.build.cost_estimate).
2. Partitions of prices that blocks miss are streamed in time order, ahead of the actors
   (metabt.engines.ray.price_stream).
3. Each lane (metabt.engines.ray.actor_progress) is kept busy: leaves run ahead of the meta sleeves above them, but not
   far.
4. An actor that dies is replaced; a sleeve that keeps ending its process is found and fails alone
   (metabt.engines.ray.crashing_sleeve).
5. At the end the blocks are read from the cache, or from the object store where nothing is remembered.

Nothing passes the driver meanwhile but references, digests and progress.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any

import ray

from metabt.build.cost_estimate import components, leaves_beneath, seconds_of, shared_out
from metabt.build.inputs import initial_state
from metabt.build.keys import plan_basis
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Progress
from metabt.build.shard import Blocks, Lost, Mark, Report
from metabt.build.walk_result import Walk, WalkResult
from metabt.engines.ray.actor_progress import ActorProgress
from metabt.engines.ray.actors import meta_actor, sleeve_actor
from metabt.engines.ray.crashing_sleeve import CrashingSleeve
from metabt.engines.ray.price_stream import PriceStream
from metabt.engines.ray.stored_blocks import StoredBlocks
from metabt.errors import ConfigError, RunError
from metabt.portfolio.sleeve import Leaf

LOG = logging.getLogger("metabt.cluster")

AHEAD = 3
"""Partitions by which leaves may be ahead of what is above them: a bound on blocks in flight."""
SHARE = 0.9
"""Part of a processor that each SleeveActor asks for; the rest is for reading prices."""
PATIENCE = 100.0
"""Seconds that an actor may take to start."""
LISTEN = 5.0
"""Seconds to wait for a report before looking whether the actors have started at all."""


class Run:
    """The walk of one plan over the cluster that this process is connected to."""

    def __init__(
        self, plan: Plan, cache: Cache, known: Mapping[str, int], progress: Progress | None, workers: int | None
    ) -> None:
        """Share the sleeves out; `known` is spec digest -> blocks of it that are stored."""
        self.plan, self.cache, self.progress = plan, cache, progress
        self.supply = PriceStream(plan, known)
        self._passed_on = ray.put(plan), ray.put(cache if cache.remembers else None)
        leaves = {key: seconds_of(n) for key, n in plan.nodes.items() if isinstance(n.spec, Leaf)}
        n_cpus = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        shares = shared_out(leaves, workers or n_cpus)
        self._cpus = round(min(SHARE, SHARE * n_cpus / len(shares)), 3)
        self.leaves = [
            ActorProgress.over(f"leaves {i}", keys, plan, self._hire_leaves) for i, keys in enumerate(shares)
        ]
        self.metas = list(self._meta_lanes(workers or n_cpus))
        self.suspicion = CrashingSleeve(plan, self._given)
        self._done = self._known = 0

    def _meta_lanes(self, n_lanes: int) -> Iterator[ActorProgress]:
        groups = {keys[0]: keys for keys in components(self.plan)}
        costs = {first: sum(seconds_of(self.plan.nodes[key]) for key in keys) for first, keys in groups.items()}
        for i, firsts in enumerate(shared_out(costs, n_lanes)):
            keys = tuple(key for first in firsts for key in groups[first])
            beneath = leaves_beneath(self.plan, keys)
            sources = [lane for lane in self.leaves if beneath & set(lane.keys)]
            yield ActorProgress.over(f"sleeves above {i}", keys, self.plan, self._hire_metas, sources=sources)

    def _hire_leaves(self, keys: tuple[str, ...], instead: bool) -> Any:
        # one that takes the place of another asks for nothing: its machine may be gone, and the others full
        cpus = 0 if instead else self._cpus
        return self._hired(sleeve_actor.options(num_cpus=cpus, scheduling_strategy="SPREAD"), keys)

    def _hire_metas(self, keys: tuple[str, ...], instead: bool) -> Any:
        return self._hired(meta_actor.options(num_cpus=0), keys)

    def _hired(self, kind: Any, keys: tuple[str, ...]) -> Any:
        return kind.remote(*self._passed_on, keys)

    @property
    def lanes(self) -> list[ActorProgress]:
        """All lanes, those of leaves first."""
        return [*self.leaves, *self.metas]

    def finish(self) -> WalkResult:
        """Walk to the end and return the walked sleeves."""
        try:
            self._await_actors()
            while any(not lane.done for lane in self.lanes):
                self._turn()
                self._check_arrivals()
            return WalkResult(self.plan, self._walks())
        finally:
            self.supply.close()
            for lane in self.lanes:
                lane.release()

    def _await_actors(self) -> None:
        """Hire all actors at once, and wait until they have started."""
        began = monotonic()
        for lane in self.lanes:
            lane.arrive()
        self.supply.begin()  # while they come
        while any(lane.arrival is not None for lane in self.lanes):
            awaited = [lane.arrival for lane in self.lanes if lane.arrival is not None]
            ray.wait(awaited, num_returns=len(awaited), timeout=LISTEN)
            self._check_arrivals()
        LOG.info("%d actors came in %.2f s", len(self.lanes), monotonic() - began)

    def _check_arrivals(self) -> None:
        """Refuse a cluster without room, and machines whose code, libraries or processors would give other bits."""
        awaited = {lane.arrival: lane for lane in self.lanes if lane.arrival is not None}
        there, late = ray.wait(list(awaited), num_returns=len(awaited), timeout=0) if awaited else ([], [])
        for reference in there:
            lane = awaited[reference]
            lane.arrival = None
            try:
                self._check_basis(lane, ray.get(reference))
            except ray.exceptions.RayTaskError as error:
                self._recover_from(error, lane)
            except ray.exceptions.RayError as error:
                self.suspicion.died(lane, error)
        if any(monotonic() - awaited[reference].hired_at > PATIENCE for reference in late):
            raise ConfigError(
                f"engine ray: no room for {len(late)} of {len(self.lanes)} actors within {PATIENCE:.0f} s, each "
                f"SleeveActor asks for {self._cpus} CPU; add machines, end other jobs, or lower cluster.workers"
            )

    def _check_basis(self, lane: ActorProgress, found: str) -> None:
        if found != plan_basis(self.plan):
            raise RunError(
                f"engine ray: the actor of '{lane.name}' computes with other code, library versions, plug-ins or "
                "another kind of processor than this process, so its bits could differ; start the cluster from the "
                "environment of the driver, on machines of one kind, and this process anew after an edit of a plug-in"
            )

    def _turn(self) -> None:
        """Make the calls that can be made, then settle one that has come back."""
        for lane in self.lanes:
            if self.suspicion.of(lane):
                self.suspicion.examine(lane)
            while lane.has_room and not self.suspicion.of(lane) and (given := self._given(lane, lane.next)) is not None:
                lane.call(given)
        waiting = {lane.waited_for: lane for lane in self.lanes if lane.waited_for is not None}
        if not waiting:
            return  # a lane has begun again
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=LISTEN)
        if not ready:
            return
        lane = waiting[ready[0]]
        try:
            report = lane.confirm()
        except ray.exceptions.RayTaskError as error:
            self._recover_from(error, lane)
        except ray.exceptions.RayError as error:
            self.suspicion.died(lane, error)
        else:
            self._confirmed(lane, report)

    def _recover_from(self, error: ray.exceptions.RayTaskError, lane: ActorProgress) -> None:
        if isinstance(error.cause, Lost):
            # blocks that are not stored are made again, by the lane that made them and by the one that needs them
            for other in [lane, *lane.sources]:
                other.begin_again()
        elif isinstance(error.cause, ray.exceptions.RayError):
            self.suspicion.died(lane, error.cause)
        elif isinstance(error.cause, ConfigError):
            raise ConfigError(f"on a worker: {error.cause}; install there what is installed here")
        else:
            raise error.cause

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
        for source in [lane, *lane.sources]:
            self._forget_blocks(source)
        if self.progress:
            self.progress(
                min(self._done, self.plan.n_blocks), self.plan.n_blocks, f"{report.label}, {self._known} known"
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
                _fill(walks[key], StoredBlocks(self.plan.nodes[key].label, self.cache, made))
        return walks


def _fill(walk: Walk, blocks: StoredBlocks) -> None:
    """Give a walk its blocks, which are read when they are first used, and the state that the newest one left."""
    if len(blocks):
        walk.state, walk.blocks = blocks.sealed(-1).parts["state"], blocks
    walk.computed = sum(not mark.found for mark in blocks.marks)
    walk.laps = [lap for mark in blocks.marks for lap in mark.laps]
    walk.heard = [each for mark in blocks.marks for each in mark.heard]
    walk.failure = blocks.failure
