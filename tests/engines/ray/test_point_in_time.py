"""What is dated beside prices, from a lakehouse: Ray's actors, one process and prices in memory agree to the bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import metabt
from metabt.config.jobs import Job
from metabt.lakehouse.price_source import Lakehouse
from metabt.runs.sweep import run_sweep
from tests.engines.test_point_in_time_laws import engine
from tests.shared.agreement import same
from tests.shared.jobs import job
from tests.shared.random_markets import outside_tree, random_market, random_tree, with_signals
from tests.shared.stored_markets import as_ingested, store

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]


@pytest.mark.parametrize(
    "seed", [3, 6, pytest.param(9, marks=pytest.mark.slow), pytest.param(13, marks=pytest.mark.slow)]
)
def test_every_engine_gives_the_bits_of_prices_in_memory(seed: int, tmp_path: Path) -> None:
    of = as_ingested(random_market(seed))
    tree = random_tree(seed, of)
    lake = store(tmp_path / "lake", of)
    twin = Path(shutil.copytree(lake, tmp_path / "twin"))
    memory = engine(tree, of.prices, of.dated(), of.adjusted, of.volumes)
    local = metabt.backtest(tree, lake, engine="local")
    assert same(dict(memory.tables), dict(local.tables))
    assert same(dict(local.tables), dict(metabt.backtest(tree, twin, engine=metabt.Ray(workers=2)).tables))
    again = metabt.backtest(tree, lake, engine="local")
    assert again.found and again.run_id == local.run_id
    assert Lakehouse(lake).dated(["listed"])["listed"].adjusted is False


@pytest.mark.parametrize("seed", [7, pytest.param(8, marks=pytest.mark.slow)])
def test_every_engine_gives_the_bits_of_signals_in_memory(seed: int, tmp_path: Path) -> None:
    of = as_ingested(with_signals(seed, random_market(seed)))
    tree = outside_tree(seed, of)
    lake = store(tmp_path / "lake", of)
    twin = Path(shutil.copytree(lake, tmp_path / "twin"))
    memory = engine(tree, of.prices, of.dated(), of.adjusted, of.volumes)
    local = metabt.backtest(tree, lake, engine="local")
    assert same(dict(memory.tables), dict(local.tables))
    assert same(dict(local.tables), dict(metabt.backtest(tree, twin, engine=metabt.Ray(workers=2)).tables))
    again = metabt.backtest(tree, lake, engine="local")
    assert again.found and again.run_id == local.run_id
    assert same(dict(local.tables), dict(metabt.load(lake, local.run_id).tables))
    assert again.notes == local.notes


def test_a_sweep_of_groups_has_the_rows_of_single_runs(tmp_path: Path) -> None:
    of = as_ingested(random_market(6))
    tree = random_tree(6, of)
    lake = store(tmp_path / "lake", of)
    twin = Path(shutil.copytree(lake, tmp_path / "twin"))

    def jobs(engine: str) -> list[Job]:
        cluster = {"cluster": {"workers": 2}} if engine == "ray" else {}
        return [job({**tree, "lookback": it}, f"portfolio.lookback={it}", engine=engine, **cluster) for it in (20, 30)]

    swept, alone = run_sweep(jobs("ray"), str(lake)), run_sweep(jobs("local"), str(twin))
    assert [it.run_id for it in swept.runs] == [it.run_id for it in alone.runs]
    assert [it.metrics for it in swept.runs] == [it.metrics for it in alone.runs]
    assert all(it.status == "ok" for it in swept.runs)
