"""Every overlay and job renders to objects that Kubernetes and KubeRay take, and that fit together."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from metabt.engines.ray import capacity
from metabt.engines.ray.driver import SHARE
from metabt.engines.ray.workforce import n_worth
from metabt.lakehouse.catalog.connection_string import parse_connection_string
from tests.engines.ray.test_capacity import reported
from tests.k8s import controller, schemas
from tests.k8s.manifests import (
    CLUSTER_WIDE,
    EXTRAS,
    JOBS,
    K8S,
    OVERLAYS,
    ROOT,
    environment,
    job_of,
    name_of,
    only,
    pods,
    references,
    render,
)

FOLDERS = [*OVERLAYS, *JOBS, *EXTRAS]
GIVEN = {"Secret/metabt-ray-token", "Secret/metabt-postgres", "Secret/metabt-s3", "ConfigMap/kube-root-ca.crt"}
"""What is made by hand, as README.md says, or by Kubernetes in every namespace."""


def named(folder: Path) -> str:
    return str(folder.relative_to(K8S)).removeprefix("overlays/")


each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=named)
each_job = pytest.mark.parametrize("folder", JOBS, ids=named)


def test_there_are_overlays_and_jobs() -> None:
    assert {"kind", "cluster", "s3"} == {named(folder) for folder in OVERLAYS}
    plain = {f"{overlay}/{job}" for overlay in ("kind", "cluster", "s3") for job in ("backtest", "sweep")}
    assert plain | {"cluster/queued-backtest", "cluster/queued-sweep"} == {named(folder) for folder in JOBS}


@each_folder
def test_what_is_rendered_is_valid(folder: Path) -> None:
    for manifest in render(folder):
        assert schemas.problems(manifest) == []


@each_folder
def test_kuberay_takes_it(folder: Path) -> None:
    for manifest in render(folder):
        assert controller.problems(manifest) == []


@pytest.mark.parametrize("folder", OVERLAYS, ids=named)
def test_an_overlay_is_what_stays(folder: Path) -> None:
    kinds = {manifest["kind"] for manifest in render(folder)}
    assert {"Namespace", "PriorityClass", "NetworkPolicy", "CronJob", "RayCluster"} <= kinds
    assert ("PersistentVolumeClaim" in kinds) == (folder.name != "s3")
    assert "RayJob" not in kinds


@each_job
def test_a_job_is_one_object(folder: Path) -> None:
    assert [manifest["kind"] for manifest in render(folder)] == ["RayJob"]


@each_folder
def test_everything_is_in_the_namespace(folder: Path) -> None:
    for manifest in render(folder):
        if manifest["kind"] in CLUSTER_WIDE:
            assert "namespace" not in manifest["metadata"], name_of(manifest)
        else:
            assert manifest["metadata"].get("namespace") == "metabt", name_of(manifest)


@each_folder
def test_what_is_referred_to_exists(folder: Path) -> None:
    overlay = folder.parent if folder in JOBS else folder
    there = {name_of(manifest) for manifest in (*render(overlay), *render(folder))}
    for manifest in render(folder):
        missing = set(references(manifest)) - there - GIVEN
        assert not missing, f"{name_of(manifest)} refers to {missing}"


def test_what_is_given_is_told_how_to_make() -> None:
    readme = (K8S / "README.md").read_text(encoding="utf-8")
    for given in GIVEN:
        kind, name = given.split("/")
        assert kind != "Secret" or re.search(rf"create secret generic {name}\b", readme), given


@each_folder
def test_no_secret_is_rendered(folder: Path) -> None:
    assert [name_of(manifest) for manifest in render(folder) if manifest["kind"] == "Secret"] == []


def secrets_in(text: str) -> list[str]:
    """Return what looks like the value of a secret: not a name of one of ours, nor what a shell makes."""
    found = re.findall(r"(?i)(?:password|token|secret)[\w-]*\s*[=:]\s*['\"]?([\w+/-]{8,})", text)
    return [value for value in found if f"Secret/{value}" not in GIVEN]


def test_no_secret_is_in_a_file() -> None:
    assert secrets_in("POSTGRES_PASSWORD: hunter2hunter2") and secrets_in("auth_token=0123abcd0123abcd")
    for path in K8S.rglob("*"):
        if path.is_file():
            assert secrets_in(path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize("overlay", OVERLAYS, ids=named)
def test_there_is_one_image_and_one_ray(overlay: Path) -> None:
    manifests = [m for folder in (overlay, *(job for job in JOBS if job.parent == overlay)) for m in render(folder)]
    images = {
        container["image"] for m in manifests for pod in pods(m) for container in pod.containers if "image" in container
    }
    (metabt,) = {image for image in images if "metabt" in image}
    assert {image.split(":")[0] for image in images - {metabt}} <= {"postgres"}
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None and metabt.endswith(f"/metabt:{version[1]}") or metabt == f"metabt:{version[1]}"
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    for manifest in manifests:
        if manifest["kind"] in ("RayCluster", "RayJob"):
            spec = manifest["spec"]
            assert pinned is not None and spec.get("rayClusterSpec", spec)["rayVersion"] == pinned[1]


@each_job
def test_a_job_gets_the_long_lived_clusters_description(folder: Path) -> None:
    """One that waits in a queue has so many workers from the start, and no autoscaler."""
    (job,) = render(folder)
    own, common = (copy.deepcopy(it["spec"]) for it in (job, only("RayCluster", folder.parent)))
    own = own["rayClusterSpec"]
    if job["spec"].get("suspend"):
        for spec in (own, common):
            for key in ("enableInTreeAutoscaling", "autoscalerOptions"):
                spec.pop(key, None)
            for group in spec["workerGroupSpecs"]:
                for key in ("replicas", "minReplicas", "maxReplicas"):
                    del group[key]
            volumes = spec["headGroupSpec"]["template"]["spec"]["volumes"]
            volumes[:] = [volume for volume in volumes if volume["name"] != "api-token"]
    assert own == common


@each_job
def test_a_job_ends_and_cleans_up(folder: Path) -> None:
    (job,) = render(folder)
    spec = job["spec"]
    assert spec["shutdownAfterJobFinishes"] is True and spec["ttlSecondsAfterFinished"] > 0
    assert spec["activeDeadlineSeconds"] > 0


@pytest.mark.parametrize("overlay", OVERLAYS, ids=named)
def test_the_head_computes_nothing_and_asks_for_a_token(overlay: Path) -> None:
    (cluster,) = [manifest for manifest in render(overlay) if manifest["kind"] == "RayCluster"]
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["spec"]["authOptions"] == {"mode": "token", "secretName": "metabt-ray-token"}
    assert cluster["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP"


def test_workers_of_the_cluster_overlay_follow_the_work() -> None:
    (cluster,) = [m for m in render(K8S / "overlays" / "cluster") if m["kind"] == "RayCluster"]
    (group,) = cluster["spec"]["workerGroupSpecs"]
    assert (
        cluster["spec"]["enableInTreeAutoscaling"] is True and cluster["spec"]["autoscalerOptions"]["version"] == "v2"
    )
    assert group["minReplicas"] < group["maxReplicas"]


def test_an_actor_fits_into_a_worker_and_as_many_are_asked_for_as_there_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a cluster without a worker can grow to is what the manifest says, as its autoscaler reports it."""
    (cluster,) = [m for m in render(K8S / "overlays" / "cluster") if m["kind"] == "RayCluster"]
    (group,) = cluster["spec"]["workerGroupSpecs"]
    (worker,) = [it for it in group["template"]["spec"]["containers"] if it["name"] == "ray-worker"]
    n_cpus, most = int(worker["resources"]["limits"]["cpu"]), group["maxReplicas"]
    assert group["replicas"] == group["minReplicas"] == 0
    monkeypatch.setattr(capacity.ray, "nodes", lambda: [{"Alive": True, "Resources": {"memory": 1e9}}])
    monkeypatch.setattr(capacity, "_cluster_config", lambda: reported((n_cpus, most)))
    there = capacity.capacity()
    assert (there.n_cpus, there.most, there.widest) == (0.0, n_cpus * most, n_cpus)
    assert there.widest >= SHARE and n_worth(1e6) == n_cpus * most and n_worth(25.0) == 3


def words_of(container: dict[str, Any], given: dict[str, str]) -> list[str]:
    """Return a container's command line with its environment's variables filled in, as Kubernetes does it."""
    words = [*container["command"], *container.get("args", [])]
    return [re.sub(r"\$\((\w+)\)", lambda found: given.get(found[1], found[0]), word) for word in words]


@each_job
def test_what_a_job_runs_is_in_the_repository(folder: Path) -> None:
    entrypoint, environment = job_of(folder)
    python, wrapper, script, *overrides = entrypoint.split()
    assert python == "python" and (ROOT / wrapper).is_file() and (ROOT / script).is_file()
    assert "lakehouse=$METABT_LAKEHOUSE" in overrides and "portfolio=demo" in overrides
    assert environment.keys() == {"env_vars"} and all(isinstance(v, str) for v in environment["env_vars"].values())


def test_the_nightly_run_appends_and_then_decides() -> None:
    from metabt.cli.main import parse

    for overlay in OVERLAYS:
        (pod,) = pods(only("CronJob", overlay, "nightly"))
        words = [words_of(container, environment(overlay)) for container in pod.containers]
        stored = environment(overlay)["METABT_LAKEHOUSE"]
        decided = parse(words[-1][1:])
        assert (decided.command, decided.refresh, decided.lakehouse) == ("weights", True, stored)
        if overlay.name == "s3":  # there is no folder in which files arrive
            assert [w[0] for w in words] == ["cp", "metabt"] and stored.startswith("s3://")
            continue
        assert [w[0] for w in words] == ["cp", "python", "metabt"] and stored == "/lakehouse"
        assert words[1][1] == "jobs/ingest.py" and (ROOT / words[1][1]).is_file()
        assert parse(["ingest", *words[1][2:]]).lakehouse == stored


def test_upkeep_does_all_of_it() -> None:
    from metabt.build.cache.upkeep import parse_age, parse_size
    from metabt.cli.main import parse

    for overlay in OVERLAYS:
        (pod,) = pods(only("CronJob", overlay, "upkeep"))
        asked = parse(words_of(pod.containers[-1], environment(overlay))[1:])
        assert (asked.command, asked.dry_run, asked.expire_runs) == ("upkeep", False, False)
        assert asked.lakehouse == environment(overlay)["METABT_LAKEHOUSE"]
        assert parse_age(asked.cache_keep) and parse_size(asked.cache_size) and 0 < asked.recompute <= 1


@pytest.mark.parametrize("folder", OVERLAYS, ids=named)
def test_the_catalogue_is_named_as_metabt_reads_it(folder: Path) -> None:
    stated = [m["data"]["METABT_CATALOG"] for m in render(folder) if "METABT_CATALOG" in (m.get("data") or {})]
    assert stated
    for text in stated:
        place = str(parse_connection_string(text))
        assert "host=" in place and "dbname=" in place and "password" not in place
