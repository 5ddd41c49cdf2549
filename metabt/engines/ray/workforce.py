"""Workforce: all actors of a run, beside the other jobs of the cluster.

1. How many are worth their start follows from the work, and from what the cluster can grow to.
2. One that comes is looked at: its code, libraries and processor must give the bits that this process's would.
3. Where other jobs want some of the cluster, all share it (metabt.engines.ray.fair_share).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from math import ceil
from time import monotonic
from typing import Any

import ray

from metabt.build.keys import plan_basis
from metabt.build.plan import Plan
from metabt.engines.ray.actor_pool import ActorPool
from metabt.engines.ray.capacity import capacity
from metabt.engines.ray.fair_share import FairShare, fair_share
from metabt.engines.ray.monitoring.metrics import Metrics
from metabt.errors import ConfigError, RunError, passing

LOG = logging.getLogger("metabt.cluster")

WORTH = 10.0
"""Seconds of work that an actor is worth: with less, its start is most of what it does."""
MOST = 512
"""Actors, at most; each of their lanes takes the driver some milliseconds a partition."""
LISTEN = 5.0
"""Seconds to wait for an answer before looking around."""
HOPELESS = 12
"""Actors that end before they have begun after which a run is given up."""


def n_worth(seconds: float) -> int:
    """Return how many actors some seconds of work are worth, and the cluster can ever have room for; at least 1."""
    there = capacity()
    fit = MOST if there.most is None else min(MOST, int(there.most))
    return max(1, min(ceil(seconds / WORTH), fit))


def cause_of(error: ray.exceptions.RayTaskError) -> Exception:
    """Return what was raised in an actor, as it is to be raised here."""
    if isinstance(error.cause, ConfigError):
        return ConfigError(f"on a worker: {error.cause}; install there what is installed here")
    cause: Exception = error.cause
    return cause


class Workforce:
    """The actors of a run, in pools of their own kind; the first pool shares the cluster with other jobs."""

    def __init__(self, pools: Sequence[ActorPool], plan: Plan, welcome: Callable[[], None] = lambda: None) -> None:
        """Take the pools, and the plan that says what bits depend on; `welcome` is called when an actor is there."""
        self.pools, self._plan, self._welcome = list(pools), plan, welcome
        self._shares, self._shared_at, self._n_lost = FairShare(), 0.0, 0
        self.metrics = Metrics()
        """What the run tells whoever operates the cluster."""

    @property
    def awaited(self) -> list[ray.ObjectRef]:
        """What those that have not come will answer first."""
        return [reference for pool in self.pools for reference in pool.awaited]

    @property
    def n_working(self) -> int:
        """How many actors are there."""
        return sum(len(pool.working) for pool in self.pools)

    def settle(self) -> None:
        """Take in who has come, and have every pool hire, let go, and give its lanes out.

        Raises
        ------
        ConfigError
            As `ActorPool.settle`, or if an actor lacks what is installed here.
        RunError
            If an actor would compute other bits, or they keep ending before they have begun.
        """
        self._take_in()
        self._share()
        for pool in self.pools:
            pool.settle()
            self.metrics.actors(pool.name, len(pool.working))

    def _take_in(self) -> None:
        for pool in self.pools:
            awaited = pool.awaited
            there, _ = ray.wait(list(awaited), num_returns=len(awaited), timeout=0) if awaited else ([], [])
            for reference in there:
                host = awaited[reference]
                host.arrival = None
                try:
                    self._check_basis(pool, ray.get(reference))
                except ray.exceptions.RayTaskError as error:
                    raise cause_of(error) from None
                except ray.exceptions.RayError as error:
                    self._n_lost += 1
                    self.metrics.died(pool.name)
                    pool.lost(host)
                    if self._n_lost >= HOPELESS:
                        said = f"engine ray: {HOPELESS} actors ended before they had begun; the last one: {error}"
                        raise passing(RunError(said)) from None
                else:
                    self._welcome()
                    LOG.info("%d actors for %s are there", len(pool.working), pool.name)

    def _check_basis(self, pool: ActorPool, found: str) -> None:
        if found != plan_basis(self._plan):
            raise RunError(
                f"engine ray: an actor for {pool.name} computes with other code, library versions, plug-ins or "
                "another kind of processor than this process, so its bits could differ; start the cluster from the "
                "environment of the driver, on machines of one kind, and this process anew after an edit of a plug-in"
            )

    def _share(self) -> None:
        """Leave the actors of other jobs of this cluster what is theirs, now and then."""
        pool, now = self.pools[0], monotonic()
        if now - self._shared_at < LISTEN:
            return
        self._shared_at = now
        self._shares.say(pool.n_wanted, len(pool.working))
        others = self._shares.others()
        there = int(capacity().n_cpus / pool.need.cpus)
        wants = [wanted for wanted, _ in others]
        pool.share = fair_share(there, [pool.n_wanted, *wants]) if there else pool.need.most
        pool.yields = any(
            had < fair_share(there, [wanted, pool.n_wanted, *wants[:place], *wants[place + 1 :]])
            for place, (wanted, had) in enumerate(others)
            if there
        )

    def lost(self, host: Any) -> None:
        """Forget an actor that is dead."""
        for pool in self.pools:
            if host in pool.hosts:
                self.metrics.died(pool.name)
                pool.lost(host)

    def close(self) -> None:
        """End all actors, and take back what was said to other jobs."""
        self._shares.close()
        for pool in self.pools:
            pool.close()
            self.metrics.actors(pool.name, 0)
