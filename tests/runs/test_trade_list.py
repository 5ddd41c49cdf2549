"""Trades lead from what is held to what is wanted, and a broker's file is read strictly."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import DataError
from metabt.runs.last_closes import Close
from metabt.runs.trade_list import Book, Holding, Order, plan_trades, read_holdings

SYMBOLS = st.sampled_from(["A", "B", "C", "D"])
TODAY = datetime.date(2024, 5, 6)
PRICES = {"A": 10.0, "B": 0.5, "C": 200.0, "D": 33.0}
CLOSES = {symbol: Close(price, TODAY) for symbol, price in PRICES.items()}
WEIGHTS = st.dictionaries(SYMBOLS, st.tuples(st.floats(-1, 1), st.floats(-1, 1)), max_size=4)
"""Symbol -> target and drifted weight."""


def book_of(weights: Mapping[str, tuple[float, float]], pending: bool) -> Book:
    return Book(tuple(Order(symbol, *pair, 0.0, pending, TODAY) for symbol, pair in sorted(weights.items())))


def holdings_file(folder: Path, text: str) -> Path:
    file = folder / "holdings.csv"
    file.write_text(text, encoding="utf-8")
    return file


@given(
    weights=WEIGHTS,
    pending=st.booleans(),
    held=st.dictionaries(SYMBOLS, st.floats(-1e4, 1e4), max_size=4),
    nav=st.floats(1.0, 1e9),
)
def test_after_the_trades_every_symbol_is_worth_what_is_wanted_of_it(
    weights: dict[str, tuple[float, float]], pending: bool, held: dict[str, float], nav: float
) -> None:
    book = book_of(weights, pending)
    trades = plan_trades(book, CLOSES, [Holding(symbol, shares, None) for symbol, shares in held.items()], nav)
    assert {trade.symbol for trade in trades} == {*weights, *held}
    after = {trade.symbol: held.get(trade.symbol, 0.0) + (trade.trade_shares or 0.0) for trade in trades}
    values = {symbol: shares * PRICES[symbol] for symbol, shares in after.items()}
    for trade in trades:
        target, drifted = weights.get(trade.symbol, (0.0, 0.0))
        assert (trade.target, trade.drifted) == (target, drifted)
        assert (trade.close, trade.close_date) == (PRICES[trade.symbol], TODAY)
        wanted = (target if pending else drifted) * nav
        assert values[trade.symbol] == pytest.approx(wanted, abs=1e-9 * nav + 1e-6)
    assert book.net * nav == pytest.approx(sum(values.values()), abs=1e-8 * nav + 1e-5)
    assert book.gross * nav == pytest.approx(sum(map(abs, values.values())), abs=1e-8 * nav + 1e-5)


def test_a_value_needs_no_close_and_then_has_no_shares() -> None:
    (trade,) = plan_trades(Book(()), {}, [Holding("X", None, 500.0)], 1000.0)
    assert (trade.trade_value, trade.trade_shares) == (-500.0, None)


def test_shares_without_a_close_are_refused() -> None:
    with pytest.raises(DataError, match="takes 'X', and .* no close of it, or several; give its value"):
        plan_trades(Book(()), {}, [Holding("X", 5.0, None)], 1000.0)


@pytest.mark.parametrize("nav", [0.0, -1.0, float("nan"), float("inf")])
def test_nav_is_positive(nav: float) -> None:
    with pytest.raises(DataError, match="NAV"):
        plan_trades(Book(()), {}, [], nav)


def test_a_file_is_read_whatever_its_case_order_and_mark(tmp_path: Path) -> None:
    file = holdings_file(tmp_path, "\ufeffValue, SYMBOL ,Account\n1e3,A,x\n -5 ,B,y\n")
    assert read_holdings(file) == [Holding("A", None, 1000.0), Holding("B", None, -5.0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ticker,shares\nA,1\n", "wanted symbol, and shares or value"),
        ("symbol,price\nA,1\n", "wanted symbol, and shares or value"),
        ("", "wanted symbol"),
        ("symbol,shares\nA,\n", "line 2: symbol 'A', shares ''"),
        ("symbol,shares\nA,1\nB,many\n", "line 3: symbol 'B', shares 'many'"),
        ("symbol,shares\nA,inf\n", "line 2"),
        ("symbol,shares\n,3\n", "line 2: symbol ''"),
        ("symbol,shares\nA,1\nA,2\n", "'A' twice; add the positions up"),
        ("symbol,shares\nA\n", "line 2"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_holdings(holdings_file(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none.csv"):
        read_holdings(tmp_path / "none.csv")
