"""Every column of every table of a run is what the oracle's books say, with no row of what is nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
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
from tests.analysis.books import LATE, items_of, seen_until, tree
from tests.shared import oracle, panels
from tests.shared.agreement import decisions_agree, netting_agrees, same, streams_agree
from tests.shared.leak_detector import decoded

ZERO = 1e-12
PATHS = ["root", "root/mix", "root/mix/long", "root/mix/short", "root/coins", "root/late"]


@dataclass(frozen=True)
class Case:
    """A run within a view, and the oracle's books of it."""

    result: metabt.Result
    books: dict[str, oracle.Book]

    @property
    def root(self) -> oracle.Book:
        return self.books["root"]


@pytest.fixture(scope="module", params=[(0, None), (2, LATE), (3, "2021-01-28")], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    seed, end = request.param
    prices = panels.market(seed, gaps=seed == 2)
    return Case(metabt.backtest(tree(), prices, end=end), seen_until(oracle.run(tree(), prices), end))


def due(book: oracle.Book, lag: int) -> list[pd.Timestamp]:
    """Return the sessions at which a sleeve's decisions are traded, as far as its own calendar goes."""
    own = sorted(book.common) if book.common else book.sessions
    rows = [own.index(t) + lag for t in book.decisions]
    return [own[row] for row in rows if row < len(own) and own[row] <= book.sessions[-1]]


LAGS = {"root/mix": 2, "root/mix/short": 0}
"""Lags that are not 1."""


def lag_of(path: str) -> int:
    return LAGS.get(path, 1)


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


ENDS = [str(day.date()) for day in pd.bdate_range("2021-05-03", periods=11)]


def of_five() -> dict[str, Any]:
    """Return the tree without the child that decides on days of its own, just after the others."""
    return tree(sleeves={name: it for name, it in tree()["sleeves"].items() if name != "late"})


@pytest.fixture(scope="module", params=[tree, of_five])
def views(request: pytest.FixtureRequest) -> tuple[dict[str, Any], list[Case]]:
    """Return a tree, and views of it with many ends: decisions wait at the root, in the middle, in leaves, nowhere."""
    given, prices = request.param(), panels.market(4, gaps=False)
    books = oracle.run(given, prices)
    return given, [Case(metabt.backtest(given, prices, end=end), seen_until(books, end)) for end in ENDS]


def waits(case: Case) -> bool:
    """Return whether any sleeve's newest decision is due at a session that has not come."""
    return any(len(due(book, lag_of(path))) < len(book.decisions) for path, book in case.books.items())


def test_orders_hold_what_is_held_and_nothing_else(views: tuple[dict[str, Any], list[Case]]) -> None:
    seen = set()
    for case in views[1]:
        table = case.result.frame("orders")
        assert list(table) == ["date", "symbol", "held", "target", "trade", "pending"]
        held = oracle.net(case.root.after[case.root.sessions[-1]])
        assert table["symbol"].is_monotonic_increasing and table["symbol"].is_unique
        assert ((table["held"] != 0) | (table["target"] != 0)).all(), "a row of nothing"
        assert {symbol for symbol, weight in held.items() if abs(weight) > ZERO} <= set(table["symbol"])
        assert table["held"].to_list() == pytest.approx([held[symbol] for symbol in table["symbol"]], abs=1e-10)
        assert (table["date"] == max(t for book in case.books.values() for t in book.decisions)).all()
        pending = waits(case)
        assert (table["pending"] == pending).all()
        if pending:
            assert (table["trade"] == table["target"] - table["held"]).all() and table["trade"].abs().max() > 1e-3
        else:
            last = case.result.weights.iloc[-1]
            assert not table["trade"].any()
            assert table["target"].to_list() == [last[symbol] for symbol in table["symbol"]]
        seen.add(pending)
    assert seen == {True, False}


def standing_still(prices: dict[str, pd.DataFrame], end: str, days: int) -> dict[str, pd.DataFrame]:
    """Return prices up to a session, and the last of them for some weekdays more."""
    until = {name: frame.loc[:end] for name, frame in prices.items()}
    more = pd.bdate_range(pd.Timestamp(end) + pd.Timedelta(days=1), periods=days)
    return {name: frame.reindex(frame.index.append(more)).ffill() for name, frame in until.items()}


def test_orders_are_what_is_held_once_they_are_traded_at_prices_that_stand_still(
    views: tuple[dict[str, Any], list[Case]],
) -> None:
    """Where no sleeve decides anew in the meantime; leaves, the middle and the root have to wait, and all at once."""
    prices, waiting = panels.market(4, gaps=False), set()
    for case, end in zip(views[1], ENDS, strict=True):
        later = metabt.backtest(views[0], standing_still(prices, end, 2))
        decided = [result.frame("decisions").groupby("path")["date"].max().to_dict() for result in (case.result, later)]
        if decided[0] != decided[1] or not waits(case):
            continue
        waiting |= {path for path, book in case.books.items() if len(due(book, lag_of(path))) < len(book.decisions)}
        orders, after = case.result.orders["target"], later.orders
        assert not after["pending"].any()
        held = after["held"]
        assert {symbol for symbol in orders.index if abs(orders[symbol]) > ZERO} == set(held.index[held.abs() > ZERO])
        for symbol in held.index:
            assert orders.get(symbol, 0.0) == pytest.approx(held[symbol], abs=1e-10)
    assert waiting >= {"root/mix", "root/coins", *({"root/late"} & set(case.books) or {"root", "root/mix/long"})}


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
