"""A script that lets two jobs of metabt share a cluster of two processors.

`python -m tests.engines.ray.sharing` prints a JSON line: which job ended first, and how many actors the long one had
while the short one was walked. The long job begins alone and wants everything.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from typing import Any

from metabt import BacktestEngine
from metabt.engines.local import Local
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from tests.engines.ray.late_nodes import slow
from tests.engines.ray.nodes import QUICK, STORE, digest
from tests.shared import panels

LONG, SHORT = 20, 2
"""Leaves of the two jobs; each takes some five seconds, half a second a partition."""
SESSIONS = 2500
"""Of the stocks."""
JOB = "from tests.engines.ray.sharing import job; job({n_leaves}, {address!r})"


def walked(n_leaves: int, executor: Any) -> str:
    """Return the digest of a slow tree."""
    prices = to_prices("stocks", panels.stocks(3, SESSIONS))
    tree = resolve(slow(n_leaves, "blink"), symbols={"stocks": prices.symbols})
    one = BacktestEngine([tree], {"stocks": prices}, executor=executor)
    return digest(one.assemble(one.run()))


def job(n_leaves: int, address: str) -> None:
    """Walk on a cluster, and print what came out."""
    from metabt.engines.ray import Ray

    print(json.dumps(walked(n_leaves, Ray(address=address, workers=2, patience=100))))


def main() -> None:
    """Let the jobs run, the short one once the long one has all processors."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ |= {"RAY_IGNORE_UNHANDLED_ERRORS": "1"}
    import ray
    from ray._private.state import actors
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "_system_config": QUICK, **STORE})

    def leaves() -> list[str]:
        """Return the job of each SleeveActor that lives."""
        alive = [it for it in actors().values() if it["State"] == "ALIVE" and it["ActorClassName"] == "SleeveActor"]
        return [str(it["JobID"]) for it in alive]

    def start(n_leaves: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", JOB.format(n_leaves=n_leaves, address=nodes.address)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    try:
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        long = start(LONG)
        while len(leaves()) < 2:
            time.sleep(0.1)
        short, most = start(SHORT), 0
        while short.poll() is None:
            found = leaves()
            most = max(most, len(set(found)))
            time.sleep(0.1)
        first = "short" if long.poll() is None else "long"
        said = [json.loads(it.communicate()[0].splitlines()[-1]) for it in (long, short)]
        time.sleep(3.0)
        left = len(leaves())
    finally:
        ray.shutdown()
        nodes.shutdown()
    same = said[1] == walked(SHORT, Local())  # the other one sleeps for a minute and a half in one process
    print(json.dumps({"first": first, "jobs_at_once": most, "same": same, "left": left}))


if __name__ == "__main__":
    main()
