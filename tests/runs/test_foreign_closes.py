"""What `metabt weights` prices: closes in the currency of each asset, shares by what they are worth in the tree's."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from metabt.lakehouse.price_source import Lakehouse
from metabt.runs.last_closes import last_closes
from metabt.runs.trade_list import Book, Holding, Order, plan_trades
from tests.build.dated.test_currencies import lives
from tests.shared.random_markets import RandomMarket
from tests.shared.stored_markets import store

DAYS = pd.bdate_range("2020-01-01", periods=5)


def test_shares_of_foreign_assets_are_counted_by_what_they_are_worth(tmp_path: Path) -> None:
    prices = {"here": pd.DataFrame({"A": 10.0, "B": 20.0}, DAYS), "there": pd.DataFrame({"C": 5.0}, DAYS)}
    rated = [{"name": "fx:EURUSD", "date": "2020-01-02", "value": 1.25, "day_count": None}]
    tables = {"here": {"assets": lives(A="EUR", B="USD")}, "there": {"rates": rated}}
    volumes = {name: frame * 0 + 1 for name, frame in prices.items()}
    lake = store(tmp_path / "lake", RandomMarket(prices, volumes, tables, dict.fromkeys(prices, True)))
    wanted = {"here": ("A", "B"), "there": ("C",)}
    closes = last_closes(Lakehouse(lake), wanted, [], "USD")
    assert {symbol: (it.price, it.worth) for symbol, it in closes.items()} == {
        "A": (10.0, 12.5),
        "B": (20.0, 20.0),
        "C": (5.0, 5.0),
    }
    assert last_closes(Lakehouse(lake), wanted, [], None)["A"].worth == 10.0
    orders = [Order(symbol, 0.5, 0.5, 0.0, False, DAYS[-1]) for symbol in ("A", "B")]
    hedge = Order("fx:EUR", -0.5, -0.5, 0.0, False, DAYS[-1])
    book = Book((*orders, hedge))
    trades = {it.symbol: it for it in plan_trades(book, closes, [Holding("A", 8.0, None)], 1000.0)}
    assert trades["A"].held_value == pytest.approx(100.0)
    assert trades["A"].trade_shares == pytest.approx(400.0 / 12.5)
    assert trades["A"].close == 10.0
    assert trades["B"].trade_shares == pytest.approx(25.0)
    assert trades["fx:EUR"].trade_shares is None and trades["fx:EUR"].trade_value == pytest.approx(-500.0)
    assert (book.net, book.gross) == (1.0, 1.0)  # a hedge takes no money
