"""A script that starts a cluster of three nodes on this machine and walks the trees of the suite on it.

`python -m tests.engines.ray.nodes CACHE FAULT` prints a JSON line: what came out, and what was killed. It is a process
of its own, because a process is connected to one cluster at a time.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from metabt.build.cache import Around
from metabt.build.cache.disk import DiskCache
from metabt.build.cache.object_store import ObjectStore
from metabt.build.ports import Sealed
from tests.shared.agreement import bits
from tests.shared.executors import NESTED, RULES, STOCKS, WRAPPED, engine, outcomes

QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
"""So that a machine that is gone is noticed within seconds."""
STORE = {"object_store_memory": 10**8}
"""Of every node."""
ROOM = 2.5e9
"""Bytes that the cluster may take before the memory counts as used up."""


def digest(tables: dict[str, Any]) -> str:
    """Return one digest of all tables of a run, but for the seconds that it took."""
    total = sha256()
    for name in sorted(set(tables) - {"stages"}):
        for column in tables[name]:
            total.update(repr((name, column)).encode())
            total.update(repr(bits(tables[name][column])).encode())
    return total.hexdigest()


class Prompt(Around):
    """A cache that has every object on disk before the next is computed, so that a kill finds some."""

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Put it, and wait."""
        sealed = super().put(key, kind, parts)
        self.flush()
        return sealed


def stored(cache: Path) -> int:
    """Return how many blocks are on disk."""
    return len(list(ObjectStore(cache).keys()))


def walk(cache: str, executor: Any) -> tuple[str, int, int]:
    """Return the digest of what came out, the blocks that were computed, and all blocks."""
    job = engine([NESTED, WRAPPED], executor=executor, cache=Prompt(DiskCache(Path(cache))))
    walked = job.run()
    found = sha256("".join(digest(job.assemble(walked, place)) for place in range(2)).encode()).hexdigest()
    return found, walked.computed, job.plan.n_blocks


def memory_in_use() -> tuple[float, float]:
    """Return bytes in use on this machine, and all that there are."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, free = (float(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return total - free, total


@contextmanager
def three_nodes(**settings: Any) -> Iterator[tuple[str, list[Any]]]:
    """Start a head without processors and two machines with one each; give its address and the two."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": {**QUICK, **settings}, **STORE}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield nodes.address, [nodes.add_node(num_cpus=1, **STORE) for _ in range(2)]
    finally:
        ray.shutdown()
        nodes.shutdown()


def main(cache: str, fault: str) -> None:
    """Walk on three nodes, of which one is lost on the way if `fault` is `raylet`, or that run out of `memory`."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ |= {"RAY_IGNORE_UNHANDLED_ERRORS": "1"}
    if fault == "memory":
        print(json.dumps(_without_memory(Path(cache))))
        return
    from metabt.engines.ray import Ray

    killed: list[int] = []
    with three_nodes() as (address, workers):
        if fault == "raylet":
            threading.Thread(target=_lose, args=(workers, Path(cache), killed), daemon=True).start()
        began = time.monotonic()
        found, computed, n_blocks = walk(cache, Ray(address=address, workers=2))
        seconds = time.monotonic() - began
    said = {"digest": found, "computed": computed, "n_blocks": n_blocks, "killed": len(killed), "seconds": seconds}
    print(json.dumps(said))


def _without_memory(cache: Path) -> list[str]:
    """Return what becomes of a tree with a sleeve that takes more memory than there is, and of one without."""
    from metabt.engines.ray import Ray

    used, total = memory_in_use()
    with three_nodes(memory_usage_threshold=(used + ROOM) / total, memory_monitor_refresh_ms=100) as (address, _):
        job = engine([hoarder(), WRAPPED], executor=Ray(address=address, workers=1), cache=DiskCache(cache))
        return [each if isinstance(each, str) else "ok" for each in outcomes(job)]


def hoarder() -> dict[str, Any]:
    """Return a tree of which one sleeve takes memory without end on the first session that it decides on."""
    hoards = {"name": "poison", "what": "hoard", "below": 1.0}
    return {"name": "victim", "defaults": RULES, "sleeves": {"bad": {"universe": STOCKS, "optimizer": hoards}}}


def _lose(workers: list[Any], cache: Path, killed: list[int]) -> None:
    """Kill the raylet of a node as soon as a few blocks are stored."""
    rng = random.Random(7)
    wanted = rng.randint(1, 6)
    while stored(cache) < wanted:
        time.sleep(0.02)
    raylet = rng.choice(workers).all_processes["raylet"][0].process
    os.kill(raylet.pid, signal.SIGKILL)
    killed.append(raylet.pid)


if __name__ == "__main__":
    main(*sys.argv[1:])
