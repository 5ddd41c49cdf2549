"""A script that starts a cluster of three nodes on this machine and walks the trees of the suite on it.

`python -m tests.cluster.nodes CACHE FAULT` prints a JSON line: what came out, and what was killed. It is a process of
its own, because a process is connected to one cluster at a time.
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
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.cluster.test_executor import NESTED, WRAPPED, engine
from tests.test_engine import bits

QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
"""So that a machine that is gone is noticed within seconds."""


def digest(tables: dict[str, Any]) -> str:
    """Return one digest of all tables of a run, but for the seconds that it took."""
    total = sha256()
    for name in sorted(set(tables) - {"stages"}):
        for column in tables[name]:
            total.update(repr((name, column)).encode())
            total.update(repr(bits(tables[name][column])).encode())
    return total.hexdigest()


def walk(cache: str, executor: Any) -> tuple[str, int, int]:
    """Return the digest of what came out, the blocks that were computed, and all blocks."""
    from metabt.cache.disk import DiskCache

    job = engine([NESTED, WRAPPED], executor=executor, cache=DiskCache(Path(cache)))
    walked = job.run()
    found = sha256("".join(digest(job.assemble(walked, place)) for place in range(2)).encode()).hexdigest()
    return found, walked.computed, job.plan.n_blocks


def main(cache: str, fault: str) -> None:
    """Walk on three nodes, of which one is lost on the way if `fault` is `raylet`."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ |= {"RAY_IGNORE_UNHANDLED_ERRORS": "1"}
    import ray
    from ray.cluster_utils import Cluster

    from metabt.cluster import Ray

    nodes = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": False,
            "_system_config": QUICK,
            "object_store_memory": 10**8,
        },
    )
    try:
        workers = [nodes.add_node(num_cpus=1, object_store_memory=10**8) for _ in range(2)]
        killed: list[int] = []
        if fault == "raylet":
            threading.Thread(target=_lose, args=(workers, Path(cache), killed), daemon=True).start()
        began = time.monotonic()
        found, computed, n_blocks = walk(cache, Ray(address=nodes.address, workers=2))
        print(
            json.dumps(
                {
                    "digest": found,
                    "computed": computed,
                    "n_blocks": n_blocks,
                    "killed": len(killed),
                    "seconds": time.monotonic() - began,
                }
            )
        )
    finally:
        ray.shutdown()
        nodes.shutdown()


def _lose(workers: list[Any], cache: Path, killed: list[int]) -> None:
    """Kill the raylet of a node as soon as a few blocks are stored, and bring another node in its place."""
    rng = random.Random(7)
    wanted = rng.randint(1, 6)
    while len(list(cache.glob("??/*"))) < wanted:
        time.sleep(0.02)
    raylet = rng.choice(workers).all_processes["raylet"][0].process
    os.kill(raylet.pid, signal.SIGKILL)
    killed.append(raylet.pid)


if __name__ == "__main__":
    main(*sys.argv[1:])
