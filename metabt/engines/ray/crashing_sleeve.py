"""Crashing sleeve: which sleeve ends its process, when an actor dies again and again in one partition.

1. A first death is bad luck: machines fail. After the second in one partition the lane is suspect.
2. Each of its sleeves is then walked alone, and notes down which session it decides on.
3. One that ends its process twice like that is not walked any further: it fails, and what stands above it, with the
   session, the partition and how much memory it wanted. The others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import ray

from metabt.build.plan import Plan
from metabt.build.shard import Lost
from metabt.engines.ray.actor_pool import Host
from metabt.engines.ray.actor_progress import ActorProgress
from metabt.engines.ray.head_notes import erase, new_note, read
from metabt.errors import RunError

SUSPECT = 2
"""Deaths in one partition after which its sleeves are walked alone."""
GUILTY = 2
"""Deaths of a process that walks one sleeve alone after which it is the sleeve's doing."""
HOPELESS = 12
"""Deaths in one partition after which the run is given up."""


class CrashingSleeve:
    """Finds the sleeves that end the processes of their actors."""

    def __init__(self, plan: Plan, given: Callable[[ActorProgress, int], Any], lost: Callable[[Host], None]) -> None:
        """Take the plan; `given(lane, position)` returns what a lane needs for a partition, `lost` forgets an actor."""
        self._plan, self._given, self._lost = plan, given, lost
        self._alone: Counter[tuple[str, str]] = Counter()
        self._innocent: set[tuple[str, str]] = set()
        self._suspects: dict[str, int] = {}

    def died(self, lane: ActorProgress, error: Exception) -> None:
        """Note that an actor has died that had a call of the lane.

        Raises
        ------
        RunError
            If that has happened too often.
        """
        lane.deaths[lane.position] += 1
        if lane.deaths[lane.position] >= HOPELESS:
            raise RunError(
                f"engine ray: workers died {HOPELESS} times in partition {lane.labels[lane.position]}, although each "
                f"sleeve of '{lane.name}' can be walked alone; the last time: {_first(error)}; give them more "
                "memory, or use fewer workers a machine"
            )
        if lane.deaths[lane.position] >= SUSPECT:
            self._suspects[lane.name] = lane.position

    def of(self, lane: ActorProgress) -> bool:
        """Return whether a lane is suspect in the partition that it is to walk next."""
        return bool(self._suspects) and self._suspects.get(lane.name) == lane.next

    def __bool__(self) -> bool:
        """Return whether any lane is suspect."""
        return bool(self._suspects)

    def examine(self, lane: ActorProgress) -> None:
        """Walk each sleeve of a suspect lane alone in its next partition, as far as its actor lives.

        No call of the actor may be open. Where the actor ends it is forgotten, and the lane is examined further in the
        next one.
        """
        if lane.host is None or lane.next != lane.position:
            return
        label = lane.labels[lane.position]
        for key in lane.keys:
            innocent = key in lane.failed or (key, label) in self._innocent
            if label in self._plan.nodes[key].partitions and not innocent:
                given = self._given(lane, lane.position)
                if given is None or not self._survives(lane, given, key):
                    return  # what it needs is being made again, or another actor must come
                self._innocent.add((key, label))
        del self._suspects[lane.name]

    def _survives(self, lane: ActorProgress, given: Any, key: str) -> bool:
        """Return whether an actor has walked a sleeve alone; False where it must be asked for again later."""
        assert lane.host is not None
        label, host, note = lane.labels[lane.position], lane.host, new_note()
        try:
            ray.get(host.actor.probe.remote(lane.name, label, lane.previous, given, key, note, lane.carried()))
        except ray.exceptions.RayTaskError as error:
            if not isinstance(error.cause, Lost):
                raise error.cause from None
            lane.begin_again()
            return False
        except ray.exceptions.RayError as error:
            self._lost(host)
            self._alone[key, label] += 1
            if self._alone[key, label] >= GUILTY:
                lane.failed[key] = (lane.position, self._verdict(key, label, read(note), error))
            return False
        finally:
            erase(note)
        return True

    def _verdict(self, key: str, label: str, session: str, error: Exception) -> str:
        node = self._plan.nodes[key]
        when = f"{session}: " if session else ""
        what = "it ran out of memory" if _of_memory(error) else "it ends its process"
        footprint = node.footprint(node.partitions[label])
        return (
            f"sleeve '{node.label}': {when}{what} in partition {label}, whose windows take {footprint} "
            f"({_first(error)}); mend its estimator, shorten its lookback or universe, or give workers more memory"
        )


def _of_memory(error: Exception) -> bool:
    # of a process that was killed without a word Ray says that it may have been for want of memory: that is no finding
    return isinstance(error, ray.exceptions.OutOfMemoryError) or "running low on memory" in str(error)


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
