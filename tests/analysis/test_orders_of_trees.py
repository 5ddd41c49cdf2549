"""Orders of a tree are what it holds, and what it comes to once every decision that waits in it is traded."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import metabt
from tests.analysis.books import Case, due, lag_of, seen_until, tree
from tests.shared import oracle, panels

ZERO = 1e-12
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
