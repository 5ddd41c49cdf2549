"""Every overlay and job renders to objects that Kubernetes and KubeRay take, and that fit together."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s import controller, schemas
from tests.k8s.manifests import JOBS, K8S, OVERLAYS, ROOT, Manifest, job_of, name_of, pods, references, render

FOLDERS = [*OVERLAYS, *JOBS]
GIVEN = {"Secret/metabt-ray-token", "Secret/metabt-postgres", "ConfigMap/kube-root-ca.crt"}
"""What is made by hand, as README.md says, or by Kubernetes in every namespace."""


def named(folder: Path) -> str:
    return str(folder.relative_to(K8S / "overlays"))


each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=named)
each_job = pytest.mark.parametrize("folder", JOBS, ids=named)


def test_there_are_overlays_and_jobs() -> None:
    assert {"kind", "cluster"} == {named(folder) for folder in OVERLAYS}
    assert {f"{o}/{j}" for o in ("kind", "cluster") for j in ("backtest", "sweep")} == {
        named(folder) for folder in JOBS
    }


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
    assert {"Namespace", "PersistentVolumeClaim", "NetworkPolicy", "CronJob", "RayCluster"} <= kinds
    assert "RayJob" not in kinds


@each_job
def test_a_job_is_one_object(folder: Path) -> None:
    assert [manifest["kind"] for manifest in render(folder)] == ["RayJob"]


@each_folder
def test_everything_is_in_the_namespace(folder: Path) -> None:
    for manifest in render(folder):
        if manifest["kind"] not in ("Namespace", "PersistentVolume"):
            assert manifest["metadata"].get("namespace") == "metabt", name_of(manifest)


@each_folder
def test_what_is_referred_to_exists(folder: Path) -> None:
    overlay = folder if folder in OVERLAYS else folder.parent
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


def test_no_secret_is_in_a_file() -> None:
    for path in K8S.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            found = re.findall(r"(?i)(?:password|token|secret)\s*[=:]\s*['\"]?[\w+/]{8,}", text)
            names = ("metabt-ray-token", "metabt-postgres", "secretKeyRef")
            assert all(any(name in hit for name in names) for hit in found), f"{path}: {found}"


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
    (job,) = render(folder)
    (cluster,) = [manifest for manifest in render(folder.parent) if manifest["kind"] == "RayCluster"]
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]


@each_job
def test_a_job_ends_and_cleans_up(folder: Path) -> None:
    (job,) = render(folder)
    spec = job["spec"]
    assert spec["shutdownAfterJobFinishes"] is True and spec["ttlSecondsAfterFinished"] > 0
    assert spec["activeDeadlineSeconds"] > 0 and spec["backoffLimit"] >= 1


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


@each_job
def test_what_a_job_runs_is_in_the_repository(folder: Path) -> None:
    entrypoint, environment = job_of(folder)
    python, script, *overrides = entrypoint.split()
    assert python == "python" and (ROOT / script).is_file()
    assert "lakehouse=/lakehouse" in overrides and "portfolio=demo" in overrides
    assert environment.keys() == {"env_vars"} and all(isinstance(v, str) for v in environment["env_vars"].values())


def test_the_nightly_run_appends_and_then_decides() -> None:
    from metabt.cli import parse

    for overlay in OVERLAYS:
        (night,) = [m for m in render(overlay) if m["kind"] == "CronJob"]
        (pod,) = pods(night)
        words = [[*c["command"], *c.get("args", [])] for c in pod.containers]
        assert [w[0] for w in words] == ["cp", "python", "metabt"]
        assert words[1][1] == "jobs/ingest.py" and (ROOT / words[1][1]).is_file()
        assert parse(["ingest", *words[1][2:]]).lakehouse == "/lakehouse"
        decided = parse(words[2][1:])
        assert (decided.command, decided.refresh, decided.lakehouse) == ("weights", True, "/lakehouse")


# The checks themselves: each mistake is put into a manifest that is right.


@pytest.fixture
def job() -> Manifest:
    """Return a RayJob to be spoilt."""
    return copy.deepcopy(render(JOBS[0])[0])


MISTAKES: dict[str, tuple[str, Any, str]] = {
    "typo": ("spec.shutdownAfterJobFinish", True, "shutdownAfterJobFinish"),
    "type": ("spec.ttlSecondsAfterFinished", "600", "'600' is not of type 'integer'"),
    "enum": ("spec.rayClusterSpec.authOptions.mode", "tokens", "'tokens' is not one of"),
    "typo in a pod": ("spec.rayClusterSpec.headGroupSpec.template.spec.containers.0.imagePullPolcy", "Never", "Polcy"),
}


def spoil(manifest: Manifest, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    node: Any = manifest
    for part in parents:
        node = node[int(part)] if part.isdigit() else node[part]
    node[last] = value


@pytest.mark.parametrize("mistake", MISTAKES)
def test_kuberays_schema_finds(mistake: str, job: Manifest) -> None:
    path, value, says = MISTAKES[mistake]
    spoil(job, path, value)
    (problem,) = schemas.problems(job)
    assert says in problem


@pytest.mark.parametrize(
    ("path", "value"), [("spec.policyTypess", ["Egress"]), ("metadata.labels", ["metabt"]), ("spec.egress", 1)]
)
def test_kubernetes_schema_finds(path: str, value: Any) -> None:
    policy = copy.deepcopy(next(m for m in render(OVERLAYS[0]) if m["kind"] == "NetworkPolicy"))
    spoil(policy, path, value)
    assert schemas.problems(policy)


REFUSED: dict[str, tuple[str, Any]] = {
    "ttlSecondsAfterFinished needs shutdownAfterJobFinishes": ("spec.shutdownAfterJobFinishes", False),
    "backoffLimit is incompatible with clusterSelector": ("spec.clusterSelector", {"ray.io/cluster": "metabt"}),
    "backoffLimit is incompatible with InteractiveMode": ("spec.submissionMode", "InteractiveMode"),
    "SidecarMode takes no submitter": ("spec.submissionMode", "SidecarMode"),
    "deletionRules exclude": ("spec.deletionStrategy", {"deletionRules": [{"policy": "DeleteSelf"}]}),
    "restartPolicy must be Never or OnFailure": ("spec.submitterPodTemplate.spec.restartPolicy", "Always"),
    "one of rayClusterSpec and clusterSelector": ("spec.rayClusterSpec", None),
    "runtimeEnvYAML is no mapping": ("spec.runtimeEnvYAML", "- pip"),
    "does not take enableK8sTokenAuth": ("spec.rayClusterSpec.authOptions.enableK8sTokenAuth", True),
    "needs rayVersion 2.52": ("spec.rayClusterSpec.rayVersion", "2.51.2"),
    "resources are either": ("spec.rayClusterSpec.headGroupSpec.resources", {"CPU": "1"}),
    "replicas are not between": ("spec.rayClusterSpec.workerGroupSpecs.0.replicas", 99),
    "KubeRay sets this itself": (
        "spec.rayClusterSpec.headGroupSpec.template.spec.containers.0.env",
        [{"name": "RAY_AUTH_TOKEN", "value": "x"}],
    ),
    "autoscaler v2 needs restartPolicy": ("spec.rayClusterSpec.headGroupSpec.template.spec.restartPolicy", "Always"),
    "is no name": ("metadata.name", "Backtest_1"),
}


@pytest.mark.parametrize("says", REFUSED)
def test_kuberays_rules_find(says: str, job: Manifest) -> None:
    spoil(job, *REFUSED[says])
    assert any(says in problem for problem in controller.problems(job))


def test_a_missing_reference_is_seen(job: Manifest) -> None:
    spoil(job, "spec.rayClusterSpec.headGroupSpec.template.spec.volumes.0.persistentVolumeClaim.claimName", "lost")
    assert "PersistentVolumeClaim/lost" in set(references(job))
    assert yaml.safe_load(job["spec"]["runtimeEnvYAML"])
