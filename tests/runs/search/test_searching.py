"""A search in a lakehouse: batches are forests, one identity, and interrupted it goes on to the same runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt import lakehouse
from metabt.config import Job
from metabt.config.edits import edited
from metabt.errors import ConfigError, StoreError
from metabt.runs.search import searching
from metabt.runs.search.searching import Searched, run_search
from metabt.runs.sweep import Part, run_part
from metabt.search.model_based import ModelBased
from metabt.search.space import Choice, Interval, Point, Space, Steps
from tests.shared import panels
from tests.shared.jobs import book, job
from tests.shared.laws import examples
from tests.shared.searches import settings

SPACE: Space = {
    "portfolio.lookback": Steps(("15", "20", "25", "30")),
    "portfolio.optimizer.max_weight": Interval(0.3, 0.9),
    "portfolio.optimizer.name": Choice(("erc", "min_variance")),
}
"""Bounds below one half are infeasible for two sleeves, so that some points fail."""
BOOK = book(optimizer={"name": "erc"})


def compose(points: Sequence[Point], strict: bool = True) -> list[Job]:
    return [_job(point) for point in points]


def _job(point: Point) -> Job:
    overrides = [f"{key}={text}" for key, text in zip(SPACE, point, strict=True)]
    return job(edited(BOOK, overrides), *overrides)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("stocked") / "lake"
    lakehouse.ingest(lake, "stocks", panels.stocks(5, 200, first="2020-09-01").rename_axis("date"))
    return lake


@pytest.fixture
def lake(stocked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stocked, tmp_path / "lake"))


def searched(lake: Path, sampler: str = "tpe", n: int = 12, **others: Any) -> Searched:
    return run_search(settings(sampler, SPACE, n=n, **{"batch": 4, **others}), SPACE, compose, str(lake))


def asked(lake: Path, what: str = "run_id, sweep_id, overrides") -> list[tuple[Any, ...]]:
    with metabt.connect(lake) as connection:
        return connection.execute(f'select {what} from asked order by "at"').fetchall()


def test_every_point_is_asked_for_under_one_identity(lake: Path) -> None:
    found = searched(lake)
    rows = asked(lake)
    assert [run_id for run_id, _, _ in rows] == [run.run_id for run in found.sweep.runs]
    assert {sweep_id for _, sweep_id, _ in rows} == {found.sweep.sweep_id}
    with metabt.connect(lake) as connection:
        told = connection.execute("select sweep_id, library from searches").fetchall()
    assert told == [(found.sweep.sweep_id, ModelBased(found.settings, SPACE).library)]
    assert found.sweep.outlook.n_jobs == len(found.values) == 12


def test_the_runs_are_those_of_a_grid_and_the_values_their_metrics(lake: Path, stocked: Path, tmp_path: Path) -> None:
    found = searched(lake)
    other = Path(shutil.copytree(stocked, tmp_path / "other"))
    grid = run_part([Job(run.overrides, _config(run.overrides), None) for run in found.sweep.runs], str(other)).sweep
    assert [run.run_id for run in grid.runs] == [run.run_id for run in found.sweep.runs]
    assert [run.metrics.get("sharpe") for run in grid.runs] == list(found.values)
    assert found.best is not None
    assert found.best.metrics["sharpe"] == max(value for value in found.values if value is not None)


def _config(overrides: Sequence[str]) -> dict[str, Any]:
    config = job(edited(BOOK, overrides)).config
    assert config is not None
    return config


def test_failed_points_are_told_as_failed(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float | None] = []
    monkeypatch.setattr(ModelBased, "tell", lambda self, values: told.extend(values))
    found = searched(lake, n=8, batch=8)
    failed = [run.status == "failed" for run in found.sweep.runs]
    assert any(failed) and not all(failed)
    assert [value is None for value in told] == failed == [value is None for value in found.values]


def test_asked_again_everything_is_found_and_more_points_go_on(lake: Path) -> None:
    first, again, more = searched(lake), searched(lake), searched(lake, n=16)
    assert again.values == first.values == more.values[:12] and again.sweep.computed == 0
    assert [run.found for run in again.sweep.runs] == [run.status == "ok" for run in again.sweep.runs]
    assert first.sweep.sweep_id == again.sweep.sweep_id == more.sweep.sweep_id
    assert len(asked(lake)) == 12 + 12 + 16
    with metabt.connect(lake) as connection:
        assert connection.execute("select count(*) from searches").fetchall() == [(1,)]


class Stopped(Exception):
    """The process was killed."""


@pytest.mark.slow
@examples(8)
@given(st.sampled_from(["random", "sobol", "tpe"]), st.lists(st.integers(0, 3), max_size=2), st.integers(2, 5))
def test_interrupted_and_gone_on_with_it_ends_at_the_runs_of_an_uninterrupted_search(
    tmp_path_factory: pytest.TempPathFactory, stocked: Path, sampler: str, stops: list[int], batch: int
) -> None:
    folder = tmp_path_factory.mktemp("lakes")
    whole, broken = (Path(shutil.copytree(stocked, folder / name)) for name in ("whole", "broken"))
    wanted = searched(whole, sampler, batch=batch)
    for stop in stops:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(searching, "run_part", _until(stop))
            try:
                searched(broken, sampler, batch=batch)
            except Stopped:
                continue
    found = searched(broken, sampler, batch=batch)
    assert found.values == wanted.values and found.sweep.sweep_id == wanted.sweep.sweep_id
    assert [run.run_id for run in found.sweep.runs] == [run.run_id for run in wanted.sweep.runs]


def _until(stop: int) -> Any:
    left = [stop]

    def run(*jobs: Any, **options: Any) -> Part:
        if not left[0]:
            raise Stopped
        left[0] -= 1
        return run_part(*jobs, **options)

    return run


def test_another_version_of_the_library_is_refused_by_name(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import optuna

    found = searched(lake, n=4)
    version = optuna.__version__
    before = asked(lake)
    monkeypatch.setattr(optuna, "__version__", "4.9.0")
    said = f"was begun with optuna {version}, and here is optuna 4.9.0.*pip install optuna=={version}.*sweep.seed=6"
    with pytest.raises(ConfigError, match=said):
        searched(lake, n=8)
    assert asked(lake) == before
    assert searched(lake, "sobol", n=4).sweep.sweep_id != found.sweep.sweep_id, "which no version changes"
    assert searched(lake, n=4, seed=6).sweep.sweep_id != found.sweep.sweep_id


def test_other_data_are_another_search_and_end_one_that_runs(lake: Path, stocked: Path) -> None:
    def ingest() -> None:
        prices = panels.stocks(5, 210, first="2020-09-01").rename_axis("date")
        lakehouse.ingest(lake, "stocks", prices * 1.5)

    before = searched(lake, "random", n=4)
    parts = []

    def told(so_far: Sequence[Part], values: Sequence[float | None]) -> None:
        parts.append(len(so_far))
        ingest()

    how = settings("random", SPACE, n=8, batch=4)
    with pytest.raises(StoreError, match="the data that it reads have changed since it began"):
        run_search(how, SPACE, compose, str(lake), told=told)
    assert parts == [1]
    assert searched(lake, "random", n=4).sweep.sweep_id != before.sweep.sweep_id


def test_an_objective_that_runs_lack_is_refused(lake: Path) -> None:
    with pytest.raises(ConfigError, match="objective beta is a metric beside a benchmark.*set benchmark=SYMBOL"):
        run_search(settings("random", SPACE, objective="beta", n=4), SPACE, compose, str(lake))


def test_points_that_come_twice_are_asked_for_twice_and_run_once(lake: Path) -> None:
    space: Space = {"portfolio.lookback": Steps(("15", "20"))}

    def few(points: Sequence[Point], strict: bool) -> list[Job]:
        return [job(edited(BOOK, [text := f"portfolio.lookback={it[0]}"]), text) for it in points]

    found = run_search(settings("random", space, n=6, batch=3), space, few, str(lake))
    assert len(asked(lake)) == 6 and len({run.run_id for run in found.sweep.runs}) == 2
    with metabt.connect(lake) as connection:
        assert connection.execute("select count(*) from runs").fetchall() == [(2,)]
