"""The walk on Ray has the bits of the walk in one process: any number of workers, any tree, cached or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import metabt
from metabt import BacktestEngine, MemoryCache
from metabt.build.cache.disk import DiskCache
from metabt.build.walk_result import Executor
from metabt.engines.local import Local
from metabt.engines.ray import Ray
from metabt.errors import ConfigError
from metabt.lakehouse import ingest
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.runs.sweep import run_sweep
from tests.shared.agreement import same
from tests.shared.executors import COINS, LEAF, NESTED, RULES, STOCKS, WRAPPED, alike, engine, outcomes, years
from tests.shared.jobs import job

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("cluster")]

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "local": Local,
    "ray, one worker": lambda: Ray(workers=1),
    "ray, two workers": lambda: Ray(workers=2),
}
TREES = {"nested": [NESTED], "a leaf": [LEAF], "a forest": [NESTED, LEAF, WRAPPED, {**NESTED, "optimizer": "equal"}]}


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Executor:
    return EXECUTORS[request.param]()


@pytest.mark.parametrize("cached", [False, True], ids=["nothing remembered", "on disk"])
@pytest.mark.parametrize("trees", TREES)
def test_every_executor_gives_the_same_bits(executor: Executor, trees: str, cached: bool, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache") if cached else None
    found = outcomes(engine(TREES[trees], executor=executor, cache=cache))
    assert not any(isinstance(tables, str) for tables in found)
    assert alike(found, outcomes(engine(TREES[trees])))


def test_what_one_executor_stored_every_other_finds(executor: Executor, tmp_path: Path) -> None:
    first = engine([NESTED], executor=executor, cache=DiskCache(tmp_path))
    assert first.run().computed == first.plan.n_blocks
    for other in EXECUTORS.values():
        again = engine([NESTED], executor=other(), cache=DiskCache(tmp_path))
        assert again.run().computed == 0


def test_a_sleeve_that_fails_ends_its_own_trees_alone(executor: Executor) -> None:
    soaring = {**RULES, "universe": COINS, "dataset": "coins", "direction": "short", "lookback": 5}
    trees = [{"name": "over it", "defaults": RULES, "sleeves": {"s": soaring, "ok": {"universe": STOCKS[:2]}}}, NESTED]
    prices = {name: to_prices(name, f) for name, f in years(3, gaps=False).items()}
    closes = prices["coins"].close.copy()
    closes[200:, 0] *= 40
    prices["coins"] = metabt.Prices("coins", prices["coins"].dates, prices["coins"].symbols, closes)
    symbols = {name: held.symbols for name, held in prices.items()}
    portfolios = [resolve(tree, symbols=symbols) for tree in trees]
    found = outcomes(BacktestEngine(portfolios, prices, executor=executor))
    assert "sleeve 'over it/s': ruined on" in str(found[0]) and isinstance(found[1], dict)
    assert alike(found, outcomes(BacktestEngine(portfolios, prices)))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("ray") / "lake"
    for name, frame in years(5).items():
        ingest(path, name, frame)
    yield path


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_from_a_lakehouse_streams_its_prices_and_is_stored(lake: Path, workers: int) -> None:
    tree = {**NESTED, "name": f"by {workers}"}
    expected = metabt.backtest(tree, years(5), engine="local")
    for changed in ({}, {"lookback": 25}):
        result = metabt.backtest({**tree, **changed}, str(lake), engine=Ray(workers=workers))
        assert not result.found
    first = metabt.load(lake, result.run_id)
    assert first.run_id == result.run_id
    engines = metabt.connect(lake).execute("SELECT DISTINCT engine FROM runs WHERE portfolio = ?", [tree["name"]])
    assert engines.fetchall() == [("ray",)]
    found = metabt.backtest(tree, str(lake))
    assert found.found and same(found.tables, expected.tables, ignoring=("stages", "sleeves"))


def test_appended_sessions_compute_the_open_partition_alone(tmp_path: Path) -> None:
    frames = years(7)
    path = tmp_path / "lake"
    for name, frame in frames.items():
        ingest(path, name, frame.iloc[:-5])
    metabt.backtest(NESTED, str(path), engine=Ray(workers=2))
    for name, frame in frames.items():
        ingest(path, name, frame)
    result = metabt.backtest(NESTED, str(path), engine=Ray(workers=2))
    stages = result.frame("stages")
    assert set(stages.loc[~stages["cache_hit"], "partition"].astype(str)) == {str(frames["stocks"].index[-1].year)}
    assert same(result.tables, metabt.backtest(NESTED, frames).tables, ignoring=("stages", "sleeves"))


def test_a_sweep_on_ray_is_the_sweep_in_one_process(lake: Path, tmp_path: Path) -> None:
    jobs = [
        job({**NESTED, "name": "swept", "optimizer": name, "lookback": lookback}, engine="ray", cluster={"workers": 2})
        for name in ("erc", "equal")
        for lookback in (20, 40)
    ]
    swept = run_sweep(jobs, str(lake))
    assert [run.status for run in swept.runs] == ["ok"] * 4
    for run, each in zip(swept.runs, jobs, strict=True):
        expected = metabt.backtest(each.config["portfolio"], years(5))  # type: ignore[index]
        assert run.metrics == expected.metrics().loc["swept"].to_dict()


def test_a_cache_of_one_process_is_refused() -> None:
    with pytest.raises(ConfigError, match="MemoryCache lives in one process"):
        engine([LEAF], executor=Ray(), cache=MemoryCache()).run()


def test_progress_comes_from_the_actors() -> None:
    told: list[tuple[int, int]] = []
    job = engine([NESTED], executor=Ray(workers=2))
    job.run(lambda done, total, label: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (job.plan.n_blocks, job.plan.n_blocks) and len(told) > 3
