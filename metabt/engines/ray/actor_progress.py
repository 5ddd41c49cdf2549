"""Actor progress: one actor's way (a lane) through the partitions, as the driver sees it.

1. Calls are made in time order, two at a time, each naming the report that it continues from.
2. What comes back is confirmed in the same order: a report, and a reference to the blocks.
3. When the actor dies, calls that are not confirmed are forgotten and a new actor continues from the last report.
   When it cannot, because that is not stored, the lane begins again; what was published meanwhile is found.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import ray

from metabt.build.plan import Plan
from metabt.build.shard import Report

CALLS = 2
"""Largest number of calls that an actor has not answered: while one is settled, the next one is being done."""


@dataclass
class ActorProgress:
    """One actor and its way through the partitions (a lane)."""

    name: str
    """Its name in messages."""
    keys: tuple[str, ...]
    """Spec digests of its sleeves, children first."""
    labels: tuple[str, ...]
    """Partitions in which any of them has sessions, in time order."""
    hire: Callable[[tuple[str, ...], bool], Any]
    """Returns a new actor for some sleeves, which may have to take the place of one that died."""
    sources: Sequence[ActorProgress] = ()
    """Lanes whose sleeves stand beneath its own."""
    reports: list[Report] = field(default_factory=list)
    """Confirmed, one per partition."""
    blocks: list[ray.ObjectRef | None] = field(default_factory=list)
    """References to their blocks; None where no other lane needs them any more."""
    failed: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Spec digest -> the position from which on a sleeve is not walked, and why: it ends its process."""
    deaths: Counter[int] = field(default_factory=Counter)
    """Position -> how often the actor died there."""
    arrival: ray.ObjectRef | None = None
    """Digest of code, libraries and platform that the actor computes with, once it is there."""
    hired_at: float = 0.0
    """Seconds on this process's clock."""
    _actor: Any = None
    _calls: deque[tuple[ray.ObjectRef, ray.ObjectRef]] = field(default_factory=deque)

    @classmethod
    def over(
        cls, name: str, keys: tuple[str, ...], plan: Plan, hire: Callable[[tuple[str, ...], bool], Any], **more: Any
    ) -> ActorProgress:
        """Return the lane of some sleeves through the partitions in which they have sessions."""
        own = {label for key in keys for label in plan.nodes[key].partitions}
        return cls(name, keys, tuple(label for label in plan.labels if label in own), hire, **more)

    def arrive(self) -> None:
        """Hire an actor ahead of the first call, unless there is one; its start then overlaps with other work."""
        _ = self.actor

    @property
    def actor(self) -> Any:
        """The actor, hired when it is first needed."""
        if self._actor is None:
            self._actor = self.hire(self.keys, bool(self.deaths))
            self.arrival, self.hired_at = self._actor.basis.remote(), monotonic()
        return self._actor

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
        """Whether another call may be made."""
        return len(self._calls) < CALLS and self.next < len(self.labels)

    @property
    def waited_for(self) -> ray.ObjectRef | None:
        """Reference to the report that comes next; None where no call is open."""
        return self._calls[0][0] if self._calls else None

    def call(self, given: Any) -> None:
        """Call the actor for the next partition; `given` are the prices, or the blocks beneath, that it needs."""
        failed = {key: why for key, (position, why) in self.failed.items() if position <= self.next}
        self._calls.append(self.actor.advance.remote(self.labels[self.next], self.previous, given, failed))

    @property
    def previous(self) -> Report | ray.ObjectRef | None:
        """The report that the next call continues from, or the reference to it while it is being made."""
        if self._calls:
            return self._calls[-1][0]
        return self.reports[-1] if self.reports else None

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
        return report

    def forget_calls(self) -> None:
        """Forget the calls that are not confirmed; their partitions will be called for again."""
        self._calls.clear()

    def begin_again(self) -> None:
        """Forget every report and block: the first partition is called for next."""
        self.forget_calls()
        self.reports.clear()
        self.blocks.clear()

    def release(self) -> None:
        """End the actor; a new one is hired when there is more to do."""
        self.forget_calls()
        if self._actor is not None:
            ray.kill(self._actor)  # one that is dead already stays so
            self._actor = self.arrival = None

    def report_on(self, label: str) -> tuple[Report, ray.ObjectRef | None] | None:
        """Return the report on a partition with the reference to its blocks; None while it is not confirmed."""
        place = self.labels.index(label)
        return (self.reports[place], self.blocks[place]) if place < self.position else None
