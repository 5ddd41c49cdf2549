"""The engine: what a forest shares, what a cache spares, and what is refused before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import BacktestEngine, MemoryCache
from metabt.build.flat_baseline import flatten_tree
from metabt.errors import ConfigError, DataError, RunError
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf, Sleeve
from tests.shared.agreement import same
from tests.shared.months import in_turn
from tests.shared.panels import market, stocks
from tests.shared.small_tree import LEAF, tree
from tests.shared.walks import forbid_walks


def engine(trees: list[dict], prices: dict[str, pd.DataFrame], **options: Any) -> BacktestEngine:
    panels = {name: to_prices(name, frame) for name, frame in prices.items()}
    symbols = {name: panel.symbols for name, panel in panels.items()}
    return BacktestEngine([resolve(t, symbols=symbols) for t in trees], panels, **options)


def test_a_second_run_with_the_same_cache_computes_nothing_and_has_the_samebits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prices, cache = market(3, gaps=True), MemoryCache()
    first = metabt.backtest(tree(), prices, cache=cache)
    assert not any(first.frame("stages")["cache_hit"])
    forbid_walks(monkeypatch, "computed a block that was known")
    second = metabt.backtest(tree(), prices, cache=cache)
    assert all(second.frame("stages")["cache_hit"])
    assert same(first.tables, second.tables)


def test_one_changed_setting_recomputes_its_path_to_the_root_alone() -> None:
    prices, cache = {"stocks": stocks(5)}, MemoryCache()
    metabt.backtest(tree(), prices, cache=cache)
    changed = tree()
    changed["sleeves"]["a"]["lookback"] = 25
    stages = metabt.backtest(changed, prices, cache=cache).frame("stages")
    hits = stages.groupby("path")["cache_hit"].agg(["min", "max"])
    assert hits.loc["book/b"].tolist() == [True, True]
    assert not hits.loc[["book", "book/a"]].any(axis=None)


def test_one_changed_price_recomputes_the_sleeves_that_hold_it() -> None:
    prices, cache = stocks(5, sessions=600), MemoryCache()
    metabt.backtest(tree(), {"stocks": prices}, cache=cache)
    corrected = prices.copy()
    corrected.loc[corrected.index[550], "AA"] *= 1.01
    stages = metabt.backtest(tree(), {"stocks": corrected}, cache=cache).frame("stages")
    recomputed = set(stages[~stages["cache_hit"]].apply(lambda row: (row["path"], row["partition"]), axis=1))
    years = {str(year) for year in corrected.index[550:].year}
    assert recomputed == {(path, year) for path in ("book", "book/a") for year in years}


def test_a_forest_computes_what_its_trees_share_once() -> None:
    prices = {"stocks": stocks(5)}
    other = tree(name="other", optimizer="equal")
    job = engine([tree(), other], prices)
    # two roots over the same two leaves
    assert len(job.plan.nodes) == 4
    walks = job.run()
    for position, settings in enumerate((tree(), other)):
        alone = metabt.backtest(settings, prices).tables
        assert same(job.assemble(walks, position), alone)


def test_a_tree_and_one_of_its_sleeves_make_a_forest_whose_summaries_are_those_of_each() -> None:
    prices = {"stocks": stocks(5)}
    beneath = {key: value for key, value in tree().items() if key != "name"}
    sleeves = {"book": beneath, "other": {**LEAF, "universe": ["DD", "EE"]}}
    forest = [{"name": "outer", "lookback": 20, "sleeves": sleeves}, tree()]
    job = engine(forest, prices, keep="summary")
    walks = job.run()
    for position, settings in enumerate(forest):
        alone = engine([settings], prices, keep="summary")
        assert same(job.assemble(walks, position), alone.assemble(alone.run()))


BESIDE = {
    "long": {},
    "short": {"direction": "short"},
    "a shorter window": {"lookback": 12},
    "by volume": {"selector": {"name": "log_mps", "top": 1, "cluster_distance": 0.4}},
    "by low volatility": {"selector": {"name": "top_k", "k": 2, "by": "low_volatility"}},
    "ewma": {"optimizer": {"name": "min_variance", "covariance": {"name": "ewma", "half_life": 5}}},
    "shrunk": {"optimizer": {"name": "min_variance", "covariance": "ledoit_wolf"}},
    "denoised": {"optimizer": {"name": "hrp", "covariance": "denoised"}},
    "shrunk, short": {"optimizer": {"name": "erc", "covariance": "ledoit_wolf"}, "direction": "short"},
}


def test_leaves_that_share_what_is_read_and_estimated_are_what_they_are_alone() -> None:
    """All of one universe, whose windows, moments and estimates are computed once: each to the bit as a run of its own.

    Long and short differ in every window, and the best two by their mean in their assets.
    """
    frame = stocks(5)
    rng = np.random.default_rng(2)
    prices = {"stocks": replace(to_prices("stocks", frame), volume=rng.uniform(1.0, 9.0, frame.shape).copy())}
    rules = {
        "dataset": "stocks",
        "universe": list(frame.columns),
        "lookback": 20,
        "schedule": {"every": 7},
        "selector": {"name": "top_k", "k": 2},
        "optimizer": "inverse_volatility",
    }
    leaves = {name: {**rules, **changes} for name, changes in BESIDE.items()}
    whole = metabt.backtest({"name": "root", "lookback": 20, "sleeves": leaves}, prices)
    chosen = set()
    for name, leaf in leaves.items():
        alone = metabt.backtest({"name": "alone", **leaf}, prices)
        columns = ["date", "item", "weight", "status", "reason"]
        mine = [found.decisions(path)[columns] for found, path in ((whole, f"root/{name}"), (alone, "alone"))]
        pd.testing.assert_frame_equal(*(it.reset_index(drop=True) for it in mine), check_exact=True)
        pd.testing.assert_frame_equal(whole.returns(f"root/{name}"), alone.returns(), check_exact=True)
        chosen.add(tuple(mine[0]["weight"]))
    assert len(chosen) == len(leaves)


def test_equal_siblings_are_one_node() -> None:
    settings = tree(sleeves={"x": tree()["sleeves"]["a"], "y": tree()["sleeves"]["a"]})
    assert len(engine([settings], {"stocks": stocks(5)}).plan.nodes) == 2


@pytest.mark.parametrize(("cache", "at_once"), [(MemoryCache(), 1), (None, 2)])
def test_progress_counts_every_block(cache: MemoryCache | None, at_once: int) -> None:
    """One after another where blocks are remembered, else a sleeve at a time: two partitions of three sleeves."""
    calls: list[tuple[int, int, str]] = []
    prices = {"stocks": stocks(5, sessions=400)}
    metabt.backtest(tree(), prices, cache=cache, progress=lambda *call: calls.append(call))
    assert {total for _, total, _ in calls} == {6}
    assert [done for done, _, _ in calls] == list(range(at_once, 7, at_once))


def test_a_walk_at_once_has_the_tables_of_one_from_partition_to_partition() -> None:
    prices = {"stocks": stocks(5, sessions=700)}
    one, other = (metabt.backtest(tree(), prices, cache=cache) for cache in (None, MemoryCache()))
    assert same(one.tables, other.tables)
    with in_turn():
        assert same(one.tables, metabt.backtest(tree(), prices, cache=MemoryCache()).tables)


def test_stages_carry_the_names_of_the_design() -> None:
    stages = metabt.backtest(tree(), {"stocks": stocks(5)}).frame("stages")
    assert set(stages[stages["path"] == "book"]["stage"]) == {
        "meta.aggregation",
        "risk.optimize_meta",
        "meta.flattening",
    }
    assert set(stages[stages["path"] == "book/a"]["stage"]) == {"selection", "optimization", "holding"}
    assert (stages["seconds"] >= 0).all() and (stages["rows"] >= 0).all()


def test_an_append_leaves_the_past_as_it_was() -> None:
    prices = stocks(9, sessions=500, gaps=True)
    whole = metabt.backtest(tree(), {"stocks": prices}).returns()
    part = metabt.backtest(tree(), {"stocks": prices.iloc[:410]}).returns()
    assert whole.loc[part.index].equals(part)


def test_the_flat_baseline_is_one_leaf_under_the_roots_optimizer() -> None:
    prices = {"stocks": stocks(5)}
    flat = metabt.backtest(tree(), prices, is_meta_backtest=False)
    rules = {key: tree()[key] for key in ("lookback", "schedule", "optimizer")}
    leaf = {"name": "book", "dataset": "stocks", "universe": ["AA", "BB", "CC", "DD"], **rules}
    assert same(flat.tables, metabt.backtest(leaf, prices).tables, ignoring=("stages", "sleeves"))


def test_the_flat_baseline_is_as_patient_as_the_most_patient_of_its_leaves() -> None:
    """It holds what has no price as long as the leaf that holds it longest, and asks for the coverage that is least."""
    leaves = [
        Sleeve(name, Leaf(dataset="stocks", universe=(name,), stale_after=stale, min_coverage=coverage))
        for name, stale, coverage in (("AA", 9, 0.5), ("BB", 3, 0.25), ("CC", 4, 1.0))
    ]
    flat = flatten_tree(Sleeve.meta("book", tuple(leaves)), "stocks").spec
    assert isinstance(flat, Leaf) and (flat.stale_after, flat.min_coverage) == (9, 0.25)


def test_a_forest_of_flat_baselines_keeps_them_apart() -> None:
    prices = {"stocks": stocks(5)}
    other = tree(name="other", sleeves={"c": {**LEAF, "universe": ["EE"]}, "d": {**LEAF, "universe": ["AA"]}})
    job = engine([tree(), other], prices, is_meta_backtest=False)
    walks = job.run()
    for position, settings in enumerate((tree(), other)):
        alone = metabt.backtest(settings, prices, is_meta_backtest=False).tables
        assert same(job.assemble(walks, position), alone)


def test_bounds_of_the_root_must_suit_its_flat_baseline() -> None:
    settings = tree(optimizer={"name": "min_variance", "min_weight": 0.4})
    with pytest.raises(ConfigError, match="4 assets of the flat baseline at min_weight 0.4 make 1.6"):
        metabt.backtest(settings, {"stocks": stocks(5)}, is_meta_backtest=False)


def test_orders_are_the_last_targets_or_what_the_book_will_be() -> None:
    prices = stocks(5)
    yearly = tree(schedule={"every": 60}, lag=0)
    result = metabt.backtest(yearly, {"stocks": prices})
    orders, traded = result.orders, result.weights
    if not orders["pending"].any():
        assert orders["target"].to_dict() == pytest.approx(traded.iloc[-1][orders.index].to_dict(), abs=1e-15)
    pending = 0
    for stop in range(100, 125):
        known = metabt.backtest(yearly, {"stocks": prices.iloc[:stop]})
        now = known.orders
        newest = {path: known.decisions(path)["date"].max() for path in ("book", "book/a", "book/b")}
        assert set(now["date"]) == {max(newest.values())}
        later = metabt.backtest(yearly, {"stocks": prices.iloc[: stop + 2]}).weights
        if not now["pending"].any():
            assert (now["trade"] == 0).all()
            continue
        # leaf b, lag 2, trades two sessions later: what it holds then is what it decided, at the root's drifted share
        pending += 1
        assert now["target"].sum() == pytest.approx(1.0, abs=1e-12)
        assert now["target"].to_dict() == pytest.approx(later.iloc[-1][now.index].to_dict(), abs=0.02)
        assert now["trade"].to_dict() == pytest.approx((now["target"] - now["held"]).to_dict())
    assert pending > 3


def test_orders_of_a_root_that_is_pending_over_children_that_are_not_are_its_decision() -> None:
    """Each child is one asset, so that the newest shares are the targets; they are traded three sessions later."""
    prices, leaf = stocks(5), {**LEAF, "lag": 0}
    sleeves = {name: {**leaf, "universe": [name.upper()]} for name in ("aa", "bb", "cc")}
    rules = {"lookback": 20, "schedule": {"every": 7}, "lag": 3, "optimizer": "inverse_volatility"}
    settings = {"name": "root", **rules, "sleeves": sleeves}
    whole = metabt.backtest(settings, {"stocks": prices}).decisions("root")
    ok = whole[whole["status"] == "ok"]
    for day in ok["date"].unique()[2:6]:
        orders = metabt.backtest(settings, {"stocks": prices.loc[:day]}).orders
        decided = ok[ok["date"] == day].set_index("item")["weight"].rename(str.upper)
        assert orders["pending"].all() and (orders["trade"].abs() > 1e-4).all()
        assert orders["target"].to_dict() == pytest.approx(decided.to_dict(), abs=1e-12)


def test_orders_of_an_earlier_view_know_nothing_of_what_waits_at_the_end() -> None:
    prices = stocks(5)
    prices.iloc[-3:, 0] = np.nan  # decided on the session before, and due where the first one has no price
    settings = {
        "name": "leaf",
        "dataset": "stocks",
        "universe": ["AA", "BB", "CC"],
        "lookback": 20,
        "schedule": {"every": 9},
        "start": str(prices.index[-4 - 9 * 9].date()),
        "stale_after": 9,
    }
    assert metabt.backtest(settings, {"stocks": prices}).orders["pending"].all()
    quiet = 0
    for row in range(70, 126):
        end = str(prices.index[row].date())
        found = metabt.backtest(settings, {"stocks": prices}, end=end).orders
        pd.testing.assert_frame_equal(found, metabt.backtest(settings, {"stocks": prices.loc[:end]}).orders)
        quiet += not found["pending"].any()
    assert quiet > 40


def test_the_flat_baseline_of_mixed_calendars_lives_on_shared_sessions() -> None:
    prices = market(4, gaps=False)
    coin = {"dataset": "coins", "lookback": 20, "universe": ["XBT"], "direction": "short"}
    settings = tree(sleeves={**tree()["sleeves"], "coin": coin}, start="2021-03-10", optimizer="inverse_volatility")
    flat = metabt.backtest(settings, prices, is_meta_backtest=False)
    shared = prices["stocks"].index.intersection(prices["coins"].index)
    assert flat.returns().index.isin(shared).all()
    decided = flat.sleeve_weights().iloc[-1]
    assert decided["XBT"] < 0 and (decided[["AA", "BB"]] > 0).all()
    window = prices["stocks"].loc[shared].join(prices["coins"].loc[shared]).pct_change().loc[: decided.name].iloc[-30:]
    scale = 1 / window[decided.index].std()
    assert decided.abs().to_dict() == pytest.approx((scale / scale.sum()).to_dict(), abs=1e-12)


def test_an_asset_on_both_sides_has_no_flat_baseline() -> None:
    settings = tree()
    settings["sleeves"]["a"]["direction"] = "short"
    with pytest.raises(ConfigError, match="'BB' is long in one and short in the other of 'book/a' and 'book/b'"):
        metabt.backtest(settings, {"stocks": stocks(5)}, is_meta_backtest=False)


def test_a_leaf_is_no_meta_backtest() -> None:
    with pytest.raises(ConfigError, match="portfolio 'x' is a single leaf"):
        metabt.backtest({"name": "x", **LEAF, "universe": ["AA"]}, {"stocks": stocks(5)}, is_meta_backtest=True)


WRONG = {
    "symbol": (
        {"universe": ["AA", "BBB"]},
        ConfigError,
        "'book/a': dataset 'stocks' has no symbol 'BBB'; did you mean 'BB'",
    ),
    "dataset": ({"dataset": "stock"}, ConfigError, "no dataset is called 'stock'; did you mean 'stocks'"),
    "lookback": ({"lookback": 500}, DataError, "has 130 sessions, a lookback of 500 returns needs 501"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_the_data_cannot_serve_is_refused(wrong: str) -> None:
    change, error, says = WRONG[wrong]
    settings = tree()
    settings["sleeves"]["a"].update(change)
    with pytest.raises(error, match=says):
        metabt.backtest(settings, {"stocks": stocks(5)})


def test_one_symbol_from_two_datasets_is_refused() -> None:
    settings = tree()
    settings["sleeves"]["a"]["dataset"] = "copy"
    with pytest.raises(ConfigError, match="take 'BB' from two datasets, 'copy' and 'stocks'"):
        metabt.backtest(settings, {"stocks": stocks(5), "copy": stocks(5)})


def test_a_ruined_sleeve_fails_the_run_with_its_path_and_session() -> None:
    prices = stocks(5)
    prices.iloc[60:, 0] *= 4.0
    settings = tree()
    settings["sleeves"]["a"].update({"universe": ["AA"], "direction": "short"})
    with pytest.raises(RunError, match=f"sleeve 'book/a': ruined on {prices.index[60]:%Y-%m-%d}"):
        metabt.backtest(settings, {"stocks": prices})


def test_a_sleeve_that_is_yet_to_start_changes_nothing() -> None:
    settings = tree()
    settings["sleeves"]["later"] = {**LEAF, "universe": ["EE"], "start": "2030-01-01"}
    prices = {"stocks": stocks(5)}
    assert metabt.backtest(settings, prices).returns().equals(metabt.backtest(tree(), prices).returns())
    with pytest.raises(RunError, match="nothing was traded .* with decisions from 2030-01-01 on"):
        metabt.backtest(tree(), prices, start="2030-01-01")


def test_a_view_in_which_nothing_trades_is_an_error() -> None:
    with pytest.raises(RunError, match="nothing was traded"):
        metabt.backtest(tree(), {"stocks": stocks(5)}, end="2021-01-20")


@pytest.mark.parametrize("engine_name", ["dask", "Ray"])
def test_an_engine_that_is_not_there_is_named(engine_name: str) -> None:
    with pytest.raises(ConfigError, match=f"engine is '{engine_name}'.*wanted one of"):
        metabt.backtest(tree(), {"stocks": stocks(5)}, engine=engine_name)
