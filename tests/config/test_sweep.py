"""A sweep runs once per combination, with what `compose` would give, and not at all if one job cannot be composed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra

from metabt.config import compose, sweep
from metabt.errors import ConfigError, RunError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_each_job_gets_what_compose_gives() -> None:
    jobs: list[dict[str, Any]] = []
    common = ["~portfolio.sleeves.factors", "portfolio.sleeves.equities.optimizer.max_weight=0.6"]
    sweep(jobs.append, ["portfolio.lookback=20,30", "portfolio.sleeves.hedge.optimizer=erc,equal", *common])
    wanted = [
        compose([f"portfolio.lookback={lookback}", f"portfolio.sleeves.hedge.optimizer={optimizer}", *common])
        for lookback in (20, 30)
        for optimizer in ("erc", "equal")
    ]
    assert jobs == wanted


def test_groups_and_settings_are_swept_too() -> None:
    jobs: list[dict[str, Any]] = []
    sweep(jobs.append, ["portfolio=demo,one", "start=2000-01-01,2005-01-01"])
    assert [(job["portfolio"]["name"], job["start"]) for job in jobs] == [
        ("demo", "2000-01-01"),
        ("demo", "2005-01-01"),
        ("one", "2000-01-01"),
        ("one", "2005-01-01"),
    ]


def test_nothing_runs_when_one_job_cannot_be_composed(tmp_path: Path) -> None:
    jobs: list[dict[str, Any]] = []
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        sweep(jobs.append, ["portfolio=one,dmo"])
    assert not jobs
    assert not list(tmp_path.iterdir())


def test_a_failing_job_does_not_take_the_others_along(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[int] = []

    def task(config: dict[str, Any]) -> None:
        done.append(config["portfolio"]["lookback"])
        if len(done) == 1:
            raise RunError("ruined")

    with pytest.raises(RunError, match="ruined"):
        sweep(task, ["portfolio.lookback=20,30"])
    assert done == [20, 30]
    assert "portfolio_edits" in capsys.readouterr().err  # Hydra names the overrides of the job that failed


def test_a_sweep_leaves_no_file_and_no_global_state(tmp_path: Path) -> None:
    sweep(lambda config: None, ["portfolio=one", "portfolio.lookback=20,30"])
    assert not list(tmp_path.iterdir())
    assert not GlobalHydra.instance().is_initialized()


def test_composing_leaves_no_file_and_no_global_state(tmp_path: Path) -> None:
    compose()
    assert not list(tmp_path.iterdir())
    assert not GlobalHydra.instance().is_initialized()
