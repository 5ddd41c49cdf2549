"""The checks find mistakes: each is put into a manifest that is right."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from tests.k8s import controller, schemas
from tests.k8s.manifests import JOBS, K8S, OVERLAYS, Manifest, references, render


@pytest.fixture
def job() -> Manifest:
    """Return a RayJob to be spoilt, which KubeRay would start again once."""
    found = copy.deepcopy(render(JOBS[0])[0])
    found["spec"]["backoffLimit"] = 1
    return found


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


OTHERS = {"kueue": "ClusterQueue", "monitoring": "PodMonitor"}


@pytest.mark.parametrize("folder", OTHERS)
def test_what_other_controllers_read_is_checked_too(folder: str) -> None:
    found = copy.deepcopy(next(it for it in render(K8S / folder) if it["kind"] == OTHERS[folder]))
    assert schemas.problems(found) == []
    spoil(found, "spec.selektor", {})
    assert "selektor" in schemas.problems(found)[0]
    del found["spec"]["selektor"]
    spoil(found, "apiVersion", "v9")
    assert "wanted" in schemas.problems(found)[0]


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
    "Kueue refuses a suspended RayJob": ("spec.suspend", True),
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
