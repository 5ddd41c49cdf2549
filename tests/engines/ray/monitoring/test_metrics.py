"""What a node exports for Prometheus is what the run itself says that it did."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from metabt.build.cache.disk import DiskCache
from metabt.build.cache.upkeep import stats
from metabt.build.plan import Plan
from metabt.build.walk_result import WalkResult
from metabt.engines.local import Local
from metabt.engines.ray import Ray
from metabt.engines.ray.monitoring.metrics import Metrics, walked_seconds
from metabt.lakehouse import ingest
from metabt.portfolio.sleeve import Leaf
from metabt.runs.sweep import run_sweep
from metabt.runs.swept import Sweep
from tests.shared.executors import NESTED, engine, years
from tests.shared.jobs import job
from tests.shared.scraping import Numbers, scrape, settled

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


def exported() -> Numbers:
    return scrape(f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}" for node in ray.nodes() if node["Alive"])


def told(work: Callable[[], object]) -> Numbers:
    """Return by how much each number grows while something is done."""
    before = settled(exported)
    work()
    after = settled(exported)
    return {key: value - before.get(key, 0.0) for key, value in after.items() if value != before.get(key, 0.0)}


def blocks(numbers: Numbers) -> dict[tuple[str, str], float]:
    """Return (kind, outcome) -> blocks."""
    return {(tags[0][1], tags[1][1]): value for (name, tags), value in numbers.items() if name == "blocks_total"}


def stages(numbers: Numbers) -> dict[str, float]:
    return {dict(tags)["stage"]: value for (name, tags), value in numbers.items() if name == "stage_seconds_total"}


def of_kind(plan: Plan) -> dict[str, int]:
    leaves = sum(len(node.partitions) for node in plan.nodes.values() if isinstance(node.spec, Leaf))
    return {"leaf": leaves, "meta": plan.n_blocks - leaves}


@pytest.mark.slow
def test_blocks_seconds_and_bytes_are_those_of_the_run(tmp_path: Path) -> None:
    made = engine([NESTED], executor=Ray(workers=2), cache=DiskCache(tmp_path))
    walked: list[WalkResult] = []
    first = told(lambda: walked.append(made.run()))
    kinds = of_kind(made.plan)
    print(first)
    assert walked[0].computed == made.plan.n_blocks == sum(kinds.values())
    assert blocks(first) == {(kind, "computed"): count for kind, count in kinds.items()}
    assert stages(first) == pytest.approx({k: v for k, v in walked_seconds(walked[0]).items() if v > 0})
    assert first[("stored_bytes_total", ())] == pytest.approx(stats(tmp_path).bytes, rel=0.01)
    assert not any(name == "actor_deaths_total" for name, _ in first)


@pytest.mark.slow
def test_what_is_found_counts_as_found(tmp_path: Path) -> None:
    """A longer tree over the same leaves: those are found, and what is above them is computed."""
    engine([NESTED], executor=Local(), cache=DiskCache(tmp_path)).run()
    made = engine([{**NESTED, "optimizer": "equal"}], executor=Ray(workers=1), cache=DiskCache(tmp_path))
    walked: list[WalkResult] = []
    found = blocks(told(lambda: walked.append(made.run())))
    computed = sum(count for (_, outcome), count in found.items() if outcome == "computed")
    assert 0 < computed == walked[0].computed < made.plan.n_blocks == sum(found.values())
    assert ("leaf", "computed") not in found


@pytest.mark.slow
def test_groups_of_a_sweep_are_counted_as_single_runs_are(tmp_path: Path) -> None:
    for name, frame in years(5).items():
        ingest(tmp_path, name, frame)
    trees = [{**NESTED, "optimizer": name, "name": f"t-{name}"} for name in ("erc", "equal", "hrp")]
    jobs = [job(tree, engine="ray", cluster={"workers": 2}) for tree in trees]
    swept: list[Sweep] = []
    found = told(lambda: swept.append(run_sweep(jobs, str(tmp_path))))
    print(found)
    computed = {kind: count for (kind, outcome), count in blocks(found).items() if outcome == "computed"}
    assert sum(computed.values()) == swept[0].computed > computed["leaf"] == swept[0].leaf_computed > 0
    assert sum(stages(found).values()) > 0 and found[("stored_bytes_total", ())] > 0


@pytest.mark.slow
def test_an_actor_that_dies_is_counted(tmp_path: Path) -> None:
    made = engine([NESTED], executor=Ray(workers=1), cache=DiskCache(tmp_path))
    killed: list[int] = []

    def kill(done: int, total: int, label: str) -> None:
        from ray._private.state import actors

        if not killed:
            alive = [it for it in actors().values() if it["State"] == "ALIVE" and it["ActorClassName"] == "SleeveActor"]
            killed.append(alive[0]["Pid"])
            os.kill(killed[0], signal.SIGKILL)

    found = told(lambda: made.run(kill))
    assert found[("actor_deaths_total", (("pool", "leaves"),))] == len(killed) == 1


def test_tags_are_few_and_none_grows_with_runs() -> None:
    """Every value of a tag is a series that Prometheus keeps."""
    metrics = Metrics()
    metrics.actors("leaves", 3)
    metrics.died("leaves")
    metrics._add({"optimization": 1.5}, 7)
    metrics._inc(metrics._blocks, 2, kind="leaf", outcome="found")
    metrics._inc(metrics._blocks, 0, kind="meta", outcome="found")  # Ray would refuse that
    end, wanted = time.monotonic() + 30, {"blocks_total", "stage_seconds_total", "stored_bytes_total", "actors"}
    seen = exported()
    while not wanted <= {name for name, _ in seen}:
        assert time.monotonic() < end, seen
        time.sleep(0.2)
        seen = exported()
    assert {(name, key) for name, pairs in seen for key, _ in pairs} == {
        ("blocks_total", "kind"),
        ("blocks_total", "outcome"),
        ("stage_seconds_total", "stage"),
        ("actor_deaths_total", "pool"),
        ("actors", "pool"),
    }
    assert seen[("actors", (("pool", "leaves"),))] == 3.0
