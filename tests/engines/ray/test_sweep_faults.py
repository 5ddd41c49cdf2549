"""Actors, machines and drivers are killed at every stage of a sweep: the same runs, and nothing is left of it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metabt.engines.ray import group_sweep
from metabt.lakehouse import attach, check_lakehouse, ingest, query, upkeep
from metabt.lakehouse.folder.orphans import META
from metabt.runs.sweep import run_sweep
from tests.engines.ray.killed_sweeps import ACTOR_STAGES, DRIVER_STAGES, WORTH, die_at, jobs
from tests.shared.executors import years

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120.0
"""Seconds after which a sweep counts as hanging."""
ALL = "METABT_FAULTS" in os.environ
"""Whether every stage is tried, or some of them."""
pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("killed") / "lake"
    for name, frame in years(3).items():
        ingest(path, name, frame)
    return path


@pytest.fixture(scope="module")
def expected(stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    lake = Path(shutil.copytree(stocked, tmp_path_factory.mktemp("undisturbed") / "lake"))
    run_sweep(jobs("local"), str(lake))
    return digests(lake)


@pytest.fixture
def lake(stocked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stocked, tmp_path / "lake"))


def digests(lake: Path) -> dict[str, dict]:
    """Return run -> digests of its tables, without that which has times."""
    found = {run_id: json.loads(text) for run_id, text in query(lake, "select run_id, digests from runs").rows}
    for each in found.values():
        each["tables"].pop("stages", None)
    return found


def assert_whole(lake: Path, expected: dict[str, dict]) -> None:
    """Assert that the runs are those of an undisturbed sweep, and no file is there that nothing names."""
    assert digests(lake) == expected
    upkeep(lake)
    assert not check_lakehouse(lake).faults
    with attach(lake, read_only=True) as con:
        tables = ("ducklake_data_file", "ducklake_delete_file", "ducklake_files_scheduled_for_deletion")
        paths = [con.execute(f"SELECT path FROM {META}.{table}").fetchall() for table in tables]
    named = {path.rpartition("/")[2] for rows in paths for (path,) in rows}
    assert {path.name for path in (lake / "data").rglob("*.parquet")} <= named
    assert [path.name for path in lake.glob("writer.*")] == ["writer.lock"]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("stage", ACTOR_STAGES if ALL else ("after the files",))
def test_an_actor_that_is_killed_in_a_group_changes_nothing(
    stage: str, lake: Path, tmp_path: Path, expected: dict[str, dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_sweep, "WORTH", WORTH)
    notes = tmp_path / "notes"
    notes.mkdir()
    with die_at(stage, notes):
        began = time.monotonic()
        found = run_sweep(jobs("ray", workers=2), str(lake))
    assert time.monotonic() - began < PATIENCE
    assert [file.name for file in notes.iterdir()] == [f"{stage}.died"]
    assert all(run.status == "ok" for run in found.runs)
    assert_whole(lake, expected)


def start(lake: Path, fault: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    # Ray reads these once, when it is first imported
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    argv = [sys.executable, "-m", "tests.engines.ray.killed_sweeps", str(lake), fault]
    return subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("stage", DRIVER_STAGES if ALL else ("second name", "committed"))
def test_a_driver_that_is_killed_is_continued_by_the_same_configurations(
    stage: str, lake: Path, expected: dict[str, dict]
) -> None:
    process = start(lake, stage)
    _, complained = process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL, complained
    assert len(digests(lake)) == (len(expected) if stage == "committed" else 0)
    found = run_sweep(jobs("local"), str(lake))
    print(f"killed at '{stage}': {found.computed} of {found.outlook.n_distinct} blocks computed by the second")
    assert found.outlook.n_found == (len(expected) if stage == "committed" else 0)
    assert_whole(lake, expected)


@pytest.mark.slow
def test_a_machine_that_is_lost_in_a_sweep_changes_nothing(lake: Path, expected: dict[str, dict]) -> None:
    process = start(lake, "raylet")
    said, complained = process.communicate(timeout=240)
    assert process.returncode == 0, complained
    found = json.loads(said.splitlines()[-1])
    assert found["killed"] == 1 and found["ok"] == len(expected) and found["seconds"] < PATIENCE
    assert_whole(lake, expected)
