"""Choice of engine: where a plan is walked, by the name that configuration gives.

`local` is this process, `ray` a cluster. `auto` decides when it knows the plan:

1. nothing is missing: local
2. in a job on a cluster (RAY_ADDRESS is set), or given an address: ray
3. on one machine: ray if its processes, which share all of the work, save more over the threads of this one than Ray
   takes to start; threads share all but what Python does between kernels
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from metabt.build.cost_estimate import seconds_missing
from metabt.build.known_blocks import known_blocks
from metabt.build.plan import Plan
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import Executor, WalkResult
from metabt.engines.local import Local
from metabt.engines.usable_cpus import usable_cpus
from metabt.errors import ConfigError, nearest
from metabt.values.ranges import plural

ENGINES = ("auto", "local", "ray")
"""Names of engines in configuration."""
START = 12.0
"""Seconds that Ray takes on one machine until its first block."""
PYTHON = 0.4
"""Part of a walk in which threads wait for each other (`benchmarks/threads.py`)."""


@dataclass(frozen=True)
class Cluster:
    """Settings of Ray."""

    address: str | None = None
    """Address of a cluster; None is RAY_ADDRESS, or a private instance on this machine."""
    workers: int | None = None
    """Number of processes that walk leaves; None is as many as the work is worth and the cluster can have."""
    dashboard: bool = False
    """Whether to start the web page of a private instance."""
    patience: int | None = None
    """Seconds that a run waits for its first processes; None is a quarter of an hour."""

    @classmethod
    def stated(cls, settings: Mapping[str, object] | None) -> Cluster:
        """Return the settings that configuration states; None and null are the defaults.

        Raises
        ------
        ConfigError
            For an unknown key, or a value of another kind than it takes.
        """
        return cls(**_stated("cluster", {"address": str, "workers": int, "dashboard": bool, "patience": int}, settings))

    def executor(self) -> Executor:
        """Return the executor on Ray."""
        from metabt.engines.ray import Ray

        more = {} if self.patience is None else {"patience": self.patience}
        return Ray(self.address, self.workers, self.dashboard, **more)


def stated_local(settings: Mapping[str, object] | None) -> Local:
    """Return the executor of this process with the settings that configuration states; null is the default.

    Raises
    ------
    ConfigError
        As `Cluster.stated`.
    """
    return Local(**_stated("local", {"threads": int}, settings))


def _stated(place: str, kinds: Mapping[str, type], settings: Mapping[str, object] | None) -> dict[str, Any]:
    """Return the settings that configuration states beneath `place`, those that are null left out; numbers are > 0."""
    found: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        if key not in kinds:
            raise ConfigError(f"{place} has no setting '{key}'{nearest(key, kinds)}")
        wanted = kinds[key]
        if value is None:
            continue
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ConfigError(f"{place}.{key} is {value!r}, wanted {wanted.__name__}, or null for the default")
        if isinstance(value, int) and wanted is int and value < 1:
            default = "one per processor" if key == "threads" else "the default"
            raise ConfigError(f"{place}.{key} is {value}, wanted at least 1, or null for {default}")
        found[key] = value
    return found


class Auto:
    """Executor that walks locally or on Ray, whichever is done sooner."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None] | None = None, local: Local | None = None) -> None:
        """Take Ray's settings; `walk` chooses, and calls `say` with a sentence that names the engine and the reason.

        `local` is the executor of this process, where it is not the default one.
        """
        self._cluster, self._say = cluster, say
        self.local = local or Local()
        """The executor of this process."""
        self._chosen: Executor = self.local

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
        saved = self._in_threads - 1 / n_cpus
        if self._whole(plan) * saved < START and not self._on_cluster:
            return False, f"at most {self._whole(plan):.1f} s of work, Ray takes {START:.0f} s to start"
        missing = seconds_missing(plan, known_blocks(plan, cache))
        if not missing:
            return False, "every block is known"
        if self._on_cluster:
            return True, f"about {missing:.0f} s of work for the cluster"
        work = (
            f"about {missing:.0f} s of work, {n_cpus} processes save {missing * saved:.0f} s over "
            f"{plural(self.local.n_threads, 'thread')}, Ray takes {START:.0f} s to start"
        )
        return missing * saved > START, work

    @property
    def _in_threads(self) -> float:
        """Seconds that threads of this process take for a second of work."""
        return PYTHON + (1 - PYTHON) / self.local.n_threads

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
    local: Mapping[str, object] | None = None,
) -> Executor:
    """Return the executor that configuration calls `engine`; an executor is returned as it is.

    Parameters
    ----------
    engine : auto, local or ray
    cluster : address, workers and dashboard of Ray, as in `conf/config.yaml`
    say : called with a sentence on what `auto` has chosen, and why; None is silence
    local : threads of this process, as in `conf/config.yaml`

    Raises
    ------
    ConfigError
        For an unknown name or setting.
    """
    if not isinstance(engine, str):
        return engine
    if engine not in ENGINES:
        raise ConfigError(f"engine is '{engine}'{nearest(engine, ENGINES)}; wanted one of {', '.join(ENGINES)}")
    stated, here = Cluster.stated(cluster), stated_local(local)
    if engine == "ray":
        return stated.executor()
    return here if engine == "local" else Auto(stated, say, here)
