"""Every column of every table of a run is what the oracle's books say, with no row of what is nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt import BacktestEngine
from metabt.analysis.run_tables import SUMMARY
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.values.tables import texts
from tests.analysis.books import LATE, Case, due, items_of, lag_of, seen_until, tree
from tests.shared import oracle, panels
from tests.shared.agreement import decisions_agree, netting_agrees, same, streams_agree
from tests.shared.leak_detector import decoded

ZERO = 1e-12
PATHS = ["root", "root/mix", "root/mix/long", "root/mix/short", "root/coins", "root/late"]


@pytest.fixture(scope="module", params=[(0, None), (2, LATE), (3, "2021-01-28")], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    seed, end = request.param
    prices = panels.market(seed, gaps=seed == 2)
    return Case(metabt.backtest(tree(), prices, end=end), seen_until(oracle.run(tree(), prices), end))


def traded(case: Case) -> list[pd.Timestamp]:
    """Return the sessions at which the root trades, or anything beneath it of which it holds a part."""
    dates = {t: (case.root.before[t], case.root.after[t]) for t in case.root.after}
    return sorted(
        {
            t
            for path, book in case.books.items()
            for t in due(book, lag_of(path))
            if t in dates and any(abs(held[key]) > ZERO for held in dates[t] for key in book.keys)
        }
    )


def test_sleeves_are_those_of_the_tree_parents_first(case: Case) -> None:
    table = case.result.frame("sleeves")
    assert table["path"].tolist() == PATHS
    assert table["parent"].tolist() == ["", "root", "root/mix", "root/mix", "root", "root"]
    assert table["kind"].tolist() == ["meta", "meta", "leaf", "leaf", "leaf", "leaf"]
    for path, text in zip(table["path"], table["spec"], strict=True):
        spec, items = json.loads(text), items_of(tree(), path)
        assert spec["lag"] == lag_of(path) and spec["lookback"] == 10
        assert spec["universe"] == sorted(items) if "universe" in spec else len(spec["children"]) == len(items)
        assert spec["start"] == (LATE if path == "root/late" else None)


def test_returns_are_the_streams_of_the_sleeves_one_after_another(case: Case) -> None:
    table = case.result.frame("returns")
    expected = [(path, t) for path in PATHS for t in case.books[path].rows]
    assert list(zip(table["path"], table["date"], strict=True)) == expected
    assert list(table) == ["path", "date", "gross", "cost", "net", "turnover", "netting_benefit", "nav"]
    for path, book in case.books.items():
        streams_agree(case.result, book, 1e-10)
        nav, own = 1.0, case.result.returns(path)
        for found, row in zip(own["nav"], book.rows.values(), strict=True):
            nav *= (1.0 - row.cost) * (1.0 + row.gross)
            assert found == pytest.approx(nav, rel=1e-10)
        if book.saved and book.rows:
            netting_agrees(case.result.metrics().loc[path], own, book)
        else:
            assert not own["netting_benefit"].any()


def test_decisions_are_those_of_the_sleeves_with_a_row_for_every_item_that_lives(case: Case) -> None:
    table = case.result.frame("decisions")
    assert list(table) == ["path", "date", "item", "weight", "risk_contribution", "status", "reason"]
    assert table["path"].drop_duplicates().tolist() == [path for path in PATHS if case.books[path].decisions]
    for path, book in case.books.items():
        decisions_agree(case.result, book, 1e-10)
        own = case.result.decisions(path)
        assert own["date"].is_monotonic_increasing
        orders = [rows["item"].tolist() for _, rows in own.groupby("date")]
        longest = max(orders, key=len, default=[])
        for (date, decision), items in zip(book.decisions.items(), orders, strict=True):
            assert items == [item for item in longest if item in items] and len(set(items)) == len(items)
            below = {item: case.books.get(f"{path}/{item}") for item in decision.weights}
            assert set(items) == {item for item, it in below.items() if it is None or it.live(date)}


def test_weights_say_what_the_root_held_before_and_after_every_trade(case: Case) -> None:
    table = decoded(case.result.tables["weights"])
    assert list(table) == ["date", "symbol", "before", "target", "trade"]
    assert (table["trade"] == table["target"] - table["before"]).all() and table["trade"].abs().max() > 0.1
    assert ((table["before"] != 0) | (table["target"] != 0)).all(), "a row of nothing"
    before, after = (case.root.by_symbol(which).sort_index(axis=1) for which in ("before", "after"))
    expected = [
        (t, symbol, before.at[t, symbol], after.at[t, symbol])
        for t in traded(case)
        for symbol in before.columns
        if abs(before.at[t, symbol]) > ZERO or abs(after.at[t, symbol]) > ZERO
    ]
    assert list(zip(table["date"], table["symbol"], strict=True)) == [row[:2] for row in expected]
    np.testing.assert_allclose(table[["before", "target"]], [row[2:] for row in expected], rtol=0, atol=1e-10)


def test_contributions_are_the_same_by_leaf(case: Case) -> None:
    table = decoded(case.result.tables["contributions"])
    assert list(table) == ["date", "path", "symbol", "weight"]
    assert table["date"].is_monotonic_increasing
    found = table.set_index(["date", "path", "symbol"])["weight"]
    assert found.index.is_unique
    expected = {
        (t, *key): case.root.after[t][key]
        for t in traded(case)
        for key in case.root.keys
        if abs(case.root.before[t][key]) > ZERO or abs(case.root.after[t][key]) > ZERO
    }
    assert set(found.index) == set(expected)
    assert found.to_dict() == pytest.approx(expected, rel=0, abs=1e-10)
    netted = found.groupby(level=["date", "symbol"]).sum()
    held = decoded(case.result.tables["weights"]).set_index(["date", "symbol"])["target"]
    assert netted.to_dict() == pytest.approx(held.to_dict(), rel=0, abs=1e-12)


def test_a_symbol_that_is_sold_has_a_row_and_one_that_was_is_none() -> None:
    """Two of three are held: what is dropped has a row at that trade, and none at the next one unless it is back."""
    leaf = {**tree()["sleeves"]["coins"], "name": "coins", "lookback": 10, "schedule": {"every": 2}}
    table = metabt.backtest(leaf, panels.market(0)).frame("weights")
    dates, rows = sorted(table["date"].unique()), table.set_index(["date", "symbol"])
    sold = rows[(rows["target"] == 0) & (rows["before"] > 0)]
    assert len(sold) > 9 and (sold["trade"] == -sold["before"]).all()
    for date, symbol in sold.index:
        following = dates[min(dates.index(date) + 1, len(dates) - 1)]
        if following > date and (following, symbol) in rows.index:
            assert rows.at[(following, symbol), "before"] == 0.0 < rows.at[(following, symbol), "target"]


def test_stages_are_the_laps_of_the_walks() -> None:
    prices = {name: to_prices(name, frame) for name, frame in panels.market(0, gaps=False).items()}
    resolved = resolve(tree(), symbols={name: it.symbols for name, it in prices.items()})
    engine = BacktestEngine([resolved], prices, cache=metabt.MemoryCache())
    for hit in (False, True):
        walked = engine.run()
        table = decoded(engine.assemble(walked)["stages"])
        laps = [(path, lap) for path, it in resolved.walk() for lap in walked.walks[it.spec.digest].laps]
        names = ("stage", "partition", "seconds", "rows", "cache_hit")
        expected = [(path, *(getattr(lap, name) for name in names)) for path, lap in laps]
        assert list(table.itertuples(index=False, name=None)) == expected
        assert set(table["path"]) == set(PATHS) and (table["cache_hit"] == hit).all()


def test_a_summary_has_the_streams_and_decisions_of_the_root_and_all_metrics() -> None:
    prices = {name: to_prices(name, frame) for name, frame in panels.market(0, gaps=False).items()}
    resolved = resolve(tree(), symbols={name: it.symbols for name, it in prices.items()})
    whole, short = (
        (engine := BacktestEngine([resolved], prices, keep=keep)).assemble(engine.run()) for keep in ("all", "summary")
    )
    assert tuple(short) == SUMMARY and tuple(whole)[: len(SUMMARY)] == SUMMARY
    for name in ("returns", "decisions"):
        rows = decoded(whole[name])
        pd.testing.assert_frame_equal(decoded(short[name]), rows[rows["path"] == "root"], check_exact=True)
    assert all(same({name: short[name]}, {name: whole[name]}) for name in ("sleeves", "metrics"))


@pytest.mark.parametrize("keep", ["all", "summary"])
def test_a_benchmark_is_held_and_trades_nothing(keep: str) -> None:
    from metabt.analysis.benchmark import Benchmark

    frames = panels.market(0, gaps=False)
    prices = {name: to_prices(name, frame) for name, frame in frames.items()}
    resolved = resolve(tree(), symbols={name: it.symbols for name, it in prices.items()})
    engine: Any = BacktestEngine([resolved], prices, keep=keep)
    tables = engine.assemble(
        engine.run(), benchmark=Benchmark(metabt.data.dataset.Dataset.of(prices["stocks"].select(("EE",))))
    )
    rows = decoded(tables["returns"])
    assert texts(tables["returns"]["path"])[-1] == "benchmark:EE"
    own = rows[rows["path"] == "benchmark:EE"]
    root = rows.loc[rows["path"] == "root", "date"]
    moves = frames["stocks"]["EE"].pct_change().loc[own["date"]]
    assert set(own["date"]) == set(root) & set(frames["stocks"].index)
    np.testing.assert_allclose(own["net"], moves, rtol=0, atol=1e-15)
    assert (own["gross"] == own["net"]).all() and not own[["cost", "turnover", "netting_benefit"]].any(axis=None)
    np.testing.assert_allclose(own["nav"], (1 + moves).cumprod(), rtol=1e-12)
    metrics = decoded(tables["metrics"]).pivot(index="path", columns="metric", values="value").loc["benchmark:EE"]
    assert metrics[["cost", "turnover", "netting_benefit"]].tolist() == [0.0, 0.0, 0.0]
    assert metrics["total_return"] == pytest.approx((1 + moves).prod() - 1) and metrics["sessions"] == len(own)
