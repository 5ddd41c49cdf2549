"""The build system: what is corrected or appended is computed, what is known is not, and the bits are a fresh run's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

import metabt
from metabt import MemoryCache, Result, lakehouse
from metabt.data.dataset import Dataset
from metabt.lakehouse.folder.lost_catalogue import CACHE
from tests.shared import panels, trees
from tests.shared.agreement import same
from tests.shared.decades import decade, nested
from tests.shared.laws import REFUSALS, SEEDS, examples
from tests.shared.months import monthly, months
from tests.shared.walks import forbid_walks

Prices = Mapping[str, pd.DataFrame]
Blocks = set[tuple[str, str]]
"""(path, partition)"""


def computed(result: Result) -> Blocks:
    """Return the blocks that a run did not find."""
    stages = result.frame("stages")
    stages = stages[~stages["cache_hit"]]
    return set(zip(stages["path"], stages["partition"], strict=True))


def blocks(result: Result) -> Blocks:
    """Return all blocks of a run."""
    stages = result.frame("stages")
    return set(zip(stages["path"], stages["partition"], strict=True))


def ingest(lake: Path, prices: Prices) -> Path:
    for name, frame in prices.items():
        if len(frame):
            lakehouse.ingest(lake, name, frame.rename_axis("date"))
    return lake


# ------------------------------------------------------------------------------------------- early cutoff


def of(path: str, *years: int) -> Blocks:
    return {(path, str(year)) for year in years}


DAYS = {"in the middle": 130, "among the last": 250, "the last": -1}
"""Which session of 2015 has the wrong price."""
CUTOFFS = {
    # what 2016 looks back on is covered by the digest of 2015, so it is computed again, to the same bytes
    "in the middle": of("book/c", 2015, 2016) | of("book", 2015),
    "among the last": of("book/c", 2015, 2016) | of("book", 2015, 2016),
    # returns of 2016 begin at the wrong price, and 2017 looks back on 2016
    "the last": of("book/c", 2015, 2016, 2017) | of("book", 2015, 2016),
}
"""Session -> the blocks to be computed again."""


def correct(prices: pd.DataFrame, row: int, symbol: str = "DD") -> None:
    prices.iloc[row, prices.columns.get_loc(symbol)] *= 1.03


@pytest.mark.parametrize("optimizer", ["equal", "inverse_volatility"])
@pytest.mark.parametrize("day", CUTOFFS)
def test_a_corrected_price_is_computed_until_the_state_is_what_it_was(day: str, optimizer: str) -> None:
    prices, tree, cache = decade(), nested(optimizer=optimizer), MemoryCache()
    first = metabt.backtest(tree, {"stocks": prices}, cache=cache)
    assert computed(first) == blocks(first) and len(blocks(first)) == 5 * 10
    correct(prices, np.flatnonzero(prices.index.year == 2015)[DAYS[day]])
    again = metabt.backtest(tree, {"stocks": prices}, cache=cache)
    assert computed(again) == CUTOFFS[day]
    fresh = metabt.backtest(tree, {"stocks": prices})
    assert same(again.tables, fresh.tables) and not same(again.tables, first.tables)


def test_a_corrected_price_is_felt_as_long_as_what_was_decided_on_it_is_held() -> None:
    prices, cache = decade(), MemoryCache()
    # decides in April 2015 on the wrong price, and in January 2017 next
    tree = nested(optimizer="inverse_volatility", schedule={"every": 460})
    metabt.backtest(tree, {"stocks": prices}, cache=cache)
    correct(prices, 1375)
    again = metabt.backtest(tree, {"stocks": prices}, cache=cache)
    assert computed(again) == of("book/c", 2015, 2016, 2017) | of("book", 2015, 2016, 2017)
    assert same(again.tables, metabt.backtest(tree, {"stocks": prices}).tables)


def test_a_corrected_price_beneath_two_levels_goes_up_the_path_alone() -> None:
    prices, cache = decade(), MemoryCache()
    metabt.backtest(nested(), {"stocks": prices}, cache=cache)
    correct(prices, np.flatnonzero(prices.index.year == 2012)[-5], "AA")
    again = metabt.backtest(nested(), {"stocks": prices}, cache=cache)
    found = computed(again)
    assert {path for path, _ in found} == {"book", "book/core", "book/core/a"}
    assert found == of("book/core/a", 2012, 2013) | of("book/core", 2012, 2013) | of("book", 2012, 2013)
    print(f"one price of {len(blocks(again))} blocks: {len(found)} computed")
    assert same(again.tables, metabt.backtest(nested(), {"stocks": prices}).tables)


def test_a_corrected_price_in_a_lakehouse(tmp_path: Path) -> None:
    prices, lake = decade(), tmp_path / "lake"
    ingest(lake, {"stocks": prices})
    first = metabt.backtest(nested(), lake)
    day = np.flatnonzero(prices.index.year == 2015)[130]
    correct(prices, day)
    ingest(lake, {"stocks": prices.iloc[[day]]})
    again = metabt.backtest(nested(), lake)
    assert computed(again) == CUTOFFS["in the middle"] and len(computed(first)) == 50
    assert same(again.tables, metabt.backtest(nested(), {"stocks": prices}).tables)


# ------------------------------------------------------------------------------------- append equals full


def since(prices: Prices, begin: pd.Timestamp | None, end: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """Return the rows after `begin` up to `end`."""
    return {
        name: frame[(frame.index <= end) & (True if begin is None else frame.index > begin)]
        for name, frame in prices.items()
    }


def upto(prices: Prices, end: pd.Timestamp) -> dict[str, pd.DataFrame]:
    return since(prices, None, end)


def new_blocks(tree: dict[str, Any], before: Result, after: Result, added: Prices, cut: Any) -> Blocks:
    """Return the blocks in whose partition a dataset beneath their sleeve has a new session."""
    labels = {
        name: {label for label, _ in cut(frame.dropna(how="all").index.to_numpy().astype("datetime64[D]"))}
        for name, frame in added.items()
    }
    reads = {
        path: {leaf["dataset"] for below, leaf in trees.walk(sleeve, path) if "dataset" in leaf}
        for path, sleeve in trees.walk(tree, tree["name"])
    }
    return {(path, label) for path, label in blocks(after) if any(label in labels[name] for name in reads[path])}


def years(dates: np.ndarray) -> Iterable[tuple[str, None]]:
    return [(str(year), None) for year in np.unique(dates.astype("datetime64[Y]"))]


def run(tree: dict[str, Any], prices: Any, **options: Any) -> Result:
    """Return the run of a random tree; one that is rightly refused is no example."""
    try:
        return metabt.backtest(tree, prices, **options)
    except metabt.MetabtError as error:
        assert any(reason in str(error) for reason in (*REFUSALS, "needs")), error
        reject()


CUTS = st.lists(st.integers(70, 128), min_size=1, max_size=3, unique=True).map(sorted)


@examples(30)
@given(trees.portfolios(), SEEDS, st.booleans(), CUTS)
def test_appends_equal_full_and_compute_what_is_new(tree: dict, seed: int, gaps: bool, cuts: list[int]) -> None:
    """Partitions are months, so that a small market has many."""
    prices, cache = panels.market(seed, gaps=gaps), MemoryCache()
    ends = [prices["stocks"].index[row] for row in (*cuts, -1)]
    with monthly():
        before, stood = run(tree, upto(prices, ends[0]), cache=cache), ends[0]
        for end in ends[1:]:
            after = run(tree, upto(prices, end), cache=cache)
            assert computed(after) <= new_blocks(tree, before, after, since(prices, stood, end), months)
            assert same(after.tables, run(tree, upto(prices, end)).tables)
            before, stood = after, end


@examples(20)
@given(trees.portfolios(), SEEDS, st.booleans(), st.integers(30, 120), st.sampled_from(panels.STOCKS))
def test_a_correction_of_any_tree_is_a_fresh_run(tree: dict, seed: int, gaps: bool, row: int, symbol: str) -> None:
    prices, cache = panels.market(seed, gaps=gaps), MemoryCache()
    with monthly():
        run(tree, prices, cache=cache)
        prices["stocks"].loc[prices["stocks"].index[row], symbol] = 123.4
        again = run(tree, prices, cache=cache)
        assert same(again.tables, run(tree, prices).tables)
    holders = {path for path, leaf in trees.walk(tree, "root") if symbol in leaf.get("universe", ())}
    first = str(prices["stocks"].index[row].to_period("M"))
    for path, label in computed(again):
        assert label >= first and any(holder == path or holder.startswith(f"{path}/") for holder in holders)


MIXED = {
    "name": "mixed",
    "lookback": 25,
    "schedule": "weekly",
    "optimizer": "inverse_volatility",
    "costs": {"commission_bp": 10},
    "sleeves": {
        "stocks": {"dataset": "stocks", "lookback": 20, "universe": panels.STOCKS, "optimizer": "min_variance"},
        "pair": {
            "schedule": {"every": 7},
            "lookback": 15,
            "sleeves": {
                "coins": {"dataset": "coins", "lookback": 20, "universe": panels.COINS, "schedule": {"every": 3}},
                "few": {"dataset": "stocks", "lookback": 20, "universe": ["AA", "EE"], "min_coverage": 0.8},
            },
        },
    },
}


def mixed_market() -> dict[str, pd.DataFrame]:
    """Return two calendars with gaps, over two turns of the year."""
    coins = panels.coins(8, 500, gaps=True, first="2020-10-10")
    return {"stocks": panels.stocks(8, 420, gaps=True, first="2020-08-03"), "coins": coins}


def test_appends_to_a_lakehouse_equal_a_fresh_lakehouse(tmp_path: Path) -> None:
    prices, lake = mixed_market(), tmp_path / "lake"
    ends = [pd.Timestamp(day) for day in ("2021-05-03", "2021-05-04", "2022-02-11")]
    ingest(lake, upto(prices, ends[0]))
    before = metabt.backtest(MIXED, lake)
    for stood, end in zip(ends, ends[1:], strict=False):
        added = since(prices, stood, end)
        ingest(lake, added)
        after = metabt.backtest(MIXED, lake)
        expected = new_blocks(MIXED, before, after, added, years)
        print(f"up to {end:%Y-%m-%d}: {len(computed(after))} of {len(blocks(after))} blocks computed")
        assert computed(after) == expected and not after.found
        before = after
    day = prices["stocks"].loc["2021-03-01":]["BB"].first_valid_index()
    prices["stocks"].loc[day, "BB"] *= 1.02
    ingest(lake, {"stocks": prices["stocks"].loc[[day]]})
    corrected = metabt.backtest(MIXED, lake)
    assert 0 < len(computed(corrected)) < len(blocks(corrected))
    assert {path for path, _ in computed(corrected)} == {"mixed", "mixed/stocks"}
    fresh = metabt.backtest(MIXED, ingest(tmp_path / "fresh", upto(prices, ends[-1])))
    assert computed(fresh) == blocks(fresh) and same(corrected.tables, fresh.tables)
    assert corrected.run_id == fresh.run_id


@pytest.mark.slow
@examples(6)
@given(trees.portfolios(), SEEDS, CUTS)
def test_random_trees_in_a_growing_lakehouse(
    tmp_path_factory: pytest.TempPathFactory, tree: dict, seed: int, cuts: list[int]
) -> None:
    prices, place = panels.market(seed, gaps=True), tmp_path_factory.mktemp("lakes")
    ends, stood = [prices["stocks"].index[row] for row in (*cuts, -1)], None
    for end in ends:
        ingest(place / "lake", since(prices, stood, end))
        result, stood = run(tree, place / "lake"), end
    fresh = run(tree, ingest(place / "fresh", upto(prices, ends[-1])))
    assert same(result.tables, fresh.tables) and result.run_id == fresh.run_id


# ------------------------------------------------------------------------------ warm runs read no prices


@pytest.fixture
def warm(tmp_path: Path) -> tuple[Path, Result]:
    """Return a lakehouse in which everything is known, and the run that made it so."""
    lake = ingest(tmp_path / "lake", mixed_market())
    return lake, metabt.backtest(MIXED, lake)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return every SQL statement from here on."""
    seen: list[str] = []
    execute = duckdb.DuckDBPyConnection.execute

    def recorded(self: duckdb.DuckDBPyConnection, query: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(str(query))
        return execute(self, query, *args, **kwargs)

    monkeypatch.setattr(duckdb.DuckDBPyConnection, "execute", recorded)
    return seen


def fail(*args: object, **kwargs: object) -> None:
    pytest.fail("a run that knows everything computed or read something")


def test_a_warm_run_reads_no_prices_and_calls_no_kernel(
    warm: tuple[Path, Result], statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, first = warm
    monkeypatch.setattr(lakehouse.Reader, "read", fail)
    monkeypatch.setattr(Dataset, "since", fail)
    forbid_walks(monkeypatch, "a run that knows everything walked something")
    kernels = ("walk.walk_forward.advance_leaf", "walk.walk_forward.advance_meta")
    for name in (*kernels, "analysis.risk_by_asset.ex_ante_asset_risk"):
        monkeypatch.setattr(f"metabt.{name}", fail)
    second = metabt.backtest({**MIXED, "name": "other"}, lake)
    assert not second.found and not computed(second) and second.run_id != first.run_id
    assert statements and not [sql for sql in statements if "prices" in sql]
    assert second.returns().equals(first.returns()) and second.weights.equals(first.weights)


def test_a_cold_run_is_seen_to_read_prices(tmp_path: Path, statements: list[str]) -> None:
    metabt.backtest(MIXED, ingest(tmp_path / "lake", mixed_market()))
    assert [sql for sql in statements if "FROM prices" in sql]


def test_a_warm_run_needs_no_file_of_prices(warm: tuple[Path, Result]) -> None:
    lake, first = warm
    files = sorted((lake / "data").rglob("prices/**/*.parquet"))
    assert files
    for file in files:
        file.unlink()
    second = metabt.backtest({**MIXED, "name": "other"}, lake)
    assert not computed(second) and second.returns().equals(first.returns())


WARM = """
import json, sys
from numba.core import event
from numba.core.dispatcher import Dispatcher
import metabt
compiled = []
class Listener(event.Listener):
    def on_start(self, event): compiled.append(str(event.data))
    def on_end(self, event): pass
event.register("numba:compile", Listener())
result = metabt.backtest(json.loads(sys.argv[2]), sys.argv[1])
kernels = [(m, n, k) for m in list(sys.modules) if m.startswith("metabt") for n, k in vars(sys.modules[m]).items()
           if isinstance(k, Dispatcher) and k.signatures]
hits = result.frame("stages")["cache_hit"]
print(json.dumps([bool(hits.all()), len(hits), compiled, sorted({f"{m}.{n}" for m, n, k in kernels})]))
"""


def test_a_warm_process_compiles_nothing(warm: tuple[Path, Result]) -> None:
    lake, first = warm
    arguments = [str(lake), json.dumps({**MIXED, "name": "other"})]
    done = subprocess.run([sys.executable, "-c", WARM, *arguments], capture_output=True, text=True, check=True)
    known, n_laps, compiled, kernels = json.loads(done.stdout)
    assert known and n_laps == len(blocks(first)) and compiled == [] and kernels == []


def test_without_its_cache_a_lakehouse_gives_the_same(warm: tuple[Path, Result]) -> None:
    lake, first = warm
    shutil.rmtree(lake / CACHE)
    again = metabt.backtest({**MIXED, "name": "other"}, lake)
    assert computed(again) == {(f"other{path.removeprefix('mixed')}", year) for path, year in blocks(first)}
    assert again.returns().equals(first.returns())


# ------------------------------------------------------------------------------------------ single flight

RUN = """
import json, sys, time
import metabt
from metabt.build import cached_walk, cold_walk
def slow(module, name):
    walk = getattr(module, name)
    def slowly(*args):
        time.sleep(0.02)
        return walk(*args)
    setattr(module, name, slowly)
slow(cached_walk, "advance"), slow(cold_walk, "leaf_over"), slow(cold_walk, "meta_over")
print("ready", flush=True)
sys.stdin.readline()
stages = metabt.backtest(json.loads(sys.argv[2]), sys.argv[1]).frame("stages")
stages = stages[~stages["cache_hit"]]
print(json.dumps(sorted(set(zip(stages["path"], stages["partition"])))))
"""


def test_two_processes_compute_every_block_once(tmp_path: Path) -> None:
    lake = ingest(tmp_path / "lake", mixed_market())
    command = [sys.executable, "-c", RUN, str(lake), json.dumps(MIXED)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [[tuple(block) for block in json.loads(process.communicate()[0])] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    with metabt.connect(lake) as connection:
        assert connection.execute("select count(*), min(status) from runs").fetchall() == [(1, "ok")]
    every = metabt.load(lake)
    print(f"2 processes, {len(blocks(every))} distinct blocks: computed {len(found[0])} and {len(found[1])}")
    # the process that came second may have found the whole run, of which it then says what the first computed
    distinct = blocks(every)
    assert set(found[0]) | set(found[1]) == distinct
    assert len(found[0]) + len(found[1]) == len(distinct) or found[0] == found[1]
    assert same(every.tables, metabt.backtest(MIXED, mixed_market()).tables)
