"""Choice of engine: where a plan is walked, by the name that configuration gives.

`local` is this process, `ray` a cluster. `auto` decides when it knows the plan:

1. nothing is missing, or Ray is not installed: local
2. in a job on a cluster (RAY_ADDRESS is set), or given an address: ray
3. on one machine: ray if the work that is missing, shared by its processors, saves more than Ray takes to start
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from metabt.build.cost_estimate import seconds_missing
from metabt.build.known_blocks import known_blocks
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import Executor, WalkResult
from metabt.engines.local import Local
from metabt.engines.usable_cpus import usable_cpus
from metabt.errors import ConfigError, nearest

ENGINES = ("auto", "local", "ray")
"""Names of engines in configuration."""
START = 12.0
"""Seconds that Ray takes on one machine until its first block."""


@dataclass(frozen=True)
class Cluster:
    """Settings of Ray."""

    address: str | None = None
    """Address of a cluster; None is RAY_ADDRESS, or a private instance on this machine."""
    workers: int | None = None
    """Number of processes that walk leaves; None is one per processor."""
    dashboard: bool = False
    """Whether to start the web page of a private instance."""

    @classmethod
    def stated(cls, settings: Mapping[str, object] | None) -> Cluster:
        """Return the settings that configuration states; None and null are the defaults.

        Raises
        ------
        ConfigError
            For an unknown key, or a value of another kind than it takes.
        """
        kinds = {"address": str, "workers": int, "dashboard": bool}
        for key, value in (settings or {}).items():
            if key not in kinds:
                raise ConfigError(f"cluster has no setting '{key}'{nearest(key, kinds)}")
            wanted = kinds[key]
            if value is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
                raise ConfigError(f"cluster.{key} is {value!r}, wanted {wanted.__name__}, or null for the default")
        given: dict[str, Any] = {key: value for key, value in (settings or {}).items() if value is not None}
        found = cls(**given)
        if found.workers is not None and found.workers < 1:
            raise ConfigError(f"cluster.workers is {found.workers}, wanted at least 1, or null for one per processor")
        return found

    def executor(self) -> Executor:
        """Return the executor on Ray."""
        from metabt.engines.ray import Ray

        return Ray(self.address, self.workers, self.dashboard)


class Auto:
    """Executor that walks locally or on Ray, whichever is done sooner."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None] | None = None) -> None:
        """Take Ray's settings; `walk` chooses, and calls `say` with a sentence that names the engine and the reason."""
        self._cluster, self._say = cluster, say
        self._chosen: Executor = Local()

    @property
    def name(self) -> str:
        """Name of the engine that was chosen; local before `walk`."""
        return self._chosen.name

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Choose, and walk every node over every partition."""
        return self.chosen(plan, cache).walk(plan, cache, progress)

    def chosen(self, plan: Plan, cache: Cache) -> Executor:
        """Return the executor that walks a plan, or parts of it."""
        use_ray, why = self._choice(plan, cache)
        if use_ray:
            self._chosen = self._cluster.executor()
        if self._say:
            self._say(f"engine {self.name}: {why}")
        return self._chosen

    def _choice(self, plan: Plan, cache: Cache) -> tuple[bool, str]:
        n_cpus = self._cluster.workers or usable_cpus()
        if self._whole(plan) * (1 - 1 / n_cpus) < START and not self._on_cluster:
            return False, f"at most {self._whole(plan):.1f} s of work, Ray takes {START:.0f} s to start"
        missing = seconds_missing(plan, known_blocks(plan, cache))
        if not missing:
            return False, "every block is known"
        if find_spec("ray") is None:
            return (
                False,
                f'about {missing:.0f} s of work; with Ray (pip install "metabt[ray]") {n_cpus} processors share it',
            )
        if self._on_cluster:
            return True, f"about {missing:.0f} s of work for the cluster"
        saved = missing * (1 - 1 / n_cpus)
        work = (
            f"about {missing:.0f} s of work, {n_cpus} processors save {saved:.0f} s, Ray takes {START:.0f} s to start"
        )
        return saved > START, work

    @property
    def _on_cluster(self) -> bool:
        return bool(self._cluster.address or os.environ.get("RAY_ADDRESS"))

    @staticmethod
    def _whole(plan: Plan) -> float:
        return seconds_missing(plan, {})


def executor_of(
    engine: str | Executor,
    cluster: Mapping[str, object] | None = None,
    say: Callable[[str], None] | None = None,
) -> Executor:
    """Return the executor that configuration calls `engine`; an executor is returned as it is.

    Parameters
    ----------
    engine : auto, local or ray
    cluster : address, workers and dashboard of Ray, as in `conf/config.yaml`
    say : called with a sentence on what `auto` has chosen, and why; None is silence

    Raises
    ------
    ConfigError
        For an unknown name or setting, or if Ray is wanted and not installed.
    """
    if not isinstance(engine, str):
        return engine
    if engine not in ENGINES:
        raise ConfigError(f"engine is '{engine}'{nearest(engine, ENGINES)}; wanted one of {', '.join(ENGINES)}")
    stated = Cluster.stated(cluster)
    if engine == "ray":
        return stated.executor()
    return Local() if engine == "local" else Auto(stated, say)
