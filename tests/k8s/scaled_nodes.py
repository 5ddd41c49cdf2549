"""A script that walks on a cluster of a manifest's head and no worker, and adds workers of its size when asked for.

`python -m tests.k8s.scaled_nodes LAKE WORKER MOST` prints a JSON line. WORKER are the limits of a worker as KubeRay
tells Ray of them, `{"CPU": 7, "memory": BYTES}`, MOST is how many there may be. What is asked for is read where Ray's
own autoscaler reads it, and a machine is added where that does not fit into those that are there.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import metabt
from tests.engines.ray.nodes import QUICK, STORE, digest
from tests.shared.executors import NESTED


def walk(lake: str, executor: Any) -> str:
    """Return the digest of what came out of a lakehouse with the prices of the suite."""
    return digest(dict(metabt.backtest(NESTED, lake, engine=executor).tables))


def pending(address: str) -> list[dict[str, float]]:
    """Return what tasks and actors that fit nowhere ask for."""
    from ray._raylet import GcsClient
    from ray.autoscaler.v2.sdk import get_cluster_resource_state

    state = get_cluster_resource_state(GcsClient(address))
    return [dict(it.request.resources_bundle) for it in state.pending_resource_requests for _ in range(it.count)]


class Autoscaler:
    """Adds workers for what is pending, one after another, none that it would not fit into, and no more than may be."""

    def __init__(self, nodes: Any, worker: dict[str, float], most: int) -> None:
        self.nodes, self.worker, self.most = nodes, worker, most
        self.added = 0
        self.asked: list[dict[str, float]] = []

    def look(self) -> None:
        """Add a worker if something asks for one."""
        fits = [it for it in pending(self.nodes.address) if all(self.worker.get(k, 0) >= v for k, v in it.items())]
        if fits and self.added < self.most:
            self.asked += fits
            self.nodes.add_node(num_cpus=self.worker["CPU"], memory=int(self.worker["memory"]), **STORE)
            self.added += 1


def main(lake: str, worker: dict[str, float], most: int) -> None:
    """Walk, with workers as they are asked for; print what was seen."""
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
        there = len(nodes.list_all_nodes())
        scaler, done = Autoscaler(nodes, worker, most), threading.Event()
        with ThreadPoolExecutor(1) as thread:  # machines can be added by the main thread alone
            walked = thread.submit(walk, lake, Ray(address=nodes.address))
            walked.add_done_callback(lambda _: done.set())
            while not done.wait(0.5):
                scaler.look()
        own = [it for it in list_actors(nodes.address, limit=1000) if it.class_name in ("SleeveActor", "MetaActor")]
        said = {
            "digest": walked.result(),
            "workers_at_first": there - 1,
            "added": scaler.added,
            "asked": scaler.asked,
            "actors": len(own),
            "tasks": sorted(
                {str(it.name) for it in list_tasks(nodes.address, limit=10_000) if it.type == "NORMAL_TASK"}
            ),
            "on_head": [str(it.name) for it in own if it.node_id == nodes.head_node.node_id],
        }
        print(json.dumps(said))
    finally:
        ray.shutdown()
        nodes.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
