"""What kustomize makes of k8s/, and what is in it: pod templates, containers, references, a RayJob's job."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
OVERLAYS = sorted(path.parent for path in (K8S / "overlays").glob("*/kustomization.yaml"))
"""What stays: an overlay each."""
JOBS = sorted(
    path.parent
    for path in (K8S / "overlays").glob("*/*/kustomization.yaml")
    if "kind: Kustomization" in path.read_text(encoding="utf-8")
)
"""What is created to run something, in a folder of the overlay that it needs; the others are components."""
EXTRAS = [K8S / "kueue", K8S / "monitoring"]
"""What may be applied beside an overlay."""
CLUSTER_WIDE = ("Namespace", "PersistentVolume", "PriorityClass", "ResourceFlavor", "ClusterQueue")
"""Kinds that are in no namespace."""

Manifest = dict[str, Any]


@cache
def render(folder: Path) -> tuple[Manifest, ...]:
    """Return the objects that `kubectl apply -k FOLDER` would apply."""
    if which("kubectl") is None:
        if os.environ.get("METABT_NEED_KUBECTL"):
            pytest.fail("kubectl is not installed, and METABT_NEED_KUBECTL asks for it")
        pytest.skip("kubectl, which renders the manifests, is not installed")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # kustomize warns of what it will stop to understand
    return tuple(yaml.safe_load_all(done.stdout))


def name_of(manifest: Manifest) -> str:
    """Return `Kind/name`."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def only(kind: str, folder: Path, name: str | None = None) -> Manifest:
    """Return the one object of a kind, and a name, that a folder renders."""
    found = [it for it in render(folder) if it["kind"] == kind and name in (None, it["metadata"]["name"])]
    assert len(found) == 1, f"{folder}: {len(found)} objects of kind {kind}"
    return found[0]


def environment(overlay: Path) -> dict[str, str]:
    """Return what every pod of an overlay has in its environment."""
    return dict(only("ConfigMap", overlay, "metabt-environment")["data"])


@dataclass(frozen=True)
class Pod:
    """A pod template found anywhere in a manifest."""

    where: str
    """Kind, name and path of the template."""
    labels: dict[str, str]
    spec: dict[str, Any]
    claims: tuple[str, ...] = ()
    """Volumes that a StatefulSet claims for it."""
    beside: tuple[dict[str, Any], ...] = ()
    """What KubeRay puts into it as further containers."""

    @property
    def containers(self) -> tuple[dict[str, Any], ...]:
        """All containers, those that run first and those that are put beside them included."""
        return (*self.spec.get("initContainers", ()), *self.spec["containers"], *self.beside)


def pods(manifest: Manifest) -> Iterator[Pod]:
    """Find every pod template of a manifest: whatever has a list of containers."""
    yield from _pods(manifest, Pod(name_of(manifest), {}, {}))


def _pods(node: Any, around: Pod) -> Iterator[Pod]:
    if isinstance(node, list):
        for i, item in enumerate(node):
            yield from _pods(item, replace(around, where=f"{around.where}[{i}]"))
    elif isinstance(node, dict):
        if isinstance(node.get("containers"), list):
            yield replace(around, spec=node)
            return
        if "metadata" in node:
            around = replace(around, labels=node["metadata"].get("labels", {}))
        if "volumeClaimTemplates" in node:
            claims = tuple(claim["metadata"]["name"] for claim in node["volumeClaimTemplates"])
            around = replace(around, claims=claims)
        for key, value in node.items():
            beside = _beside(node) if key == "headGroupSpec" else around.beside
            yield from _pods(value, replace(around, where=f"{around.where}.{key}", beside=beside))


def _beside(cluster: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the containers that KubeRay runs in the pod of a cluster's head."""
    if not cluster.get("enableInTreeAutoscaling"):
        return ()
    return ({"name": "autoscaler", **cluster.get("autoscalerOptions", {})},)


REFERENCES = {
    "configMapRef": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "configMap": ("ConfigMap", "name"),
    "secretRef": ("Secret", "name"),
    "secretKeyRef": ("Secret", "name"),
    "secret": ("Secret", "secretName"),
    "authOptions": ("Secret", "secretName"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
}
"""Key of an object that refers to another -> the other's kind, and where its name stands."""


def references(node: Any) -> Iterator[str]:
    """Yield `Kind/name` of every object of the namespace that a manifest refers to by name."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        if node.get("serviceAccountName"):
            yield f"ServiceAccount/{node['serviceAccountName']}"
        for key, value in node.items():
            if key in REFERENCES and isinstance(value, dict):
                kind, name = REFERENCES[key]
                yield f"{kind}/{value[name]}"
            yield from references(value)


def job_of(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the entrypoint and the runtime environment of a folder's RayJob, as KubeRay submits them.

    The entrypoint has METABT_LAKEHOUSE in it, which the submitter's shell replaces.
    """
    job = only("RayJob", folder)
    return job["spec"]["entrypoint"].strip(), yaml.safe_load(job["spec"]["runtimeEnvYAML"])
