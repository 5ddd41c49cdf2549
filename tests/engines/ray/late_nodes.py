"""A script that walks on a head without processors, while machines come one after another and a worker is killed.

`python -m tests.engines.ray.late_nodes LAKE` prints a JSON line: what came out, when each machine was first used, and
what ran on the head.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import metabt
from tests.engines.ray.nodes import QUICK, STORE, digest
from tests.shared.executors import RULES, STOCKS

LATE, LATER = 20.0, 8.0
"""Seconds until the first machine comes, and from then until the second."""


def slow(n_leaves: int = 12, what: str = "wait") -> dict[str, Any]:
    """Return a tree of leaves that take their time, whichever machine they are on."""
    waits = {"name": "poison", "what": what, "below": 1.0}
    sleeves = {f"s{i:02d}": {"universe": STOCKS, "optimizer": waits, "lookback": 20 + i} for i in range(n_leaves)}
    return {"name": "slow", "defaults": RULES, "optimizer": "erc", "sleeves": sleeves}


def walk(lake: str, executor: Any) -> str:
    """Return the digest of what came out of a lakehouse with the prices of the suite."""
    return digest(dict(metabt.backtest(slow(), lake, engine=executor).tables))


class Watch:
    """Adds the machines, kills a worker once all are used, and notes down where actors are."""

    def __init__(self, nodes: Any) -> None:
        self._nodes, self.used, self.killed, self.seen = nodes, list[float](), 0, set[str]()

    def run(self) -> None:
        """Let the first machine come, then the second, then kill a worker on the first."""
        time.sleep(LATE)
        places = []
        for _ in range(2):
            node = self._nodes.add_node(num_cpus=1, **STORE)
            came = time.monotonic()
            while not (pids := self._leaves_on(node.node_id)):
                time.sleep(0.1)
            self.used.append(time.monotonic() - came)
            places.append(pids)
            time.sleep(LATER)
        os.kill(places[0][0], signal.SIGKILL)
        self.killed += 1

    def _leaves_on(self, node_id: str) -> list[int]:
        from ray._private.state import actors

        alive = [it for it in actors().values() if it["State"] == "ALIVE"]
        self.seen |= {it["Address"]["NodeID"] for it in alive}
        leaves = [it for it in alive if it["Address"]["NodeID"] == node_id and it["ActorClassName"] == "SleeveActor"]
        return [it["Pid"] for it in leaves]


def main(lake: str) -> None:
    """Walk while machines come and a worker dies; print what was seen."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ |= {"RAY_IGNORE_UNHANDLED_ERRORS": "1"}
    import ray
    from ray.cluster_utils import Cluster
    from ray.util.state import list_actors, list_tasks

    from metabt.engines.ray import Ray
    from metabt.engines.ray.connection import connect

    head = {"num_cpus": 0, "include_dashboard": True, "dashboard_port": 0, "_system_config": QUICK, **STORE}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        connect(nodes.address)
        watch, began = Watch(nodes), time.monotonic()
        with ThreadPoolExecutor(1) as thread:  # machines can be added by the main thread alone
            walked = thread.submit(walk, lake, Ray(address=nodes.address))
            watch.run()
            found = walked.result()
        seconds = time.monotonic() - began
        place = nodes.head_node.node_id
        own = [it for it in list_actors(nodes.address, limit=1000) if it.class_name in ("SleeveActor", "MetaActor")]
        tasks = [it for it in list_tasks(nodes.address, limit=10_000) if it.type == "NORMAL_TASK"]
        said = {
            "digest": found,
            "seconds": seconds,
            "used_after": watch.used,
            "killed": watch.killed,
            "actors": len(own),
            "names": sorted({str(it.name) for it in own}),
            "tasks": len(tasks),
            "on_head": [str(it.name) for it in (*own, *tasks) if it.node_id == place],
        }
        print(json.dumps(said))
    finally:
        ray.shutdown()
        nodes.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
