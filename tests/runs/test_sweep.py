"""Sweeps: a configuration in a forest gives what it gives alone, shares what it can, and fails alone."""

from __future__ import annotations

import datetime
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt import BacktestEngine, MemoryCache, lakehouse
from metabt.analysis.run_tables import SUMMARY
from metabt.build.cache.disk import DiskCache
from metabt.build.walk_result import WalkResult
from metabt.config import Job
from metabt.data.prices import Prices
from metabt.engines.tree_groups import Assembled, Assembly
from metabt.errors import MetabtError, RunError
from metabt.lakehouse.folder.lost_catalogue import CACHE
from metabt.lakehouse.price_source import Lakehouse, to_prices
from metabt.portfolio.resolve import resolve
from metabt.runs import sweep
from metabt.runs.sweep import outlook, run_sweep
from metabt.runs.swept import Outlook, Swept
from metabt.values.tables import Coded, Table, texts
from metabt.walk.block import Block
from tests.shared import panels, trees
from tests.shared.agreement import same
from tests.shared.jobs import SYMBOLS, book, job
from tests.shared.laws import SEEDS, examples
from tests.shared.months import market, monthly
from tests.shared.walks import before_walks, forbid_walks


def grid() -> list[Job]:
    """Return 32 configurations that differ in the root alone, as any command line would list them."""
    return [
        job(
            book(optimizer=optimizer, lookback=lookback, lag=lag),
            f"portfolio.optimizer={optimizer}",
            f"portfolio.lookback={lookback}",
            f"portfolio.lag={lag}",
        )
        for optimizer in ("equal", "inverse_volatility", "min_variance", "erc")
        for lookback in (15, 20, 30, 40)
        for lag in (0, 1)
    ]


def prices() -> pd.DataFrame:
    return panels.stocks(5, 330, gaps=True, first="2020-09-01")


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with prices and no run, to be copied."""
    lake = tmp_path_factory.mktemp("stocked") / "lake"
    lakehouse.ingest(lake, "stocks", prices().rename_axis("date"))
    return lake


@pytest.fixture
def lake(stocked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stocked, tmp_path / "lake"))


def stored(lake: Path) -> dict[str, tuple[str, str, str | None]]:
    with metabt.connect(lake) as connection:
        rows = connection.execute("select run_id, status, keep, error from runs").fetchall()
    return {run_id: (status, keep, error) for run_id, status, keep, error in rows}


def summary_of(tables: dict[str, Table], root: str) -> dict[str, Table]:
    """Return what a summary keeps of a whole run."""
    kept = {name: tables[name] for name in SUMMARY}
    for name in ("returns", "decisions"):
        rows = np.array(texts(tables[name]["path"])) == root
        kept[name] = {column: values_at(values, rows) for column, values in tables[name].items()}
    return kept


def values_at(column: Any, rows: np.ndarray) -> Any:
    return column[rows] if isinstance(column, np.ndarray) else column.take(rows)


def assert_whole(lake: Path, run: Swept, tree: dict[str, Any], keep: str) -> None:
    """Assert that what is stored of a run is what a run of its own gives."""
    alone = metabt.backtest(tree, {"stocks": prices()}).tables
    with metabt.connect(lake) as connection:
        found = lakehouse.load_run(connection, run.run_id)[1]
    if keep == "all":
        assert same(found, alone)
    else:
        for name, table in summary_of(alone, tree["name"]).items():
            assert same({name: found[name]}, {name: table}), name


# ----------------------------------------------------------------------------------------- sweep = single run


def outcome(engine: BacktestEngine, position: int, walked: Any) -> dict[str, Table] | str:
    """Return the tables of one tree, or why there are none."""
    try:
        return engine.assemble(walked, position)
    except RunError as error:
        return str(error)


@examples(30)
@given(st.lists(trees.portfolios(), min_size=1, max_size=3), SEEDS, st.booleans(), st.booleans(), st.booleans())
def test_a_summary_in_a_forest_has_the_bits_of_a_run_of_its_own(
    forest: list[dict], seed: int, gaps: bool, ended: bool, many: bool
) -> None:
    """Roots are walked in one stretch there, and month by month here."""
    data = market(seed, gaps, ended)
    portfolios = [resolve(tree, symbols=SYMBOLS) for tree in forest]
    with monthly():
        try:
            engine = BacktestEngine(portfolios, data, cache=MemoryCache() if many else None, keep="summary")
            walked = engine.run()
        except MetabtError as error:
            assert "sessions" in str(error)
            return
        for position, portfolio in enumerate(portfolios):
            alone = BacktestEngine([portfolio], data)
            one, other = outcome(engine, position, walked), outcome(alone, 0, alone.run())
            if isinstance(one, str) or isinstance(other, str):
                assert reason(one) == reason(other)
            else:
                for name, table in summary_of(other, portfolio.name).items():
                    assert same({name: one[name]}, {name: table}), f"{name} of {forest[position]}"


def reason(outcome: object) -> str:
    """Return why a tree failed, without the path by which it was met first."""
    assert isinstance(outcome, str), "one of both failed"
    return outcome.partition("': ")[2]


@pytest.mark.parametrize("keep", ["summary", "all"])
def test_what_a_sweep_stores_is_what_runs_of_their_own_give(lake: Path, keep: str) -> None:
    found = [
        {"optimizer": "min_variance"},
        {"optimizer": "equal", "lookback": 40, "lag": 2},
        {"name": "other", "warmup": "wait", "optimizer": "erc"},
    ]
    swept = run_sweep([job(book(**changes)) for changes in found], str(lake), keep=keep)
    assert [run.status for run in swept.runs] == ["ok"] * 3
    for run, changes in zip(swept.runs, found, strict=True):
        assert_whole(lake, run, book(**changes), keep)
        assert run.run_id == metabt.backtest(book(**changes), {"stocks": prices()}).run_id
    assert {(status, kept) for status, kept, _ in stored(lake).values()} == {("ok", keep)}


def test_the_metrics_that_are_handed_back_are_those_that_are_stored(lake: Path) -> None:
    jobs = [job(book()), job(book(lag=3))]
    first, again = run_sweep(jobs, str(lake)), run_sweep(jobs, str(lake))
    for one, other in zip(first.runs, again.runs, strict=True):
        assert list(map(str, one.metrics.items())) == list(map(str, other.metrics.items())) and one.metrics
        assert metabt.load(lake, one.run_id).metrics().loc["book", "volatility"] == one.metrics["volatility"]


# --------------------------------------------------------------------------------------------- batch by batch


def lookbacks() -> list[Job]:
    """Return configurations that differ in a leaf, and two of each in the root."""
    found = []
    for lookback in (15, 16, 17):
        for lag in (0, 1):
            tree = book(lag=lag)
            tree["sleeves"]["c"]["lookback"] = lookback
            found.append(job(tree, f"lookback={lookback}", f"lag={lag}"))
    return found


def digests(lake: Path) -> dict[str, dict[str, Any]]:
    with metabt.connect(lake) as connection:
        rows = connection.execute("select run_id, digests from runs").fetchall()
    found = {run_id: json.loads(text) for run_id, text in rows}
    for row in found.values():
        row["tables"].pop("stages", None)  # has times
    return found


@pytest.mark.parametrize("keep", ["summary", "all"])
def test_batches_change_no_table(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str) -> None:
    other = Path(shutil.copytree(lake, tmp_path / "other"))
    whole = run_sweep(lookbacks(), str(lake), keep=keep)
    monkeypatch.setattr("metabt.runs.sweep.BATCH", 0)
    told: list[tuple[int, int, str]] = []
    parts = run_sweep(lookbacks(), str(other), keep=keep, progress=lambda *args: told.append(args))
    assert digests(lake) == digests(other) and len(digests(lake)) == 6
    assert [run.metrics for run in parts.runs] == [run.metrics for run in whole.runs]
    assert (parts.computed, parts.leaf_computed) == (whole.computed, whole.leaf_computed)
    done = [one for one, _, _ in told]
    assert done == sorted(done) and {blocks for _, blocks, _ in told} == {whole.outlook.n_distinct}
    assert [last for _, _, last in told if "roots" in last][-1] == "6 of 6 roots"


def test_no_more_than_a_batch_is_in_memory(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def alive(kind: type) -> int:
        gc.collect()
        return sum(type(it) is kind for it in gc.get_objects())  # not isinstance: some are proxies of what has gone

    counts: list[tuple[int, int, int]] = []
    add = Assembly.add

    def counted(*args: Any) -> Assembled:
        made = add(*args)
        counts.append((alive(WalkResult), alive(Block), alive(Coded)))
        return made

    monkeypatch.setattr(Assembly, "add", counted)
    monkeypatch.setattr("metabt.lakehouse.runs.run_rows.TOGETHER", 0)
    monkeypatch.setattr("metabt.runs.sweep.BATCH", 0)
    before = alive(WalkResult), alive(Block), alive(Coded)
    run_sweep(lookbacks(), str(lake))
    assert len(counts) == 6 and all(results - before[0] == 1 for results, _, _ in counts)
    # a batch has the blocks of three leaves and a node in two years, joined, and a root of two at a time
    assert all(blocks - before[1] <= 4 * 2 + 4 + 2 for _, blocks, _ in counts)
    assert len({coded for _, _, coded in counts}) <= 2  # tables of one run, whichever it is


# --------------------------------------------------------------------------------------- nothing twice


def test_a_sweep_over_roots_computes_each_leaf_once(lake: Path) -> None:
    swept = run_sweep(grid(), str(lake))
    looked = swept.outlook
    years = 2
    assert (looked.n_jobs, looked.n_failed, looked.n_found, looked.n_known) == (32, 0, 0, 0)
    # 3 leaves and core, and 32 roots
    assert (looked.n_blocks, looked.n_distinct) == (32 * 5 * years, (4 + 32) * years)
    assert looked.n_leaf_distinct == swept.leaf_computed == 3 * years
    assert swept.computed == looked.n_distinct
    print(f"32 configurations: leaf blocks computed / distinct = {swept.leaf_computed / looked.n_leaf_distinct:.1f}")


def test_a_sweep_beside_what_is_known_computes_no_leaf(lake: Path) -> None:
    metabt.backtest(book(), lake)
    swept = run_sweep(grid(), str(lake))
    assert swept.outlook.n_leaf_known == swept.outlook.n_leaf_distinct == 6 and swept.leaf_computed == 0
    assert swept.outlook.n_known == 8 and swept.outlook.n_found == 1


def test_two_trees_share_a_nested_sleeve() -> None:
    data = {"stocks": to_prices("stocks", prices())}
    portfolios = [resolve(tree, symbols=SYMBOLS) for tree in (book(), book(name="other", optimizer="equal"))]
    engine = BacktestEngine(portfolios, data, cache=MemoryCache())
    walked = engine.run()
    # a, b, core, c and two roots, in two years
    assert len(engine.plan.nodes) == 6 and walked.computed == 12 and walked.computed_leaves == 6
    alone = BacktestEngine(portfolios[1:], data)
    assert same(engine.assemble(walked, 1), alone.assemble(alone.run()))


def test_the_same_configuration_twice_is_one_run(lake: Path) -> None:
    swept = run_sweep([job(book(), "a=1"), job(book(), "a=1.0")], str(lake))
    assert swept.runs[0].run_id == swept.runs[1].run_id and len(stored(lake)) == 1
    assert swept.runs[0].metrics == swept.runs[1].metrics


def test_the_order_of_its_jobs_is_no_part_of_a_sweep_s_name(lake: Path) -> None:
    jobs = grid()[:3]
    names = {run_sweep(order, str(lake)).sweep_id for order in (jobs, jobs[::-1], [jobs[1], jobs[0], jobs[2]])}
    assert len(names) == 1 and run_sweep(jobs[:2], str(lake)).sweep_id not in names


def test_the_same_sweep_again_finds_everything(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_sweep(grid()[:4], str(lake))
    with metabt.connect(lake) as connection:
        before = lakehouse.snapshot(connection)
    forbid_walks(monkeypatch, "computed what was stored")
    again = run_sweep(grid()[:4], str(lake))
    assert all(run.found for run in again.runs) and again.computed == 0 and again.outlook.n_found == 4
    assert [run.run_id for run in again.runs] == [run.run_id for run in first.runs]
    with metabt.connect(lake) as connection:
        assert lakehouse.snapshot(connection) == before + 1  # that it was asked for
        asked = connection.execute("select run_id, sweep_id from asked order by asked.at").fetchall()
    assert asked == 2 * [(run.run_id, first.sweep_id) for run in first.runs]


def test_a_sweep_claims_no_run_that_it_finds(lake: Path) -> None:
    """Nor does a run by itself that is found in a sweep; both keep their start."""
    jobs = grid()[:3]
    alone = metabt.backtest(jobs[0].config["portfolio"], lake)  # type: ignore[index]
    with metabt.connect(lake) as connection:
        before = lakehouse.run_row(connection, alone.run_id)
    swept = run_sweep(jobs, str(lake))
    assert swept.runs[0].found and swept.runs[0].run_id == alone.run_id
    with metabt.connect(lake) as connection:
        assert lakehouse.run_row(connection, alone.run_id) == before and before["sweep_id"] is None
        assert lakehouse.resolve_run(connection, "book") == lakehouse.resolve_run(connection) == alone.run_id
        member = lakehouse.run_row(connection, swept.runs[1].run_id)
    again = metabt.backtest(jobs[1].config["portfolio"], lake)  # type: ignore[index]
    with metabt.connect(lake) as connection:
        # a summary is kept whole now, and stays the sweep's; asked for by itself, it answers to the name
        now = lakehouse.run_row(connection, again.run_id)
        assert {name for name in now if now[name] != member[name]} <= {"keep", "seconds", "snapshot"}
        assert (member["keep"], now["keep"]) == ("summary", "all")
        assert lakehouse.resolve_run(connection, "book") == again.run_id
        sql = "select key, value from sweep_parameters where run_id = ?"
        values = dict(connection.execute(sql, [again.run_id]).fetchall())
    assert values == {"portfolio.lookback": "15", "portfolio.lag": "1"}  # all three have one optimizer


def test_what_was_kept_as_a_summary_can_be_kept_whole_later(lake: Path) -> None:
    jobs = grid()[:2]
    run_sweep(jobs, str(lake))
    again = run_sweep(jobs, str(lake), keep="all")
    assert not any(run.found for run in again.runs) and again.leaf_computed == 0
    assert {keep for _, keep, _ in stored(lake).values()} == {"all"}
    assert_whole(lake, again.runs[0], jobs[0].config["portfolio"], "all")  # type: ignore[index]
    assert all(run.found for run in run_sweep(jobs, str(lake)).runs)


def test_a_look_ahead_computes_and_stores_nothing(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_walks(monkeypatch, "computed")
    looked = outlook(grid(), str(lake))
    assert isinstance(looked, Outlook) and looked.n_distinct == 72 and looked.n_known == 0
    assert stored(lake) == {} and not (lake / CACHE).exists()


def test_a_flat_baseline_may_be_swept_beside_its_tree(lake: Path) -> None:
    swept = run_sweep([job(book()), job(book(), is_meta_backtest=False)], str(lake))
    assert [run.status for run in swept.runs] == ["ok", "ok"] and swept.runs[0].run_id != swept.runs[1].run_id
    flat = metabt.backtest(book(), {"stocks": prices()}, is_meta_backtest=False)
    assert flat.run_id == swept.runs[1].run_id
    assert metabt.load(lake, flat.run_id).returns().equals(flat.returns())


# ------------------------------------------------------------------------------------------ what fails, alone


def ruined() -> dict[str, Any]:
    """Return the book with a short position in AA, which quadruples."""
    tree = book()
    tree["sleeves"]["core"]["sleeves"]["a"].update(universe=["AA"], direction="short")
    return tree


UNKNOWN = {"dataset": "stocks", "universe": ["ZZ"]}
FAILING = {
    "a ruined sleeve": (lambda: job(ruined(), "ruin=1"), "ruined on"),
    "an unknown symbol": (lambda: job(book(sleeves={"x": UNKNOWN}), "z=1"), "no symbol 'ZZ'"),
    "a lookback without data": (lambda: job(with_lookback(5000), "l=1"), "needs 5001"),
    "nothing traded": (lambda: job(book(), "end=1", end="2020-09-03"), "nothing was traded"),
    "a job without a configuration": (lambda: job(None, "oops", error="cannot be composed"), "cannot be composed"),
    "an unknown engine": (lambda: job(book(), "engine=dask", engine="dask"), "engine is 'dask'"),
    "a plug-in that is called wrongly": (
        lambda: job(with_optimizer({"name": "skfolio.HierarchicalRiskParity", "hierarchical_clustering_estimator": 3})),
        "sleeve 'book/c': 2020-10-05: the optimizer failed on",
    ),
    "a value that no file can state": (
        lambda: job(book(lag=datetime.timedelta(1)), start=datetime.date(2090, 1, 1)),
        "lag is",
    ),
    "no meta sleeve": (
        lambda: job({"name": "x", "dataset": "stocks", "universe": ["AA"]}, "m=1", is_meta_backtest=True),
        "is a single leaf",
    ),
}


def with_lookback(lookback: int) -> dict[str, Any]:
    tree = book()
    tree["sleeves"]["c"]["lookback"] = lookback
    return tree


def with_optimizer(optimizer: dict[str, Any]) -> dict[str, Any]:
    tree = book()
    tree["sleeves"]["c"]["optimizer"] = optimizer
    return tree


@pytest.fixture
def soaring(lake: Path) -> Path:
    """Return the lakehouse with AA at four times its price from row 60 on."""
    own = prices()[["AA"]].rename_axis("date")
    lakehouse.ingest(lake, "stocks", pd.concat([own.iloc[:60], own.iloc[60:] * 4.0]))
    return lake


@pytest.mark.parametrize("what", FAILING)
def test_a_configuration_that_fails_does_so_alone(what: str, soaring: Path) -> None:
    make, says = FAILING[what]
    jobs = [job(book(lag=2)), make(), job(book(optimizer="equal"))]
    swept = run_sweep(jobs, str(soaring))
    assert [run.status for run in swept.runs] == ["ok", "failed", "ok"]
    bad = swept.runs[1]
    assert says in str(bad.error) and not bad.found and bad.metrics == {} and bad.overrides == jobs[1].overrides
    rows = stored(soaring)
    assert sorted(status for status, _, _ in rows.values()) == ["failed", "ok", "ok"]
    assert says in str(rows[bad.run_id][2])
    with metabt.connect(soaring) as connection:
        (overrides,) = connection.execute("select overrides from runs where run_id = $1", [bad.run_id]).fetchone()
        (n_rows,) = connection.execute("select count(*) from returns where run_id = $1", [bad.run_id]).fetchone()
    assert json.loads(overrides) == list(jobs[1].overrides) and n_rows == 0


def test_what_fails_fails_again_and_the_others_are_found(soaring: Path) -> None:
    jobs = [make() for make, _ in FAILING.values()] + [job(book(lag=2))]
    first = run_sweep(jobs, str(soaring))
    again = run_sweep(jobs, str(soaring))
    assert [run.error for run in again.runs] == [run.error for run in first.runs]
    assert [run.found for run in again.runs] == [False] * len(FAILING) + [True]
    assert again.computed <= first.computed


def test_an_engine_that_is_not_there_spoils_no_run_of_the_same_name(lake: Path) -> None:
    swept = run_sweep([job(book(), engine="dask"), job(book())], str(lake))
    assert [run.status for run in swept.runs] == ["failed", "ok"]
    assert stored(lake)[swept.runs[1].run_id][0] == "ok"
    assert len(metabt.load(lake, swept.runs[1].run_id).returns()) > 0


# --------------------------------------------------------------------------------------------------- killed


SWEEP = """
import json, os, signal, sys
from metabt.build.cache.disk import DiskCache
from metabt.config import Job
from metabt.runs.sweep import run_sweep
jobs = [Job(tuple(overrides), config, None) for overrides, config in json.loads(sys.argv[2])]
put, left = DiskCache.put, [int(sys.argv[3])]
def dying(*args):
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return put(*args)
DiskCache.put = dying
run_sweep(jobs, sys.argv[1], keep=sys.argv[4])
"""


def objects(lake: Path) -> int:
    return sum(1 for _ in DiskCache(lake / CACHE).store.keys())


@pytest.mark.parametrize(("after", "keep"), [(1, "summary"), (5, "all"), (3, "summary")])
def test_a_killed_sweep_goes_on_where_it_stopped(lake: Path, after: int, keep: str) -> None:
    jobs = grid()[:3]
    plain = json.dumps([[one.overrides, one.config] for one in jobs])
    arguments = [str(lake), plain, str(after), keep]
    killed = subprocess.run([sys.executable, "-c", SWEEP, *arguments], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    published = objects(lake)
    assert stored(lake) == {} and published <= after
    looked = outlook(jobs, str(lake))
    again = run_sweep(jobs, str(lake), keep=keep)
    print(f"killed after {after} blocks, {published} published: {again.computed} of {looked.n_distinct} computed")
    assert again.computed == looked.n_distinct - published and looked.n_found == 0
    for run, one in zip(again.runs, jobs, strict=True):
        assert_whole(lake, run, one.config["portfolio"], keep)  # type: ignore[index]


def interrupted_sweep(lake: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Press Ctrl-C instead of walking a sleeve for the third time; return the keys of what was put by then."""
    left, keys, put = [3], list[str](), DiskCache.put

    def press(spec: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    def noted(cache: DiskCache, key: str, *rest: Any) -> Any:
        keys.append(key)
        return put(cache, key, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(DiskCache, "put", noted)
        before_walks(patch, press)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(grid()[:3], str(lake))
    return keys


def test_an_interrupted_sweep_leaves_blocks_and_no_run(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = interrupted_sweep(lake, monkeypatch)
    assert stored(lake) == {} and len(put) >= 4
    cache = Lakehouse(lake).cache()
    assert cache is not None
    again = run_sweep(grid()[:3], str(lake))
    # what was put before is published in the background, and waited for by whoever wants it
    assert again.computed == again.outlook.n_distinct - len(put)
    assert_whole(lake, again.runs[0], book(optimizer="equal", lookback=15, lag=0), "summary")
    assert os.path.isdir(lake / CACHE)


# -------------------------------------------------------------------------------- carried over a border

OVER = {
    "closed": ("2020-12-31", True),  # the coins have ended for good on the last day of a partition
    "silent": ("2021-12-31", False),  # they have no session in a whole partition, and go on after it
}


@pytest.mark.parametrize("how", OVER)
def test_what_could_not_be_traded_is_carried_into_a_partition_without_sessions(how: str) -> None:
    stop, closed = OVER[how]
    coins = panels.coins(1, 900, first="2020-03-04")
    coins.loc["2020-12-28":"2020-12-31", "XLT"] = np.nan  # a share is dealt while it has no price
    coins = coins.loc[:stop] if closed else coins.drop(coins.loc["2021-01-01":stop].index)
    prices = {"stocks": to_prices("stocks", panels.stocks(1, 600, first="2020-03-02"))}
    prices["coins"] = replace(to_prices("coins", coins), closed=closed)
    rules = {"lookback": 20, "costs": {"commission_bp": 50}}
    odd = {"dataset": "coins", "universe": ["XBT", "XLT"], "lookback": 20, "schedule": {"every": 30}}
    even = {"dataset": "stocks", "universe": ["AA", "BB"], "lookback": 20, "schedule": {"every": 5}}
    core = {**rules, "schedule": {"every": 3}, "optimizer": "inverse_volatility", "sleeves": {"odd": odd, "even": even}}
    other = {"dataset": "stocks", "universe": ["CC"], "lookback": 20, "schedule": {"every": 5}}
    nested = {**rules, "schedule": {"every": 2}, "sleeves": {"core": core, "other": other}}
    for tree in (core, nested):
        whole, summary = (tables({"name": "r", **tree}, prices, keep) for keep in ("all", "summary"))
        assert same(summary_of(whole, "r"), summary)
        assert "XLT" in texts(whole["weights"]["symbol"])


def tables(tree: dict[str, Any], prices: dict[str, Prices], keep: str) -> dict[str, Table]:
    symbols = {name: panel.symbols for name, panel in prices.items()}
    engine = BacktestEngine([resolve(tree, symbols=symbols)], prices, keep=keep)
    return engine.assemble(engine.run())


@pytest.mark.parametrize("groups", [True, False])
def test_memory_is_asked_for_batch_by_batch_where_groups_are_walked(
    groups: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster holds one group at a time and actor; another executor holds the whole forest."""

    class Executor:
        name = "elsewhere"

        def walk(self, *_: Any) -> None: ...

        if groups:

            def finish_trees(self, *_: Any) -> None: ...

    forest = [resolve(each.config["portfolio"], symbols=SYMBOLS) for each in lookbacks() if each.config]
    engine = BacktestEngine(forest, market(1, gaps=False, ended=False), executor=Executor(), keep="summary")  # type: ignore[arg-type]
    monkeypatch.setattr(sweep, "BATCH", 0)
    batches = sweep._Forest._batches(engine)
    assert batches == ([[0, 1], [2, 3], [4, 5]] if groups else [[0, 1, 2, 3, 4, 5]])
