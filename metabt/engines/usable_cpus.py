"""Usable processors: how many of a machine's this process may keep busy.

1. Those that it is bound to (affinity: taskset, cpusets), where the system says so; else all.
2. At most as many as the quota of its control group pays for, or of any group above: what `docker --cpus` and a pod's
   limit set. A part of a processor counts as one.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def usable_cpus(root: Path = Path("/")) -> int:
    """Return how many processors this process may keep busy, at least one; `root` is where `proc` and `sys` lie."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *(math.ceil(quota) for quota in _quotas(root))]))


def default_threads() -> int:
    """Return on how many threads this process walks where nothing is stated: one in a process that Ray has started."""
    return 1 if _is_ray_worker() else usable_cpus()


def _is_ray_worker() -> bool:
    """Return whether this is a task or an actor of Ray, whose processors others count on as well."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized() and ray.get_runtime_context().worker.mode == ray.WORKER_MODE


def _quotas(root: Path) -> Iterator[float]:
    """Yield the processors that each control group of the process pays for, of those that have a limit."""
    for group, is_second in own_groups(root, "cpu"):
        yield from _quota(group, is_second)


def own_groups(root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """Yield the folders of a controller's groups that the process is in, each before those above it.

    The flag says whether they are of version 2 of control groups; `root` is where `proc` and `sys` lie.
    """
    for controllers, group in _groups(root / "proc/self/cgroup"):
        is_second = not controllers
        if is_second or controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" if is_second else root / "sys/fs/cgroup" / controller
            for place in (PurePosixPath(group), *PurePosixPath(group).parents):
                yield mount / str(place).strip("/"), is_second


def _groups(file: Path) -> Iterator[tuple[str, str]]:
    """Yield (controllers, path) of the groups that a process is in; version 2 names no controllers."""
    for line in words(file, "\n"):
        parts = line.split(":", 2)
        if len(parts) == 3:
            yield parts[1], parts[2]


def _quota(group: Path, is_second: bool) -> Iterator[float]:
    if is_second:
        quota = words(group / "cpu.max")
    else:
        quota = words(group / "cpu.cfs_quota_us") + words(group / "cpu.cfs_period_us")
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit() and int(quota[1]):
        yield int(quota[0]) / int(quota[1])


def words(file: Path, separator: str | None = None) -> list[str]:
    """Return the words of a file, or its parts between separators; nothing of one that cannot be read."""
    try:
        return file.read_text(encoding="utf-8").split(separator)
    except OSError:  # another system, or a group that is not shown to this process
        return []
