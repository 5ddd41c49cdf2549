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

    def __init__(self, plan: Plan, given: Callable[[ActorProgress, int], Any]) -> None:
        """Take the plan; `given(lane, position)` returns what a lane needs for a partition."""
        self._plan, self._given = plan, given
        self._alone: Counter[tuple[str, str]] = Counter()
        self._suspects: dict[str, int] = {}

    def died(self, lane: ActorProgress, error: Exception) -> None:
        """Note that a lane's actor has died; another one is hired when it is next called.

        Raises
        ------
        RunError
            If that has happened too often.
        """
        lane.deaths[lane.position] += 1
        lane.release()
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
        return self._suspects.get(lane.name) == lane.next

    def examine(self, lane: ActorProgress) -> None:
        """Walk each sleeve of a suspect lane alone in its next partition; no call of the lane may be open."""
        if lane.next != lane.position:
            return
        label, note = lane.labels[lane.position], new_note()
        for key in lane.keys:
            while label in self._plan.nodes[key].partitions and key not in lane.failed:
                given = self._given(lane, lane.position)
                if given is None:
                    return  # what it needs is being made again
                try:
                    ray.get(lane.actor.probe.remote(label, lane.previous, given, key, note))
                    break
                except ray.exceptions.RayTaskError as error:
                    if isinstance(error.cause, Lost):
                        lane.begin_again()
                        return
                    raise error.cause from None
                except ray.exceptions.RayError as error:
                    lane.release()
                    self._alone[key, label] += 1
                    if self._alone[key, label] >= GUILTY:
                        lane.failed[key] = (
                            lane.position,
                            self._verdict(key, label, read(note), error),
                        )
        erase(note)
        del self._suspects[lane.name]

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
