"""What k8s/README.md tells a newcomer to type and to change is there."""

from __future__ import annotations

import re
import shlex

from metabt.cli.main import parse
from tests.k8s.manifests import JOBS, K8S, OVERLAYS, ROOT, render

README = (K8S / "README.md").read_text(encoding="utf-8")
COMMANDS = "\n".join(re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)).replace("\\\n", " ")


def test_every_path_exists() -> None:
    paths = set(re.findall(r"\bk8s/[\w./-]*\w", README))
    assert {"k8s/overlays/kind", "k8s/overlays/cluster/backtest", "k8s/Dockerfile"} <= paths
    for path in paths:
        assert (ROOT / path).exists(), path
    for path in re.findall(r"`((?:base|overlays|rayjob)/[\w./-]+)`", README):
        assert (K8S / path).exists(), path


def test_every_command_of_metabt_is_one() -> None:
    lines = [line.split(" -- ", 1)[1] for line in COMMANDS.splitlines() if " -- metabt " in line]
    assert len(lines) == 5
    for line in lines:
        assert parse(shlex.split(line)[1:]).lakehouse == "/lakehouse"


def test_every_name_is_one_of_an_object() -> None:
    names = {manifest["metadata"]["name"] for overlay in OVERLAYS for manifest in render(overlay)} | {
        "backtest",
        "sweep",
    }
    kinds = "rayjob|raycluster|cronjob|statefulset"
    told = re.findall(rf"\b(?:{kinds})/([\w-]+)|\b(?:{kinds}) (\w[\w-]*)", COMMANDS)
    assert len(told) > 5
    for name in (first or second for first, second in told):
        assert name in names, name


def test_every_job_that_is_started_is_one() -> None:
    started = re.findall(r"k8s/submit (\S+?)\)?(?:\s|$)", COMMANDS)
    assert {"k8s/overlays/kind/sweep", "k8s/overlays/cluster/queued-sweep", "k8s/overlays/s3/sweep"} <= set(started)
    assert {ROOT / path for path in started} <= set(JOBS)


def test_what_no_test_runs_is_marked() -> None:
    for heading in ("### A queue", "### Without a volume", "## Watch it"):
        (section,) = re.findall(rf"^{heading}$(.*?)^##", README, flags=re.DOTALL | re.MULTILINE)
        assert "rendered and linted, not run" in " ".join(section.split()), heading


def test_everything_that_differs_at_a_site_is_told() -> None:
    lines = [
        line for name in ("cluster", "s3") for line in (K8S / "overlays" / name / "site.env").read_text().splitlines()
    ]
    for key in (line.split("=")[0] for line in lines if line and not line.startswith("#")):
        assert f"`{key}`" in README, key
