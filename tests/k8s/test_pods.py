"""Every pod, wherever in a manifest it is described, is restricted; and talks only to whom it must."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.k8s import pod_security
from tests.k8s.manifests import EXTRAS, JOBS, K8S, OVERLAYS, Pod, pods, render
from tests.k8s.network import End, may_connect
from tests.k8s.test_manifests import FOLDERS, each_folder, named

WITH_PODS = [folder for folder in FOLDERS if folder not in EXTRAS]

COMPONENT = "app.kubernetes.io/component"


def pods_of(folder: Path) -> list[Pod]:
    return [pod for manifest in render(folder) for pod in pods(manifest)]


@each_folder
def test_every_pod_is_restricted(folder: Path) -> None:
    found = pods_of(folder)
    assert bool(found) == (folder in WITH_PODS)
    for pod in found:
        assert pod_security.problems(pod) == []


def test_every_pod_is_found() -> None:
    kind, cluster = K8S / "overlays" / "kind", K8S / "overlays" / "cluster"
    stays, backups = ["head", "nightly", "upkeep", "worker"], ["backup", "backup"]
    assert sorted(pod.labels[COMPONENT] for pod in pods_of(kind)) == sorted([*stays, *backups, "catalogue"])
    assert sorted(pod.labels[COMPONENT] for pod in pods_of(cluster)) == sorted([*stays, *backups])
    assert sorted(pod.labels[COMPONENT] for pod in pods_of(K8S / "overlays" / "s3")) == stays
    for job in JOBS:
        assert sorted(pod.labels[COMPONENT] for pod in pods_of(job)) == ["head", "submitter", "worker"]
    for folder in FOLDERS:
        texts = str(render(folder))
        assert texts.count("'containers': [") == len(pods_of(folder))


def test_the_namespace_admits_restricted_pods_only() -> None:
    for overlay in OVERLAYS:
        (namespace,) = [manifest for manifest in render(overlay) if manifest["kind"] == "Namespace"]
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("folder", WITH_PODS, ids=named)
def test_a_token_for_the_api_server_is_the_autoscalers_alone(folder: Path) -> None:
    for pod in pods_of(folder):
        holders = [
            container["name"]
            for container in pod.containers
            for mount in container.get("volumeMounts", [])
            if mount["mountPath"] == pod_security.TOKEN
        ]
        scaled = "kind" not in folder.parts and not folder.name.startswith("queued-")
        scaled = scaled and pod.labels[COMPONENT] == "head"
        assert holders == (["autoscaler"] if scaled else [])


@each_folder
def test_what_is_written_to_is_mounted(folder: Path) -> None:
    for pod in pods_of(folder):
        for container in pod.containers:
            if "metabt" in container.get("image", "") and container["name"] != "kernels":
                places = {mount["mountPath"] for mount in container["volumeMounts"]}
                assert {"/home/metabt", "/tmp"} <= places, f"{pod.where} {container['name']}"
                if pod.labels[COMPONENT] != "submitter":
                    assert "/opt/metabt/kernels" in places, f"{pod.where} {container['name']}"
                    assert ("/lakehouse" in places) == ("s3" not in folder.parts), f"{pod.where} {container['name']}"


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(node: Any) -> None:
        *parents, last = path.split(".")
        for part in parents:
            node = node[int(part)] if part.isdigit() else node[part]
        node[int(last) if last.isdigit() else last] = value

    return change


SPOILT = {
    "runAsNonRoot is not true": _set("securityContext.runAsNonRoot", False),
    "runAsUser is not a number": _set("securityContext.runAsUser", 0),
    "seccompProfile is not RuntimeDefault": _set("securityContext.seccompProfile", {"type": "Unconfined"}),
    "hostNetwork is set": _set("hostNetwork", True),
    "is of a kind that is not admitted": _set("volumes.0", {"name": "lakehouse", "hostPath": {"path": "/"}}),
    "has no sizeLimit": _set("volumes.1.emptyDir", {}),
    "automountServiceAccountToken is not false": _set("automountServiceAccountToken", True),
    "allowPrivilegeEscalation is not false": _set("containers.0.securityContext.allowPrivilegeEscalation", True),
    "readOnlyRootFilesystem is not true": _set("initContainers.0.securityContext", {}),
    "capabilities are not dropped": _set("containers.0.securityContext.capabilities", {"drop": ["NET_RAW"]}),
    "is privileged or root": _set("containers.0.securityContext.runAsUser", 0),
    "limits of cpu and memory are missing": _set("containers.0.resources.limits", {"cpu": "1"}),
    "takes a port of the node": _set("containers.0.ports", [{"containerPort": 1, "hostPort": 1}]),
    "mounts volumes that there are not: lost": _set("containers.0.volumeMounts.0", {"name": "lost", "mountPath": "/x"}),
    "ray-head mounts a token": _set(
        "containers.0.volumeMounts.0",
        {"name": "api-token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
    ),
}


@pytest.mark.parametrize("says", SPOILT)
def test_the_check_finds(says: str) -> None:
    (head,) = [pod for pod in pods_of(K8S / "overlays" / "cluster") if pod.labels[COMPONENT] == "head"]
    spoilt = replace(head, spec=copy.deepcopy(head.spec))
    SPOILT[says](spoilt.spec)
    assert any(says in problem for problem in pod_security.problems(spoilt))


def test_the_check_finds_what_is_put_beside() -> None:
    (head,) = [pod for pod in pods_of(K8S / "overlays" / "cluster") if pod.labels[COMPONENT] == "head"]
    spoilt = replace(head, beside=({"name": "autoscaler"},))
    assert any("autoscaler: readOnlyRootFilesystem" in problem for problem in pod_security.problems(spoilt))


def component(name: str) -> End:
    return End({COMPONENT: name, "app.kubernetes.io/part-of": "metabt"})


DNS = End({"k8s-app": "kube-dns"}, namespace="kube-system")
OPERATOR = End({"app.kubernetes.io/name": "kuberay-operator"}, namespace="kuberay-operator")
NEIGHBOUR = End({COMPONENT: "head"}, namespace="default")
INTERNET = End(address="203.0.113.7")
CATALOGUE = {
    "kind": component("catalogue"),
    "cluster": End(address="192.0.2.10"),
    "s3": End(address="192.0.2.10"),
}
STORE, STS = End(address="198.51.100.9"), End(address="192.0.2.200")
PROMETHEUS = End({"app.kubernetes.io/name": "prometheus"}, namespace="monitoring")
GRAFANA = End({"app.kubernetes.io/name": "grafana"}, namespace="monitoring")
METRICS = (8080, 44217, 44227)
API_SERVER = End(address="192.0.2.1")
OURS = [component(name) for name in ("head", "worker", "submitter", "nightly", "upkeep", "backup")]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=named)
def test_who_may_talk_to_whom(overlay: Path) -> None:
    def may(source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        return may_connect(render(overlay), source, target, port, protocol)

    head, worker, submitter, nightly, upkeep, backup = OURS
    catalogue = CATALOGUE[overlay.name]
    for pod in OURS:
        assert may(pod, DNS, 53, "UDP") and may(pod, DNS, 53)
        assert not may(pod, DNS, 443) and not may(pod, INTERNET, 443) and not may(pod, INTERNET, 53, "UDP")
        assert not may(NEIGHBOUR, pod, 8265) and not may(pod, NEIGHBOUR, 8265)
        assert may(pod, catalogue, 5432) == (pod is not submitter)
        assert not may(pod, catalogue, 22)
        assert may(pod, API_SERVER, 6443) == (overlay.name != "kind" and pod is head)
        reads = pod in (head, worker, nightly, upkeep)
        assert may(pod, STORE, 443) == may(pod, STS, 443) == (overlay.name == "s3" and reads)
        assert not may(pod, STORE, 80) and not may(pod, STS, 80)
    for source in (head, worker):
        assert all(may(source, target, port) for target in (head, worker) for port in (6379, 8265, 10002, 31000))
    assert may(submitter, head, 8265) and may(OPERATOR, head, 8265)
    assert not may(submitter, head, 6379) and not may(submitter, worker, 8265) and not may(OPERATOR, head, 6379)
    assert not may(nightly, head, 8265) and not may(head, nightly, 80) and not may(OPERATOR, worker, 8265)
    assert not any(may(other, head, 8265) for other in (upkeep, backup, PROMETHEUS))
    assert not may(NEIGHBOUR, component("catalogue"), 5432)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=named)
def test_only_prometheus_reaches_the_ports_of_metrics(overlay: Path) -> None:
    open_to = (*render(overlay), *render(K8S / "monitoring"))
    head, worker, *others = OURS
    outside = [*others, DNS, OPERATOR, NEIGHBOUR, INTERNET, GRAFANA, component("catalogue")]
    for target in (head, worker):
        for port in METRICS:
            assert may_connect(open_to, PROMETHEUS, target, port)
            assert not may_connect(render(overlay), PROMETHEUS, target, port)
            assert not any(may_connect(open_to, source, target, port) for source in outside if source.address is None)
        assert not any(may_connect(open_to, PROMETHEUS, target, port) for port in (6379, 8265, 10001, 22))
    assert not any(may_connect(open_to, PROMETHEUS, other, port) for other in others for port in METRICS)


def test_without_the_default_everything_is_open() -> None:
    policies = [m for m in render(OVERLAYS[0]) if m["kind"] != "NetworkPolicy" or m["metadata"]["name"] != "deny"]
    assert may_connect(policies, NEIGHBOUR, component("nightly"), 80)
    assert not may_connect(render(OVERLAYS[0]), NEIGHBOUR, component("nightly"), 80)
