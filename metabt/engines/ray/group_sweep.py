"""Group sweep: many trees, walked and assembled by the actors that own groups of them.

1. What several groups read is walked first, as any plan is (metabt.engines.ray.driver), and stored.
2. GroupActors then take one group after the other: each looks up what is stored, walks the rest, aggregates, optimizes,
   flattens, assembles and measures its own trees. Nobody waits for another group.
3. A group whose actor dies is given to another one. One that ends its actor again is walked by lanes, which find the
   sleeve that does it.

The driver sees which groups are done, what is told of their trees, and in which files the tables lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import ray

from metabt.build.keys import basis_plan
from metabt.build.memory_estimate import memory_estimate
from metabt.build.plan import Plan
from metabt.build.ports import Cache
from metabt.engines.ray.actor_pool import ActorPool, Host, Lane, Need
from metabt.engines.ray.actors import group_actor
from metabt.engines.ray.capacity import capacity
from metabt.engines.ray.driver import PUBLISHING, SHARE, Run
from metabt.engines.ray.workforce import LISTEN, WORTH, Workforce, cause_of, n_worth
from metabt.engines.tree_groups import BATCH, Assembly, Finished, Grouping, View
from metabt.lakehouse.runs.run_files import Desk
from metabt.numerics.platform import one_thread

CALLS = 2
"""Groups that an actor has at a time: the next one is there when one is done."""
GUILTY = 2
"""Deaths of actors that had a group after which it is walked by lanes."""


class Group(Lane):
    """A group of trees, which one actor walks in one call."""

    def __init__(self, positions: tuple[int, ...], seconds: float) -> None:
        """Take the positions of its trees in the forest, and what it is estimated to take."""
        self.positions, self.seconds, self.n_deaths = positions, seconds, 0
        self.called = 0
        """Number of the newest call of it, among all calls of the sweep."""
        self._call: ray.ObjectRef | None = None
        self._done = False

    @property
    def done(self) -> bool:
        """Whether what became of it has been taken, or it is left to lanes."""
        return self._done or self.n_deaths >= GUILTY

    @property
    def position(self) -> int:
        """Whether what became of it has been taken, as a number."""
        return int(self._done)

    @property
    def waited_for(self) -> ray.ObjectRef | None:
        """Reference to what became of it; None where it is not called."""
        return self._call

    def forget_calls(self) -> None:
        """Forget the call; it will be made again."""
        self._call = None

    def begun(self, host: Host) -> None:
        """Do nothing: all that an actor needs comes with the call."""

    def left(self, host: Host) -> None:
        """Do nothing: an actor keeps nothing of a group."""

    def call(self, plan: Plan, views: Sequence[View], keep: str) -> None:
        """Have its actor walk it; `plan` is its part of the forest's."""
        assert self.host is not None  # it is settled
        self._call = self.host.actor.finish.remote(self.positions, replace(plan, datasets={}), views, keep)

    def confirm(self) -> Finished:
        """Take what became of it, which has come.

        Raises
        ------
        RayError
            Instead of it: what befell the actor, or was raised in it.
        """
        assert self._call is not None
        finished: Finished = ray.get(self._call)
        self._call, self._done = None, True
        return finished


class GroupSweep:
    """The walk and the assembly of a forest over the cluster that this process is connected to."""

    def __init__(
        self,
        plan: Plan,
        cache: Cache,
        known: Mapping[str, int],
        views: Sequence[View],
        keep: str,
        desk: Desk,
        workers: int | None,
        patience: int,
    ) -> None:
        """Cut the forest into groups; `known` is spec digest -> blocks that are stored, `views` are its trees'."""
        self.plan, self.cache, self.views, self.keep, self.desk = plan, cache, views, keep, desk
        self._known, self._workers, self._patience = known, workers, patience
        self.grouping = Grouping(plan, known, BATCH, WORTH / PUBLISHING)
        self._n_calls = 0
        self.groups = [Group(group, self.grouping.seconds(group)) for group in self.grouping.groups]

    def finished(self) -> Iterator[Finished]:
        """Yield what became of each group, as it is done; the first may be what groups share, and have no tree."""
        first = self.grouping.first
        if first is not None:
            yield self._shared(first)
        passed_on = ray.put(basis_plan(self.plan)), ray.put(self.cache), ray.put(self.desk)
        pool = ActorPool("groups", self._need(), self.groups, passed_on, self._patience)
        workforce = Workforce([pool], basis_plan(self.plan))
        try:
            while any(not group.done for group in self.groups):
                workforce.settle()
                self._call(pool)
                if (group := self._answered(workforce)) is not None:
                    try:
                        finished = group.confirm()
                        workforce.metrics.finished(self.plan.part(group.positions), finished)
                        yield finished
                    except ray.exceptions.RayTaskError as error:
                        raise cause_of(error) from None
                    except ray.exceptions.RayError:
                        self._died(workforce, group.host)
        finally:
            workforce.close()
        for group in self.groups:
            if group.n_deaths >= GUILTY:
                yield self._by_lanes(group)

    def _need(self) -> Need:
        seconds = PUBLISHING * sum(group.seconds for group in self.groups)
        most = min(self._workers or n_worth(seconds), len(self.groups))
        there = capacity()
        cpus = SHARE
        if self._workers and there.n_cpus and there.most is None:
            cpus = round(min(SHARE, SHARE * there.n_cpus / most), 3)
        memory = max(self._memory(group) for group in self.groups)
        return Need(group_actor, cpus, min(memory, int(there.memory / 2)) if there.memory else memory, most)

    def _memory(self, group: Group) -> int:
        return memory_estimate(self.plan.part(group.positions), self.keep, remembers=True).total

    def _call(self, pool: ActorPool) -> None:
        """Give every actor that has few groups of its own another one, the longest first."""
        open_calls: dict[Host, int] = {}
        for group in self.groups:
            if group.host is not None and group.waited_for is not None:
                open_calls[group.host] = open_calls.get(group.host, 0) + 1
        for group in sorted(self.groups, key=lambda group: -group.seconds):
            if not group.done and group.is_settled and group.waited_for is None:
                assert group.host is not None
                if open_calls.get(group.host, 0) < CALLS:
                    open_calls[group.host] = open_calls.get(group.host, 0) + 1
                    views = [self.views[position] for position in group.positions]
                    self._n_calls += 1
                    group.called = self._n_calls
                    group.call(self.plan.part(group.positions), views, self.keep)

    def _answered(self, workforce: Workforce) -> Group | None:
        """Return a group of which something has been heard; None where nothing has, for a while, or somebody came."""
        waiting = {group.waited_for: group for group in self.groups if group.waited_for is not None}
        listened = [*waiting, *workforce.awaited]
        if not listened:
            return None
        ready, _ = ray.wait(listened, num_returns=1, timeout=LISTEN)
        return waiting.get(ready[0]) if ready else None

    def _died(self, workforce: Workforce, host: Host | None) -> None:
        """Count the death of an actor against the group that it worked on: the oldest of its calls."""
        mine = [group for group in self.groups if group.host is host and group.waited_for is not None]
        if mine:
            min(mine, key=lambda group: group.called).n_deaths += 1
        if host is not None:
            workforce.lost(host)

    def _shared(self, plan: Plan) -> Finished:
        """Walk what groups share."""
        run = Run(plan, self.cache, self._known, None, self._workers, self._patience)
        walked = run.finish()
        return Finished((), (), None, walked.heard, walked.computed, walked.computed_leaves)

    def _by_lanes(self, group: Group) -> Finished:
        """Walk a group that ends its actors, sleeve by sleeve if need be, and assemble it here."""
        plan = self.plan.part(group.positions)
        walked = Run(plan, self.cache, self._known, None, self._workers, self._patience).finish()
        assembly = Assembly(self.cache, self.keep, self.desk.writer())
        with one_thread():
            made = tuple(
                assembly.add(tree, walked, self.views[position])
                for tree, position in zip(plan.trees, group.positions, strict=True)
            )
            files = assembly.writer.close()
        return Finished(group.positions, made, files, walked.heard, walked.computed, walked.computed_leaves)
