"""Metrics of runs, as every node of the cluster exports them for Prometheus, under the prefix `ray_`.

1. `metabt_blocks`: blocks of runs, by kind of sleeve and by whether they were computed or found.
2. `metabt_stage_seconds`: seconds of processor that computing them took, by stage.
3. `metabt_stored_bytes`: bytes of blocks that were put into the cache.
4. `metabt_actor_deaths`: actors that were lost while a run wanted them, by pool; each is a retry of what they did.
5. `metabt_actors`: actors that are at work, by pool.

The first four are counters, which Prometheus sees with `_total` at the end. Tags are few and have few values: no run,
no portfolio and no partition is one, for each value is a series that Prometheus keeps. All are told by the driver,
which exports the last of them when it ends; what is walked again after a loss counts again.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import Any

from ray.util.metrics import Counter, Gauge

from metabt.build.plan import Plan
from metabt.build.ports import Cache, Lap
from metabt.build.shard import Report
from metabt.build.walk_result import WalkResult
from metabt.engines.tree_groups import Finished
from metabt.portfolio.sleeve import Leaf


class Metrics:
    """The numbers of one run; those of all runs of a process add up."""

    def __init__(self) -> None:
        """Make them known to Ray, to which this process is connected."""
        self._blocks = Counter("metabt_blocks", "Blocks of sleeves, computed or found.", ("kind", "outcome"))
        self._seconds = Counter("metabt_stage_seconds", "Seconds of processor, by stage of the walk.", ("stage",))
        self._bytes = Counter("metabt_stored_bytes", "Bytes of blocks that were put into the cache.")
        self._deaths = Counter("metabt_actor_deaths", "Actors lost while a run wanted them.", ("pool",))
        self._actors = Gauge("metabt_actors", "Actors at work.", ("pool",))

    def reported(self, plan: Plan, report: Report) -> None:
        """Count what a shard has done of one partition of a plan."""
        outcomes = Tally(
            (_kind(plan, key), "found" if mark.found else "computed") for key, mark in report.steps.items()
        )
        for (kind, outcome), count in outcomes.items():
            self._inc(self._blocks, count, kind=kind, outcome=outcome)
        self._add(stage_seconds(lap for mark in report.steps.values() for lap in mark.laps), report.stored_bytes)

    def finished(self, plan: Plan, group: Finished) -> None:
        """Count what became of a group of trees, whose own plan is given."""
        leaves = sum(size for key, size in plan.sizes.items() if _kind(plan, key) == "leaf")
        computed = {"leaf": group.computed_leaves, "meta": group.computed - group.computed_leaves}
        for kind, size in (("leaf", leaves), ("meta", plan.n_blocks - leaves)):
            self._inc(self._blocks, computed[kind], kind=kind, outcome="computed")
            self._inc(self._blocks, size - computed[kind], kind=kind, outcome="found")
        self._add(group.stages, group.stored_bytes)

    def actors(self, pool: str, count: int) -> None:
        """Say how many actors of a pool are at work."""
        self._actors.set(count, {"pool": pool})

    def died(self, pool: str) -> None:
        """Count an actor of a pool that is lost."""
        self._inc(self._deaths, 1, pool=pool)

    def _add(self, stages: Mapping[str, float], stored_bytes: int) -> None:
        for stage, seconds in stages.items():
            self._inc(self._seconds, seconds, stage=stage)
        self._inc(self._bytes, stored_bytes)

    @staticmethod
    def _inc(counter: Any, value: float, **tags: str) -> None:
        if value > 0:  # Ray refuses to count nothing
            counter.inc(value, tags)


def stage_seconds(laps: Iterable[Lap]) -> dict[str, float]:
    """Return stage -> seconds of processor that computing took, without what was found."""
    found: dict[str, float] = {}
    for lap in laps:
        if not lap.cache_hit:
            found[lap.stage] = found.get(lap.stage, 0.0) + lap.seconds
    return found


def walked_seconds(walked: WalkResult) -> dict[str, float]:
    """Return stage -> seconds of processor that the computed blocks of a walk took."""
    return stage_seconds(lap for walk in walked.walks.values() for lap in walk.laps)


def put_bytes(cache: Cache) -> int:
    """Return the bytes that this process has put into a cache; 0 where nothing is remembered."""
    return int(getattr(cache, "put_bytes", 0))


def _kind(plan: Plan, key: str) -> str:
    return "leaf" if isinstance(plan.nodes[key].spec, Leaf) else "meta"
