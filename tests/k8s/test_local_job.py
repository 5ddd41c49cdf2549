"""What a RayJob's manifest says, submitted to a Ray head on this machine as KubeRay's submitter would, succeeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from metabt import lakehouse
from tests.k8s.manifests import K8S, job_of
from tests.shared.heads import Head

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
JOB = K8S / "overlays" / "kind" / "backtest"


@pytest.fixture
def lake(tmp_path: Path, sp500: pd.DataFrame, factor_etfs: pd.DataFrame) -> Path:
    """Make a lakehouse with a few years of the demo's prices."""
    path = tmp_path / "lakehouse"
    lakehouse.ingest(path, "sp500", sp500.loc["2016":])
    lakehouse.ingest(path, "factor_etfs", factor_etfs.loc["2016":])
    return path


def submit(head: Head, entrypoint: str, environment: dict[str, Any]) -> tuple[int, str]:
    return head.job("submit", "--runtime-env-json", json.dumps(environment), "--", *entrypoint.split())


def runs(lake: Path) -> list[tuple[str, str]]:
    with lakehouse.connect(lake) as con:
        return con.execute("select portfolio, status from runs order by started_at").fetchall()


@pytest.mark.parametrize(("job", "n_runs"), [("backtest", 1), ("sweep", 6)])
def test_the_entrypoint_succeeds_and_its_runs_are_in_the_lakehouse(
    head: Head, lake: Path, job: str, n_runs: int
) -> None:
    entrypoint, environment = job_of(JOB.parent / job)
    here = entrypoint.replace("lakehouse=/lakehouse", f"lakehouse={lake}")
    assert here != entrypoint
    code, said = submit(head, here, environment)
    assert code == 0, said
    assert "succeeded" in said
    assert runs(lake) == [("demo", "ok")] * n_runs


def test_a_run_that_fails_fails_the_job(head: Head, tmp_path: Path) -> None:
    entrypoint, environment = job_of(JOB)
    here = entrypoint.replace("lakehouse=/lakehouse", f"lakehouse={tmp_path / 'none'}")
    code, said = submit(head, here, environment)
    assert code == 1
    assert "no lakehouse at" in said
