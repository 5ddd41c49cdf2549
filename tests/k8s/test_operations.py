"""Laws over all that is rendered: who is let in first, where it runs, what is tried again, what is kept how long."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from metabt.cli.exit_codes import ENDED, FINAL
from metabt.engines.ray.monitoring import metrics
from tests.k8s import controller, schemas
from tests.k8s.manifests import EXTRAS, JOBS, K8S, OVERLAYS, Manifest, Pod, environment, name_of, only, pods, render
from tests.k8s.test_manifests import each_job, named
from tests.k8s.test_pods import COMPONENT, METRICS, WITH_PODS, pods_of

with_pods = pytest.mark.parametrize("folder", WITH_PODS, ids=named)
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS, ids=named)
MACHINE = "node.kubernetes.io/instance-type"
COMPUTES = ("head", "worker", "nightly", "upkeep")
"""Components whose arithmetic, or the check of whose, depends on the processor."""
ON_CLUSTERS = [folder for folder in WITH_PODS if "kind" not in folder.parts]


def size(quantity: str | int) -> float:
    """Return a quantity of Kubernetes' as a number: `500m`, `2`, `26Gi`."""
    number, unit = re.fullmatch(r"(\d+)(m|Mi|Gi)?", str(quantity)).groups()  # type: ignore[union-attr]
    return float(number) * {None: 1.0, "m": 1e-3, "Mi": 2.0**20, "Gi": 2.0**30}[unit]


@with_pods
def test_every_pod_has_a_priority_that_there_is(folder: Path) -> None:
    overlay = folder if folder in OVERLAYS else folder.parent
    values = {it["metadata"]["name"]: it["value"] for it in render(overlay) if it["kind"] == "PriorityClass"}
    for pod in pods_of(folder):
        worker = pod.labels[COMPONENT] == "worker"
        assert pod.spec["priorityClassName"] == ("metabt-worker" if worker else "metabt-steady"), pod.where
    assert values["metabt-worker"] < values["metabt-steady"]
    assert values["metabt-worker"] > -10  # what Kubernetes' own autoscaler adds no node for


@with_pods
def test_no_container_is_promised_less_memory_than_it_may_take(folder: Path) -> None:
    """What takes more than it was promised is what a node that runs short ends first."""
    for pod in pods_of(folder):
        for container in pod.containers:
            resources = container["resources"]
            assert resources["requests"]["memory"] == resources["limits"]["memory"], f"{pod.where} {container['name']}"


def runs_metabt(pod: Pod) -> bool:
    return any(c.get("command", [""])[0] in ("metabt", "python") for c in pod.containers)


@each_overlay
def test_what_is_refused_is_not_tried_again(overlay: Path) -> None:
    seen = 0
    for manifest in (it for it in render(overlay) if it["kind"] == "CronJob"):
        spec, (pod,) = manifest["spec"]["jobTemplate"]["spec"], pods(manifest)
        assert pod.spec["restartPolicy"] == "Never"  # with another one there is no podFailurePolicy
        rules = spec.get("podFailurePolicy", {"rules": []})["rules"]
        refused = [rule["onExitCodes"] for rule in rules if "onExitCodes" in rule]
        assert spec["backoffLimit"] == 0 or any(rule["action"] == "Ignore" for rule in rules), name_of(manifest)
        if runs_metabt(pod):
            seen += 1
            assert refused == [{"operator": "In", "values": list(FINAL)}] and rules[0]["action"] == "FailJob"
        else:
            assert not refused  # pg_dump has one code for everything
    assert seen == 2


@each_job
def test_a_job_is_tried_again_by_what_sees_its_exit_code(folder: Path) -> None:
    spec = only("RayJob", folder)["spec"]
    assert spec["backoffLimit"] == 0 and spec["submitterConfig"]["backoffLimit"] > 0
    assert spec["entrypoint"].split()[1] == "jobs/with_retries.py"
    assert not set(FINAL) & set(ENDED) and 0 not in FINAL


@pytest.mark.parametrize("folder", ON_CLUSTERS, ids=named)
def test_what_computes_is_on_one_kind_of_machine_and_only_workers_may_be_taken_away(folder: Path) -> None:
    kinds = set()
    for pod in pods_of(folder):
        component, nodes = pod.labels[COMPONENT], pod.spec["nodeSelector"]
        spot = component == "worker"
        assert nodes["metabt/pool"] == ("spot" if spot else "steady"), pod.where
        assert [it["key"] for it in pod.spec.get("tolerations", [])] == ["metabt/spot"] * spot
        if component in COMPUTES:
            kinds.add(nodes[MACHINE])
        if spot:
            (spread,) = pod.spec["topologySpreadConstraints"]
            assert spread["labelSelector"]["matchLabels"].items() <= pod.labels.items()
            assert spread["whenUnsatisfiable"] == "ScheduleAnyway"  # better in one zone than nowhere
    assert len(kinds) == 1


QUEUED = [folder for folder in JOBS if folder.name.startswith("queued-")]


@pytest.mark.parametrize("folder", QUEUED, ids=named)
def test_a_queued_job_waits_in_a_queue_that_it_fits_into(folder: Path) -> None:
    job, queue = only("RayJob", folder), only("LocalQueue", K8S / "kueue")
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == queue["metadata"]["name"]
    assert job["metadata"]["namespace"] == queue["metadata"]["namespace"]
    cluster_queue = only("ClusterQueue", K8S / "kueue", queue["spec"]["clusterQueue"])
    (group,) = cluster_queue["spec"]["resourceGroups"]
    (flavor,) = group["flavors"]
    assert only("ResourceFlavor", K8S / "kueue")["metadata"]["name"] == flavor["name"]
    quotas = {it["name"]: size(it["nominalQuota"]) for it in flavor["resources"]}
    assert set(group["coveredResources"]) == set(quotas) == {"cpu", "memory"}
    for what, quota in quotas.items():
        assert asked_for(job, what) <= quota, what


def asked_for(job: Manifest, what: str) -> float:
    """Return how much of a resource a job's pods request, as Kueue counts it."""
    cluster = job["spec"]["rayClusterSpec"]
    templates = [(job["spec"]["submitterPodTemplate"], 1), (cluster["headGroupSpec"]["template"], 1)]
    templates += [(group["template"], group["replicas"]) for group in cluster["workerGroupSpecs"]]
    return sum(n * requested(template["spec"], what) for template, n in templates)


def requested(pod: dict[str, Any], what: str) -> float:
    own, before = (
        [size(c["resources"]["requests"][what]) for c in pod.get(kind, [])] for kind in ("containers", "initContainers")
    )
    return max(sum(own), max(before, default=0.0))


def test_the_overlay_without_volumes_has_none() -> None:
    overlay = K8S / "overlays" / "s3"
    for folder in (overlay, *(job for job in JOBS if job.parent == overlay)):
        assert "PersistentVolume" not in str(render(folder)) and "persistentVolumeClaim" not in str(render(folder))
        for pod in pods_of(folder):
            if pod.labels[COMPONENT] in COMPUTES:
                assert pod.spec["serviceAccountName"] == "metabt"
                keys = [it["secretRef"] for it in pod.spec["containers"][0]["envFrom"] if "secretRef" in it]
                assert keys == [{"name": "metabt-s3", "optional": True}]
    given, role = environment(overlay), only("ServiceAccount", overlay)
    assert given["METABT_LAKEHOUSE"].startswith("s3://") and {"AWS_REGION", "AWS_ENDPOINT_URL"} <= given.keys()
    assert role["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:")
    assert not any("KEY" in name for name in given)


def test_no_dump_outlives_the_files_that_it_names() -> None:
    """An upkeep removes what only the state before the last one named, so that dumps are kept no longer than a week."""
    for overlay in (K8S / "overlays" / name for name in ("kind", "cluster")):
        upkeep, dump = (only("CronJob", overlay, name)["spec"] for name in ("upkeep", "catalogue-dump"))
        minute, hour, of_month, month, weekday = upkeep["schedule"].split()
        assert (of_month, month) == ("*", "*") and weekday.isdigit()  # once a week
        (container,) = dump["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        days = next(int(it["value"]) for it in container["env"] if it["name"] == "DAYS")
        assert 1 <= days < 7
        assert only("CronJob", overlay, "catalogue-restore")["spec"]["suspend"] is True


def test_what_runs_on_a_schedule_waits_on_a_laptop() -> None:
    for manifest in render(K8S / "overlays" / "kind"):
        assert manifest["kind"] != "CronJob" or manifest["spec"]["suspend"] is True


STUB = """#!/usr/bin/env bash
if [ "$1" = kustomize ]; then exec {kubectl} "$@"; fi
printf '%s\\n' "$*" > {said}/words; cat > {said}/stdin; echo rayjob.ray.io/made
"""


OWNERS = {"Ann O'Nym@desk-": "Ann-O-Nym-desk", "--": "unknown", "x" * 70: "x" * 63}
"""Who starts a job -> what a label can say of that."""


@pytest.mark.parametrize(
    ("folder", "owner", "label"),
    [*((folder, "ann", "ann") for folder in JOBS), *((JOBS[0], *pair) for pair in OWNERS.items())],
)
def test_two_people_start_the_same_job_at_once(folder: Path, owner: str, label: str, tmp_path: Path) -> None:
    """What is created is what is rendered, but for a name of its own and its owner, on the job and on all its pods."""
    from shutil import which

    expected = json.loads(json.dumps(only("RayJob", folder)).replace('"metabt/owner": "shared"', f'"O": "{label}"'))
    stub = tmp_path / "kubectl"
    stub.write_text(STUB.format(kubectl=which("kubectl"), said=tmp_path))
    stub.chmod(0o755)
    settings = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "OWNER": owner}
    done = subprocess.run([K8S / "submit", folder], env=settings, capture_output=True, text=True, check=True)
    assert done.stdout == "rayjob.ray.io/made\n"
    assert (tmp_path / "words").read_text() == "create -f - -o name\n"
    made = yaml.safe_load((tmp_path / "stdin").read_text())
    assert schemas.problems(made) == []
    text = json.dumps(made)
    assert text.count(f'"metabt/owner": "{label}"') == 4  # the job, its submitter, its head and its workers
    made = json.loads(text.replace("metabt/owner", "O"))
    made["metadata"]["name"] = made["metadata"].pop("generateName").removesuffix("-")
    assert made == expected and controller.problems(made) == []


def expressions() -> list[str]:
    board = json.loads(only("ConfigMap", K8S / "monitoring")["data"]["metabt.json"])
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_the_board_shows_what_metabt_exports() -> None:
    config = only("ConfigMap", K8S / "monitoring")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    told = re.findall(r"(Counter|Gauge)\(\"(metabt_\w+)\"", Path(str(metrics.__file__)).read_text())
    exported = {f"ray_{name}" + "_total" * (kind == "Counter") for kind, name in told}
    shown = {name for text in expressions() for name in re.findall(r"\bray_metabt_\w+", text)}
    assert len(exported) > 3 and shown == exported


def test_what_is_scraped_is_what_is_open_and_listened_at() -> None:
    monitor, policy = only("PodMonitor", K8S / "monitoring"), only("NetworkPolicy", K8S / "monitoring")
    scraped = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
    opened = {it["port"] for rule in policy["spec"]["ingress"] for it in rule["ports"]}
    assert opened == set(METRICS)
    for folder in (*OVERLAYS, *JOBS):
        for pod in pods_of(folder):
            if pod.labels[COMPONENT] in ("head", "worker"):
                ports = {it["name"]: it["containerPort"] for it in pod.spec["containers"][0]["ports"]}
                assert {ports[name] for name in scraped & ports.keys()} <= opened and ports["metrics"] == 8080
                assert (scraped <= ports.keys()) == (pod.labels[COMPONENT] == "head")
                assert monitor["spec"]["selector"]["matchLabels"].items() <= pod.labels.items()


def test_what_may_be_added_says_nothing_of_pods() -> None:
    assert {folder.name for folder in EXTRAS} == {"kueue", "monitoring"}
    assert not any(list(pods(manifest)) for folder in EXTRAS for manifest in render(folder))
