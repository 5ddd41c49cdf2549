"""Steps between prices and returns on Ray: in runs, in sweeps and in panels they give the bits of one process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt import lakehouse
from metabt.config import Job
from metabt.engines.ray import group_sweep
from metabt.errors import MetabtError
from metabt.lakehouse import ingest
from metabt.lakehouse.ingestion.ingestion import restate
from metabt.runs.sweep import run_sweep
from tests.shared.agreement import same
from tests.shared.executors import NESTED, RULES, STOCKS, years
from tests.shared.jobs import job

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]

STOCK_STEPS = [{"name": "averaged", "before": 2}, {"name": "relative", "over": "dataset"}]
TREES = [{**NESTED, "optimizer": name} for name in ("erc", "equal")]
TREES += [{"name": "leaf", **RULES, "universe": STOCKS[:n], "optimizer": "erc"} for n in (2, 4)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("steps") / "lake"
    for name, frame in years(5).items():
        ingest(path, name, frame)
    return path


@pytest.fixture(scope="module")
def prices(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copytree(plain, tmp_path_factory.mktemp("stepped") / "lake"))
    restate(path, "stocks", panel=STOCK_STEPS)
    restate(path, "coins", panel="capped")
    return path


def copies(of: Path, folder: Path) -> list[str]:
    return [str(shutil.copytree(of, folder / name)) for name in ("here", "there")]


def jobs(engine: str) -> list[Job]:
    cluster = {"cluster": {"workers": 2}} if engine == "ray" else {}
    return [job({**tree, "name": f"t{i}"}, engine=engine, **cluster) for i, tree in enumerate(TREES)]


def test_a_run_on_ray_is_the_run_here_and_not_that_of_the_prices(prices: Path, plain: Path, tmp_path: Path) -> None:
    here, there = copies(prices, tmp_path)
    expected = metabt.backtest(NESTED, here, engine="local")
    found = metabt.backtest(NESTED, there, engine=metabt.Ray(workers=2))
    assert found.run_id == expected.run_id and same(found.tables, expected.tables, ignoring=("stages",))
    handed = metabt.backtest(
        NESTED, years(5), engine=metabt.Ray(workers=2), panel={"stocks": STOCK_STEPS, "coins": "capped"}
    )
    assert same(handed.tables, expected.tables, ignoring=("stages",))
    raw = metabt.backtest(NESTED, str(shutil.copytree(plain, tmp_path / "raw")), engine="local")
    assert raw.run_id != found.run_id and not same(raw.tables, found.tables, ignoring=("stages",))


def test_a_sweep_in_groups_applies_the_steps(prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_sweep, "WORTH", 0.02)  # many groups
    here, there = copies(prices, tmp_path)
    expected = run_sweep(jobs("local"), here, keep="all")
    found = run_sweep(jobs("ray"), there, keep="all")
    assert [(it.run_id, it.status, it.metrics) for it in found.runs] == [
        (it.run_id, it.status, it.metrics) for it in expected.runs
    ]
    assert {it.status for it in found.runs} == {"ok"}
    with metabt.connect(here) as one, metabt.connect(there) as other:
        for run in found.runs:
            tables = [lakehouse.load_run(con, run.run_id)[1] for con in (one, other)]
            assert same(*tables, ignoring=("stages",))


def test_another_step_computes_what_reads_it_and_nothing_else(prices: Path, tmp_path: Path) -> None:
    """Of the tree every sleeve but the one over stocks alone stands beneath or over the coins."""
    lake, _ = copies(prices, tmp_path)
    metabt.backtest(NESTED, lake, engine="local")
    restate(lake, "coins", panel={"name": "capped", "limit": 0.02})
    again = metabt.backtest(NESTED, lake, engine=metabt.Ray(workers=2))
    stages = again.frame("stages")
    computed = set(stages[~stages["cache_hit"]]["path"])
    assert computed == {"root", "root/b"}
    restate(lake, "coins", panel="capped")
    assert metabt.backtest(NESTED, lake, engine="local").found


def test_a_panel_on_ray_has_the_returns_of_the_steps(prices: Path) -> None:
    here, there = (metabt.open_panel(prices, "stocks", engine=engine) for engine in ("local", "ray"))
    assert here.compute()["returns"].tobytes() == there.persist().compute()["returns"].tobytes()
    frames = years(5)
    handed = metabt.open_panel(frames, "stocks", engine="ray", panel={"stocks": STOCK_STEPS})
    assert handed.compute()["returns"].tobytes() == here.compute()["returns"].tobytes()


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_step_that_looks_ahead_is_refused_by_every_engine(engine: str, plain: Path, tmp_path: Path) -> None:
    lake, _ = copies(plain, tmp_path)
    restate(lake, "stocks", panel={"name": "peeking", "above": 0.05})
    calls: list[Any] = [
        lambda: metabt.backtest(NESTED, lake, engine=engine),
        lambda: run_sweep(jobs(engine), lake, keep="summary"),
    ]
    for call in calls:
        with pytest.raises(MetabtError, match="dataset 'stocks': step 'peeking' looks ahead: its return of"):
            call()
    with metabt.connect(lake) as con:
        assert con.sql("select count(*) from runs").fetchall() == [(0,)]
