"""What a RayJob's manifest says, submitted to a Ray head on this machine as KubeRay's submitter would, succeeds."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from metabt import lakehouse
from tests.k8s.local_cluster import local_head
from tests.k8s.manifests import K8S, ROOT, job_of

pytestmark = pytest.mark.slow
JOB = K8S / "overlays" / "kind" / "backtest"
RAY = str(Path(sys.executable).parent / "ray")


@pytest.fixture(scope="module")
def head() -> Iterator[tuple[str, dict[str, str]]]:
    """Run a head in the folder that is the image's working directory."""
    with local_head(ROOT, {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}) as found:
        yield found


@pytest.fixture
def lake(tmp_path: Path, sp500: pd.DataFrame, factor_etfs: pd.DataFrame) -> Path:
    """Make a lakehouse with a few years of the demo's prices."""
    path = tmp_path / "lakehouse"
    lakehouse.ingest(path, "sp500", sp500.loc["2016":])
    lakehouse.ingest(path, "factor_etfs", factor_etfs.loc["2016":])
    return path


def submit(address: str, settings: dict[str, str], entrypoint: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [RAY, "job", "submit", "--address", address, *options, "--", *entrypoint.split()]
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=300)


def runs(lake: Path) -> list[tuple[str, str]]:
    with lakehouse.connect(lake) as con:
        return con.execute("select portfolio, status from runs order by started_at").fetchall()


@pytest.mark.parametrize(("job", "n_runs"), [("backtest", 1), ("sweep", 6)])
def test_the_entrypoint_succeeds_and_its_runs_are_in_the_lakehouse(
    head: tuple[str, dict[str, str]], lake: Path, job: str, n_runs: int
) -> None:
    entrypoint, environment = job_of(JOB.parent / job)
    here = entrypoint.replace("lakehouse=/lakehouse", f"lakehouse={lake}")
    assert here != entrypoint
    done = submit(*head, here, "--runtime-env-json", json.dumps(environment))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    assert runs(lake) == [("demo", "ok")] * n_runs


def test_a_run_that_fails_fails_the_job(head: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    entrypoint, environment = job_of(JOB)
    here = entrypoint.replace("lakehouse=/lakehouse", f"lakehouse={tmp_path / 'none'}")
    done = submit(*head, here, "--runtime-env-json", json.dumps(environment))
    assert done.returncode == 1
    assert "no lakehouse at" in done.stdout + done.stderr


@pytest.mark.parametrize(("token", "refusal"), [(None, 401), ("wrong", 403)])
def test_without_its_token_nobody_submits(head: tuple[str, dict[str, str]], token: str | None, refusal: int) -> None:
    address, _ = head
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    asked = urllib.request.Request(f"{address}/api/jobs/", json.dumps({"entrypoint": "true"}).encode(), headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=30)
    assert refused.value.code == refusal
    refused.value.close()
