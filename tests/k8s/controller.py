"""What KubeRay's controller refuses although its schemas allow it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.k8s.manifests import Manifest, name_of

LONGEST = {"RayCluster": 63, "RayJob": 41}
"""Characters of a name: what KubeRay derives from it must fit into a label. A job's gets a dash and five more."""
NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
TOKEN_FROM = (2, 52)
"""The first release of Ray that asks for a token."""
SETTLED_BY_KUBERAY = {"RAY_AUTH_TOKEN", "RAY_AUTH_MODE", "RAY_ADDRESS", "RAY_enable_autoscaler_v2", "REDIS_USERNAME"}
"""Environment variables of Ray containers that KubeRay sets itself, or refuses."""


def problems(manifest: Manifest) -> list[str]:
    """Return what KubeRay would refuse in a Ray object; nothing for other kinds."""
    if manifest["apiVersion"] != "ray.io/v1":
        return []
    name, spec = manifest["metadata"]["name"], manifest["spec"]
    found = [] if NAME.fullmatch(name) and len(name) <= LONGEST[manifest["kind"]] else [f"{name!r} is no name for it"]
    found += _cluster(spec) if manifest["kind"] == "RayCluster" else _job(spec)
    return [f"{name_of(manifest)}: {what}" for what in found]


def _job(spec: dict[str, Any]) -> Iterator[str]:
    mode, deletion = spec.get("submissionMode", "K8sJobMode"), spec.get("deletionStrategy", {})
    shutdown, selector = spec.get("shutdownAfterJobFinishes", False), spec.get("clusterSelector")
    if spec.get("ttlSecondsAfterFinished") and not shutdown:
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
    if spec.get("suspend") and not shutdown:
        yield "suspend needs shutdownAfterJobFinishes"
    if deletion.get("deletionRules") and (shutdown or spec.get("ttlSecondsAfterFinished")):
        yield "deletionRules exclude shutdownAfterJobFinishes and ttlSecondsAfterFinished"
    if selector and spec.get("backoffLimit"):
        yield "backoffLimit is incompatible with clusterSelector"
    if mode == "InteractiveMode" and spec.get("backoffLimit"):
        yield "backoffLimit is incompatible with InteractiveMode"
    if mode == "SidecarMode" and (spec.get("submitterPodTemplate") or spec.get("submitterConfig") or selector):
        yield "SidecarMode takes no submitter of its own and no clusterSelector"
    if spec.get("activeDeadlineSeconds", 1) <= 0 or spec.get("backoffLimit", 0) < 0:
        yield "activeDeadlineSeconds must be positive, backoffLimit not negative"
    if not isinstance(yaml.safe_load(spec.get("runtimeEnvYAML", "{}")), dict):
        yield "runtimeEnvYAML is no mapping"
    submitter = spec.get("submitterPodTemplate", {"spec": {"restartPolicy": "Never"}})
    if submitter["spec"].get("restartPolicy") not in ("Never", "OnFailure"):
        yield "the submitter is a batch job's pod: restartPolicy must be Never or OnFailure"
    if spec.get("suspend") and spec.get("rayClusterSpec", {}).get("enableInTreeAutoscaling"):
        yield "Kueue refuses a suspended RayJob whose cluster scales by itself"
    if not selector and not spec.get("rayClusterSpec"):
        yield "one of rayClusterSpec and clusterSelector must be set"
    if spec.get("rayClusterSpec"):
        if spec["rayClusterSpec"].get("authOptions", {}).get("enableK8sTokenAuth"):
            yield "a RayJob does not take enableK8sTokenAuth"
        yield from _cluster(spec["rayClusterSpec"])


def _cluster(spec: dict[str, Any]) -> Iterator[str]:
    groups = [spec["headGroupSpec"], *spec.get("workerGroupSpecs", [])]
    scaled = spec.get("enableInTreeAutoscaling", False)
    if spec.get("authOptions", {}).get("mode") == "token":
        version = tuple(int(part) for part in spec.get("rayVersion", "0.0").split(".")[:2])
        if version < TOKEN_FROM:
            yield "authOptions.mode token needs rayVersion 2.52 or newer"
    for group in groups:
        params, pod = group.get("rayStartParams", {}), group["template"]["spec"]
        if group.get("resources") and params.keys() & {"num-cpus", "num-gpus", "memory", "resources"}:
            yield "resources are either in rayStartParams or in resources"
        if "labels" in params:
            yield "labels are not set by rayStartParams"
        if (
            scaled
            and spec.get("autoscalerOptions", {}).get("version") == "v2"
            and pod.get("restartPolicy", "Never") != "Never"
        ):
            yield "autoscaler v2 needs restartPolicy Never or none"
        taken = SETTLED_BY_KUBERAY & {variable["name"] for variable in pod["containers"][0].get("env", [])}
        if taken:
            yield f"{', '.join(sorted(taken))}: KubeRay sets this itself"
    for group in groups[1:]:
        least, most = group.get("minReplicas", 0), group.get("maxReplicas", 2**31 - 1)
        if not least <= group.get("replicas", least) <= most:
            yield f"{group['groupName']}: replicas are not between minReplicas and maxReplicas"
