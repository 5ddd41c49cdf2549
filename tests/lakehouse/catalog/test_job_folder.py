"""In a job of a Ray cluster no lakehouse may lie where Ray deletes it, whoever names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt import lakehouse
from metabt.cli.main import main
from metabt.errors import StoreError
from metabt.lakehouse.catalog.job_folder import JOB
from tests.shared import panels

TREE = {"name": "leaf", "universe": list(panels.STOCKS), "lookback": 20}
COPY = "/tmp/ray/session_2026-11-24_22-56-43_268991_20871/runtime_resources/working_dir_files/_ray_pkg_11463fa018923a40"


@pytest.fixture
def a_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Be a job, in a folder that has a lakehouse with prices; return the folder."""
    lakehouse.ingest(tmp_path / "lake", "stocks", panels.stocks(1))
    package = {"working_dir": "gcs://_ray_pkg_11463fa018923a40.zip"}
    monkeypatch.setenv(JOB, json.dumps({"runtime_env": package, "metadata": {"job_submission_id": "j"}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def backtest(path: Any) -> object:
    return metabt.backtest(TREE, path)


def ingest(path: Any) -> object:
    return lakehouse.ingest(path, "stocks", panels.stocks(2))


CALLS = {"backtest": backtest, "ingest": ingest, "connect": metabt.connect, "load": metabt.load}


@pytest.mark.parametrize("path", ["lake", Path("lake"), "./lake", f"{COPY}/lake"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_lakehouse_in_the_folder_of_the_job_is_refused(a_job: Path, call: Any, path: Any) -> None:
    before = sorted(a_job.rglob("*"))
    with pytest.raises(StoreError, match=r"lakehouse '.*lake' is in the working directory of job 'j'.*absolute path"):
        call(path)
    assert sorted(a_job.rglob("*")) == before and not Path(COPY).exists()


@pytest.mark.parametrize("path", ["{}/lake", "~/lake"])
def test_an_absolute_one_is_taken(a_job: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("HOME", str(a_job))
    (a_job / "elsewhere").mkdir()
    monkeypatch.chdir(a_job / "elsewhere")
    assert backtest(path.format(a_job))
    assert list((a_job / "elsewhere").iterdir()) == [] and (a_job / "lake" / ".cache").is_dir()


def test_outside_of_jobs_a_relative_one_is_taken(a_job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(JOB)
    assert backtest("lake")


def test_the_command_line_says_it_and_ends_with_code_one(a_job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panels.stocks(1).to_csv(a_job / "prices.csv")
    for argv in (["ingest", "prices.csv", "--dataset", "x"], ["backtest", "portfolio=one"], ["runs"]):
        assert main(argv) == 1
        assert capsys.readouterr().err.startswith(
            "metabt: lakehouse 'data/lakehouse' is in the working directory of job"
        )
