"""Actor progress: the way of some sleeves (a lane) through the partitions, as the driver sees it.

1. Calls are made in time order, two at a time, each naming the report that it continues from.
2. What comes back is confirmed in the same order: a report, and a reference to the blocks.
3. An actor walks several lanes, and a lane goes on in another actor once its open calls are answered: that one loads
   the states from stored blocks, or is given those of a run that remembers nothing.
4. When the actor dies, calls that are not confirmed are forgotten and another one continues from the last report. When
   it cannot, because that is not stored, the lane begins again; what was published meanwhile is found.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray

from metabt.build.plan import Plan
from metabt.build.shard import Report
from metabt.engines.ray.actor_pool import Host, Lane

CALLS = 2
"""Largest number of calls that an actor has not answered: while one is settled, the next one is being done."""


@dataclass(eq=False)
class ActorProgress(Lane):
    """Some sleeves and their way through the partitions (a lane), in whichever actor."""

    name: str
    """Its name in messages."""
    keys: tuple[str, ...]
    """Spec digests of its sleeves, children first."""
    labels: tuple[str, ...]
    """Partitions in which any of them has sessions, in time order."""
    sources: Sequence[ActorProgress] = ()
    """Lanes whose sleeves stand beneath its own."""
    reports: list[Report] = field(default_factory=list)
    """Confirmed, one per partition."""
    blocks: list[ray.ObjectRef | None] = field(default_factory=list)
    """References to their blocks; None where no other lane needs them any more."""
    failed: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Spec digest -> the position from which on a sleeve is not walked, and why: it ends its process."""
    deaths: Counter[int] = field(default_factory=Counter)
    """Position -> how often an actor died that had a call of it."""
    _calls: deque[tuple[ray.ObjectRef, ray.ObjectRef]] = field(default_factory=deque)

    @classmethod
    def over(cls, name: str, keys: tuple[str, ...], plan: Plan, sources: Sequence[ActorProgress] = ()) -> ActorProgress:
        """Return the lane of some sleeves through the partitions in which they have sessions."""
        own = {label for key in keys for label in plan.nodes[key].partitions}
        return cls(name, keys, tuple(label for label in plan.labels if label in own), sources)

    def begun(self, host: Host) -> None:
        """Have an actor take the lane's sleeves."""
        host.actor.take.remote(self.name, self.keys)

    def left(self, host: Host) -> None:
        """Have an actor drop them."""
        host.actor.leave.remote(self.name)

    @property
    def position(self) -> int:
        """Number of partitions that are confirmed."""
        return len(self.reports)

    @property
    def next(self) -> int:
        """Position of the next call."""
        return self.position + len(self._calls)

    @property
    def done(self) -> bool:
        """Whether every partition is confirmed."""
        return self.position == len(self.labels)

    @property
    def has_room(self) -> bool:
        """Whether another call may be made: there is an actor, and the lane does not move away from it."""
        return self.is_settled and len(self._calls) < CALLS and self.next < len(self.labels)

    @property
    def waited_for(self) -> ray.ObjectRef | None:
        """Reference to the report that comes next; None where no call is open."""
        return self._calls[0][0] if self._calls else None

    def call(self, given: Any) -> None:
        """Call the actor for the next partition; `given` are the prices, or the blocks beneath, that it needs."""
        assert self.host is not None  # `has_room` said so
        failed = {key: why for key, (position, why) in self.failed.items() if position <= self.next}
        arguments = self.name, self.labels[self.next], self.previous, given, failed, self.carried()
        self._calls.append(self.host.actor.advance.remote(*arguments))

    @property
    def previous(self) -> Report | ray.ObjectRef | None:
        """The report that the next call continues from, or the reference to it while it is being made."""
        if self._calls:
            return self._calls[-1][0]
        return self.reports[-1] if self.reports else None

    def carried(self) -> list[ray.ObjectRef]:
        """Return references to the blocks that hold the newest states, where these are not stored.

        While calls are open the actor has the states itself.
        """
        if self._calls or not self.reports or self.reports[-1].kept:
            return []
        last = self.reports[-1].label
        return [reference for lane in (*self.sources, self) for reference in lane._newest_blocks(last)]

    def _newest_blocks(self, last: str) -> list[ray.ObjectRef]:
        """Return references to the newest block of each sleeve, up to a partition; some blocks hold several."""
        newest: dict[str, int] = {}
        for place, report in enumerate(self.reports):
            if report.label <= last:
                newest.update(dict.fromkeys(report.steps, place))
        references = [self.blocks[place] for place in sorted(set(newest.values()))]
        return [reference for reference in references if reference is not None]

    def confirm(self) -> Report:
        """Take the oldest call's report, which has come.

        Raises
        ------
        RayError
            Instead of it: what befell the actor, or was raised in it.
        """
        report: Report = ray.get(self._calls[0][0])
        self.blocks.append(self._calls.popleft()[1])
        self.reports.append(report)
        self.arrive()
        return report

    def forget_calls(self) -> None:
        """Forget the calls that are not confirmed; their partitions will be called for again."""
        self._calls.clear()

    def begin_again(self) -> None:
        """Forget every report and block: the first partition is called for next."""
        self.forget_calls()
        self.reports.clear()
        self.blocks.clear()
        self.arrive()

    def report_on(self, label: str) -> tuple[Report, ray.ObjectRef | None] | None:
        """Return the report on a partition with the reference to its blocks; None while it is not confirmed."""
        place = self.labels.index(label)
        return (self.reports[place], self.blocks[place]) if place < self.position else None
