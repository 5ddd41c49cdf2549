"""What every pod must say of itself: Kubernetes' restricted profile, a read-only root, no token, bounded resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.k8s.manifests import Pod

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
"""Kinds of volumes that the restricted profile admits."""
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a container looks for its token for the API server."""


def problems(pod: Pod) -> list[str]:
    """Return what is wrong with a pod."""
    return [f"{pod.where}: {what}" for what in (*_pod(pod), *_token(pod))] + [
        f"{pod.where} {container['name']}: {what}"
        for container in pod.containers
        for what in _container(container, pod)
    ]


def _pod(pod: Pod) -> Iterator[str]:
    context = pod.spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if not (isinstance(context.get("runAsUser"), int) and context["runAsUser"] > 0):
        yield "runAsUser is not a number above 0"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "seccompProfile is not RuntimeDefault"
    for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
        if pod.spec.get(key):
            yield f"{key} is set"
    for volume in pod.spec.get("volumes", []):
        if not volume.keys() - {"name"} <= VOLUMES:
            yield f"volume {volume['name']} is of a kind that is not admitted"
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield f"volume {volume['name']} has no sizeLimit"


def _token(pod: Pod) -> Iterator[str]:
    """Only the autoscaler may have a token, and only from a volume that nothing else mounts."""
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false"
    projected = {v["name"]: v["projected"]["sources"] for v in pod.spec.get("volumes", []) if "projected" in v}
    tokens = {name for name, sources in projected.items() if any("serviceAccountToken" in source for source in sources)}
    for container in pod.containers:
        mounts = [
            m for m in container.get("volumeMounts", []) if m["name"] in tokens or m["mountPath"].startswith(TOKEN)
        ]
        if mounts and not (container in pod.beside and container["name"] == "autoscaler"):
            yield f"{container['name']} mounts a token for the API server"


def _container(container: dict[str, Any], pod: Pod) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem is not true"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "capabilities are not dropped, all of them"
    if context.get("privileged") or context.get("runAsUser", 1) == 0 or context.get("runAsNonRoot") is False:
        yield "is privileged or root"
    if context.get("seccompProfile", {"type": "RuntimeDefault"}) != {"type": "RuntimeDefault"}:
        yield "seccompProfile is not RuntimeDefault"
    resources = container.get("resources", {})
    for bound in ("requests", "limits"):
        if not {"cpu", "memory"} <= resources.get(bound, {}).keys():
            yield f"{bound} of cpu and memory are missing"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "takes a port of the node"
    known = {volume["name"] for volume in pod.spec.get("volumes", [])}.union(pod.claims)
    unknown = {mount["name"] for mount in container.get("volumeMounts", [])} - known
    if unknown:
        yield f"mounts volumes that there are not: {', '.join(sorted(unknown))}"
