"""The Ray executor, which `engine=ray` names.

Ray itself is imported when a plan with missing blocks is walked, not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metabt.build.cache import MemoryCache
from metabt.build.cost_estimate import seconds_missing
from metabt.build.known_blocks import known_blocks
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import WalkResult
from metabt.engines.local import Local
from metabt.engines.ray.connection import connect
from metabt.engines.tree_groups import TREE, Finished, View
from metabt.errors import ConfigError
from metabt.values.arguments import flag, whole, word

if TYPE_CHECKING:
    from metabt.lakehouse.runs.run_files import Desk

WORTH = 10.0
"""Seconds of assembling alone that are worth other processes."""
PATIENCE = 900
"""Seconds that a run waits for its first processes, if nothing else is stated."""


@dataclass(frozen=True)
class Ray:
    """Executor that walks in several processes, of this machine or of a cluster: `backtest(..., engine=Ray())`."""

    address: str | None = None
    """Address of a cluster; None is RAY_ADDRESS, or a private instance on this machine, which ends with the process."""
    workers: int | None = None
    """Number of processes that walk leaves; None is as many as the work is worth and the cluster can have."""
    dashboard: bool = False
    """Whether to start the web page of a private instance."""
    patience: int = PATIENCE
    """Seconds that a run waits for its first processes, of which a cluster may have to start the machines."""

    name = "ray"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        ConfigError
            For an address that is no text, a number of workers below 1, or a patience below a second.
        """
        word("address", self.address)
        if self.workers is not None:
            whole("workers", self.workers, 1)
        flag("dashboard", self.dashboard)
        whole("patience", self.patience, 1)

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Walk every node over every partition, but for roots that are walked when they are assembled.

        The engine calls it. Where every block is known already, Ray is not started.

        Parameters
        ----------
        plan : Plan
            What to walk (metabt.build.plan).
        cache : Cache
            Where blocks are remembered; every process must be able to reach it.
        progress : callable, optional
            Called as `progress(done, blocks, last)`; None is silence.

        Returns
        -------
        WalkResult
            The walked sleeves, for `BacktestEngine.assemble`.

        Raises
        ------
        ConfigError
            If no cluster answers, it has no room, or the cache is a MemoryCache.
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

        return Run(plan, cache, known, progress, self.workers, self.patience).finish()

    def finish_trees(
        self, plan: Plan, cache: Cache, views: Sequence[View], keep: str, desk: Desk
    ) -> Iterator[Finished] | None:
        """Return what walks and assembles the trees of a sweep, group by group, by the processes that own them.

        Parameters
        ----------
        plan : Plan
            The forest.
        cache : Cache
            Where blocks are remembered; every process must be able to reach it.
        views : sequence of View
            How each of its trees is shown.
        keep : {"all", "summary"}
            Which tables are made.
        desk : Desk
            Where they are written; every process must be able to reach it.

        Returns
        -------
        iterator of Finished, or None
            What became of each group, as it is done; None where that is left to this process: where nothing is
            remembered, or hardly anything is to be done.

        Raises
        ------
        ConfigError, RunError
            As `walk`, when the first group is taken.
        """
        known = known_blocks(plan, cache)
        if not cache.remembers or (not seconds_missing(plan, known) and TREE * len(plan.trees) < WORTH):
            return None
        connect(self.address, n_cpus=self.workers, dashboard=self.dashboard)
        from metabt.engines.ray.group_sweep import GroupSweep

        return GroupSweep(plan, cache, known, views, keep, desk, self.workers, self.patience).finished()
