"""The Ray executor: the port behind `engine=ray`.

Ray itself is imported when a plan is to be walked of which something is missing, not before.
"""

from __future__ import annotations

from dataclasses import dataclass

from metabt.build.cache import MemoryCache
from metabt.build.known_blocks import known_blocks
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import WalkResult
from metabt.engines.local import Local
from metabt.engines.ray.connection import connect
from metabt.errors import ConfigError


@dataclass(frozen=True)
class Ray:
    """On Ray: in several processes of this machine, or on a cluster."""

    address: str | None = None
    """Of a cluster; None is RAY_ADDRESS, or a private instance on this machine."""
    workers: int | None = None
    """SleeveActors; None is as many as there are processors."""
    dashboard: bool = False
    """Start the web page of a private instance."""

    name = "ray"

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Walk every node over every partition, but for roots that are walked when they are assembled.

        Raises
        ------
        ConfigError
            If there is no cluster to be had, or no room on it.
        RunError
            If the machines of the cluster would not compute the same bits, or workers keep dying.
        """
        if isinstance(cache, MemoryCache):
            raise ConfigError("engine ray: a MemoryCache lives in one process; use a lakehouse's cache, or none")
        known = known_blocks(plan, cache)
        if all(known[key] == size for key, size in plan.sizes.items() if key not in plan.fleeting):
            return Local().walk(plan, cache, progress)  # there is nothing to share out
        connect(self.address, n_cpus=self.workers, dashboard=self.dashboard)
        from metabt.engines.ray.driver import Run

        return Run(plan, cache, known, progress, self.workers).finish()
