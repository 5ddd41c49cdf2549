"""What a RayJob's manifest says, submitted to a Ray head on this machine as KubeRay's submitter would, succeeds."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from metabt import lakehouse
from tests.k8s.manifests import K8S, ROOT, job_of
from tests.shared.heads import Head

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]
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
    here = entrypoint.replace("$METABT_LAKEHOUSE", str(lake))
    assert here != entrypoint
    code, said = submit(head, here, environment)
    assert code == 0, said
    assert "succeeded" in said
    assert runs(lake) == [("demo", "ok")] * n_runs


def test_a_run_that_fails_fails_the_job(head: Head, tmp_path: Path) -> None:
    entrypoint, environment = job_of(JOB)
    here = entrypoint.replace("$METABT_LAKEHOUSE", str(tmp_path / "none"))
    code, said = submit(head, here, environment)
    assert code == 1
    assert "no lakehouse at" in said and "tried again" not in said  # a retry cannot cure it
    assert f"this goes on from what is stored: python jobs/backtest.py portfolio=demo lakehouse={tmp_path}" in said


def test_a_job_that_is_sent_from_a_checkout_compiles_nothing(head: Head, lake: Path, tmp_path: Path) -> None:
    """It imports what the nodes have installed, whose kernels are compiled, and not what lies beside it."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache"))
    told = json.dumps({"env_vars": {"NUMBA_DEBUG_CACHE": "1"}})
    words = f"python jobs/backtest.py portfolio=demo engine=local lakehouse={lake}".split()
    code, said = head.job("submit", "--working-dir", ".", "--runtime-env-json", told, "--", *words, cwd=checkout)
    assert code == 0, said
    loaded, saved = (re.findall(rf"data {what} '(.+)'", said) for what in ("loaded from", "saved to"))
    assert len(loaded) > 20 and saved == []
    assert all(path.startswith(str(ROOT / "metabt")) for path in loaded)
