"""Actor pool: the actors of a run, which come and go, and who of them walks which lane.

1. As many actors are hired at once as the lanes that are left can use and the cluster can grow to: those that do not
   fit yet are what an autoscaler starts machines for.
2. A lane is walked by the actor that has fewest. Where another one comes, lanes move to it, each once its open calls
   are answered; where one dies, its lanes go to the others, and another one is asked for.
3. An actor without a lane is let go, and so are some where another job of metabt has fewer than its share.
4. Until the first one comes the run waits, and says so every half a minute; it is given up after `patience` seconds, or
   at once where no machine that there is or may be has room.

Every actor asks for a part of a processor, so none is placed on a head that has none.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

import ray

from metabt.engines.ray.capacity import Capacity, capacity
from metabt.errors import ConfigError, passing
from metabt.values.ranges import plural

LOG = logging.getLogger("metabt.cluster")

SPOKEN = 30.0
"""Seconds after which a run that waits for its actors says so, again and again."""

_walks = count(1)
"""Numbers of pools of this process: names of actors are unique in a job."""


class Lane(ABC):
    """What an actor walks, and another one may go on with."""

    host: Host | None = None
    """The actor that has it; None where there is none yet."""
    _goal: Host | None = None

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether there is nothing left to do."""

    @property
    @abstractmethod
    def position(self) -> int:
        """How much of it is done."""

    @property
    @abstractmethod
    def waited_for(self) -> ray.ObjectRef | None:
        """Reference to what it is answered next; None where no call is open."""

    @abstractmethod
    def forget_calls(self) -> None:
        """Forget the calls that are not confirmed; they will be made again."""

    @abstractmethod
    def begun(self, host: Host) -> None:
        """Tell an actor that it has the lane."""

    @abstractmethod
    def left(self, host: Host) -> None:
        """Tell an actor that it has the lane no more."""

    @property
    def is_settled(self) -> bool:
        """Whether it has an actor, and does not move away from it."""
        return self.host is not None and self.host is self._goal

    def move_to(self, host: Host) -> None:
        """Go on in another actor, once the open calls are answered."""
        self._goal = host
        self.arrive()

    def end(self) -> None:
        """Leave the actor when all is confirmed."""
        self._goal = None
        self.arrive()

    def lose(self, host: Host) -> None:
        """Forget an actor that is dead, with the open calls; the lane is walked again once it has another."""
        if self._goal is host:
            self._goal = None
        if self.host is host:
            self.forget_calls()
            self.host = None
            self.arrive()

    def arrive(self) -> None:
        """Change the actor, unless calls are open or it is the one that is meant."""
        if self.waited_for is not None or self.host is self._goal:
            return
        if self.host is not None:
            self.left(self.host)
        self.host = self._goal
        if self.host is not None:
            self.begun(self.host)


@dataclass(eq=False)
class Host:
    """One actor, and the lanes that it walks."""

    actor: Any
    """Its handle."""
    arrival: ray.ObjectRef | None
    """Digest of code, libraries and platform that it computes with; None once that has been looked at."""
    lanes: list[Lane] = field(default_factory=list)
    """Lanes that it walks, or that move to it."""
    leaving: bool = False
    """Whether it is let go as soon as no call of it is open."""


@dataclass
class Need:
    """What each actor of a pool asks for."""

    kind: Any
    """Its remote class."""
    cpus: float
    """Processors."""
    memory: int
    """Bytes."""
    most: int
    """Largest number of them."""


class ActorPool:
    """Actors of one kind, and their lanes."""

    def __init__(
        self,
        name: str,
        need: Need,
        lanes: Sequence[Lane],
        passed_on: tuple[ray.ObjectRef, ...],
        patience: float,
        look: Callable[[], Capacity] = capacity,
    ) -> None:
        """Take the lanes that are to be walked, and what each actor is begun with; nothing is hired yet."""
        self.name, self.need, self.lanes = name, need, list(lanes)
        self.hosts: list[Host] = []
        self.share = need.most
        """Number of actors that are its part of the cluster."""
        self.yields = False
        """Whether another job has fewer than its part."""
        self._passed_on, self._patience, self._look = passed_on, patience, look
        self._n_hired, self._walk = 0, next(_walks)
        self._waits_since: float | None = None
        self._spoken_at = 0.0

    @property
    def n_wanted(self) -> int:
        """How many actors are of use: one for each lane that is not done."""
        return min(self.need.most, sum(not lane.done for lane in self.lanes))

    @property
    def working(self) -> list[Host]:
        """Actors that are there and stay."""
        return [host for host in self.hosts if host.arrival is None and not host.leaving]

    @property
    def awaited(self) -> dict[ray.ObjectRef, Host]:
        """Actors that have been asked for and are not there, by what they answer first."""
        return {host.arrival: host for host in self.hosts if host.arrival is not None}

    def settle(self) -> None:
        """Hire and let go, and give every lane that is not done to an actor, if there is any.

        Raises
        ------
        ConfigError
            If no actor is there, and none can come or has come for too long.
        """
        self._let_go()
        while len(self.hosts) < min(self.n_wanted, self.share if self.yields else self.need.most):
            self._hire()
        self._give_out()
        self._wait()

    def _hire(self) -> None:
        actor = self.need.kind.options(
            num_cpus=self.need.cpus,
            memory=self.need.memory,
            scheduling_strategy="SPREAD",
            name=f"{self.name} {self._n_hired} of job {ray.get_runtime_context().get_job_id()}, walk {self._walk}",
        ).remote(*self._passed_on)
        self._n_hired += 1
        self.hosts.append(Host(actor, actor.basis.remote()))

    def _let_go(self) -> None:
        """End actors that are of no use any more: those that have not come first, and then those without a lane."""
        for host in self.hosts:
            for lane in [lane for lane in host.lanes if lane.done]:
                host.lanes.remove(lane)
                lane.end()
        busy = {id(lane.host) for lane in self.lanes if lane.host is not None}
        idle = [host for host in self.hosts if not host.lanes and id(host) not in busy]
        surplus = max(len(self.hosts) - self.n_wanted, 0)
        for host in sorted(idle, key=lambda host: host.arrival is None)[:surplus]:
            self.end(host)
        for host in self.working[self.share :] if self.yields else ():
            host.leaving = True
        for host in [host for host in idle if host.leaving and host in self.hosts]:
            self.end(host)

    def _give_out(self) -> None:
        """Spread the lanes that are not done evenly over the actors that stay."""
        working = self.working
        if not working:
            return
        homes = {id(lane) for host in working for lane in host.lanes}
        for host in self.hosts:
            if host.leaving:
                host.lanes.clear()
        for lane in self.lanes:
            if not lane.done and id(lane) not in homes:
                self._take(min(working, key=lambda host: len(host.lanes)), lane)
        while True:
            fewest, most = (pick(working, key=lambda host: len(host.lanes)) for pick in (min, max))
            if len(most.lanes) - len(fewest.lanes) < 2:
                return
            # one that is further is nearer to its end: what has most left to do moves
            lane = min(most.lanes, key=lambda lane: lane.position)
            most.lanes.remove(lane)
            self._take(fewest, lane)

    @staticmethod
    def _take(host: Host, lane: Lane) -> None:
        host.lanes.append(lane)
        lane.move_to(host)

    def _wait(self) -> None:
        """Say that no actor is there, or raise where none can come, or has come for too long."""
        now = monotonic()
        if self.working or not self.n_wanted:
            self._waits_since = None
            return
        if self._waits_since is None:
            self._waits_since = self._spoken_at = now
        there, waited = self._look(), now - self._waits_since
        if 0 < there.memory < self.need.memory:
            self._ask_for_less(int(there.memory / 2))
        which = "which asks" if self.n_wanted == 1 else "each of which asks"
        asks = f"{plural(self.n_wanted, 'actor')} for {self.name}, {which} for {self.need.cpus:g} CPU"
        asks += f" and {self.need.memory / 1e6:,.0f} MB"
        has = f"the cluster has {there.n_cpus:g} CPUs"
        if there.widest is not None and there.widest < self.need.cpus:
            raise ConfigError(
                f"engine ray: no room for {asks}: the largest machine that the cluster has or can start has "
                f"{there.widest:g} CPU; give its workers more CPUs"
            )
        if waited > self._patience:
            raise passing(
                ConfigError(
                    f"engine ray: no room for {asks}, within {waited:.0f} s; {has}; add machines, end other jobs, or "
                    "raise cluster.patience (seconds)"
                )
            )
        if now - self._spoken_at > SPOKEN:
            self._spoken_at = now
            LOG.warning("waiting for %s; %s; %.0f of %.0f s", asks, has, waited, self._patience)

    def _ask_for_less(self, memory: int) -> None:
        """Ask anew, since no machine that is there has the memory that was estimated, which is a guess."""
        LOG.warning(
            "actors for %s are estimated to take %.0f MB, the largest machine has %.0f: they are tried all the same",
            self.name,
            self.need.memory / 1e6,
            2 * memory / 1e6,
        )
        self.need.memory = memory
        for host in list(self.hosts):
            self.end(host)
        self.settle()

    def lost(self, host: Host) -> None:
        """Forget an actor that is dead, with its open calls; its lanes are homeless until `settle`."""
        for lane in self.lanes:
            lane.lose(host)
        host.lanes.clear()
        self.end(host)

    def end(self, host: Host) -> None:
        """End an actor; one that is dead already stays so."""
        ray.kill(host.actor)
        self.hosts.remove(host)

    def close(self) -> None:
        """End all actors."""
        for host in list(self.hosts):
            self.end(host)
