"""The workers of the cluster overlay, of which there are none at first, driven on this machine by their manifest."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from metabt.engines.local import Local
from metabt.lakehouse import ingest
from tests.engines.ray.test_nodes import start
from tests.k8s.manifests import K8S, only
from tests.k8s.scaled_nodes import walk
from tests.k8s.test_operations import size
from tests.shared.executors import years

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]


def test_a_cluster_without_a_worker_gets_one_of_the_manifest_and_the_walk_fits_into_it(tmp_path: Path) -> None:
    cluster = only("RayCluster", K8S / "overlays" / "cluster")["spec"]
    (group,) = cluster["workerGroupSpecs"]
    (container,) = [it for it in group["template"]["spec"]["containers"] if it["name"] == "ray-worker"]
    limits = {what: size(container["resources"]["limits"][what]) for what in ("cpu", "memory")}
    assert group["minReplicas"] == group["replicas"] == 0
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"

    lake, twin = tmp_path / "lake", tmp_path / "twin"
    for name, frame in years(3).items():
        ingest(lake, name, frame)
    shutil.copytree(lake, twin)
    worker = {"CPU": int(limits["cpu"]), "memory": limits["memory"]}
    done = start("-m", "tests.k8s.scaled_nodes", str(lake), json.dumps(worker), str(group["maxReplicas"]))
    said, _ = done.communicate(timeout=300)
    assert done.returncode == 0
    found = json.loads(said.splitlines()[-1])
    print(found)
    assert found["digest"] == walk(str(twin), Local())
    assert found["workers_at_first"] == 0 and 1 <= found["added"] <= group["maxReplicas"]
    assert found["actors"] > 0 and found["on_head"] == []
    # an operator sees which dataset and partition is being read
    assert any(re.search(r"prices of stocks in \d{4}", name) for name in found["tasks"]), found["tasks"]
    assert any(0 < asked.get("CPU", 0) <= worker["CPU"] and asked.get("memory", 0) > 0 for asked in found["asked"])
