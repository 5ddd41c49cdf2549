"""Trades from present holdings to the book of a run.

1. A run's `Book` has two weights of each symbol: `target`, as decided, and `drifted`, what that has become since it was
   traded. While a decision is pending its targets are traded to; after that the book is followed as it has drifted.
2. What a symbol should be worth is that weight times NAV; what it is worth is its value, or shares x last close x the
   rate of exchange, where it is in another currency than NAV.
3. The trade is the difference. A symbol that is held and no longer wanted is sold.
4. Shares to trade are the trade over what one is worth.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from metabt.data.point_in_time.hedging import is_hedge
from metabt.errors import DataError
from metabt.runs.last_closes import Close


@dataclass(frozen=True)
class Order:
    """One symbol of a run's newest book; weights are fractions of the root's NAV, negative when short."""

    symbol: str
    """The asset."""
    target: float
    """Weight that was decided."""
    drifted: float
    """Weight that the book has at its last session."""
    trade: float
    """Weight that is yet to be traded; 0 where nothing is pending."""
    pending: bool
    """Whether the decision is yet to be traded."""
    decided: object
    """Session of the newest decision, a date."""


@dataclass(frozen=True)
class Book:
    """The newest flattened book of a run."""

    orders: tuple[Order, ...]
    """By symbol; empty where all is cash."""

    @property
    def pending(self) -> bool:
        """Whether a decision is yet to be traded."""
        return any(order.pending for order in self.orders)

    @property
    def followed(self) -> str:
        """The weight that is traded to: `target` while a decision is pending, else `drifted`."""
        return "target" if self.pending else "drifted"

    @property
    def wanted(self) -> dict[str, float]:
        """Symbol -> the weight that is traded to."""
        return {order.symbol: getattr(order, self.followed) for order in self.orders}

    @property
    def net(self) -> float:
        """Sum of the weights once all is traded, hedges aside, which take no money; the rest is cash."""
        return math.fsum(self._invested.values())

    @property
    def gross(self) -> float:
        """Sum of their magnitudes once all is traded, hedges aside."""
        return math.fsum(map(abs, self._invested.values()))

    @property
    def _invested(self) -> dict[str, float]:
        return {symbol: weight for symbol, weight in self.wanted.items() if not is_hedge(symbol)}


@dataclass(frozen=True)
class Holding:
    """A position as a broker's file states it."""

    symbol: str
    """The asset."""
    shares: float | None
    """Number of shares, negative when short; None where the file states a value."""
    value: float | None
    """Worth in the currency of NAV, negative when short; None where the file states shares."""


@dataclass(frozen=True)
class Trade:
    """The trade in one symbol."""

    symbol: str
    """The asset."""
    target: float
    """Weight that was decided, a fraction of NAV."""
    drifted: float
    """Weight that the run's book has at its last session, a fraction of NAV."""
    held_value: float
    """Value that is held now, in the currency of NAV."""
    wanted_value: float
    """Value that should be held, in the currency of NAV: `target` or `drifted` of it, whichever is traded to."""
    trade_value: float
    """Value to buy (positive) or sell (negative), in the currency of NAV."""
    trade_shares: float | None
    """The same in shares at the last close; None where no close is known."""
    close: float | None
    """The close that shares are priced at, in the currency of the asset; None where none is known."""
    close_date: object
    """Its date; None where none is known."""


def read_holdings(file: str | Path) -> list[Holding]:
    """Return the holdings of a CSV file with a column symbol and a column shares or value.

    Raises
    ------
    DataError
        For a missing file or column, a number that is none, or a symbol that stands twice.
    """
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            columns = {str(name).strip().lower() for name in reader.fieldnames or ()}
            rows = [(reader.line_num, {str(k).strip().lower(): v for k, v in row.items()}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"holdings '{file}' cannot be read: {error}; give a CSV file with symbol and shares") from error
    measure = next((name for name in ("shares", "value") if name in columns), None)
    if "symbol" not in columns or measure is None:
        raise DataError(f"holdings '{file}' has columns {sorted(columns)}; wanted symbol, and shares or value")
    return _without_doubles(file, [_holding(file, line, row, measure) for line, row in rows])


def plan_trades(book: Book, closes: Mapping[str, Close], holdings: Iterable[Holding], nav: float) -> list[Trade]:
    """Return the trades from `holdings` to what is wanted of `book`, by symbol.

    Parameters
    ----------
    book : the run's newest book
    closes : symbol -> last close
    holdings : positions that are held now, a symbol each
    nav : worth of the whole portfolio, cash included; positive

    Raises
    ------
    DataError
        For a NAV that is not positive, or shares of a symbol whose close is not known.
    """
    if not (math.isfinite(nav) and nav > 0):
        raise DataError(f"NAV is {nav:g}, wanted what the portfolio is worth, a positive number")
    held = {holding.symbol: _worth(holding, closes) for holding in holdings}
    orders = {order.symbol: order for order in book.orders}
    wanted = {symbol: weight * nav for symbol, weight in book.wanted.items()}
    return [
        _trade(symbol, orders.get(symbol), held.get(symbol, 0.0), wanted.get(symbol, 0.0), closes.get(symbol))
        for symbol in sorted({*orders, *held})
    ]


def _trade(symbol: str, order: Order | None, held: float, wanted: float, close: Close | None) -> Trade:
    target, drifted = (order.target, order.drifted) if order else (0.0, 0.0)
    price, date = (close.price, close.date) if close else (None, None)
    shares = None if close is None else (wanted - held) / close.worth
    return Trade(symbol, target, drifted, held, wanted, wanted - held, shares, price, date)


def _worth(holding: Holding, closes: Mapping[str, Close]) -> float:
    if holding.value is not None:
        return holding.value
    assert holding.shares is not None
    if holding.symbol not in closes:
        raise DataError(
            f"holdings: no leaf of the run takes '{holding.symbol}', and the run's datasets have no close of it, or "
            "several; give its value instead of shares"
        )
    return holding.shares * closes[holding.symbol].worth


def _holding(file: str | Path, line: int, row: Mapping[str, str | None], measure: str) -> Holding:
    symbol, text = (row["symbol"] or "").strip(), (row[measure] or "").strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not symbol or not math.isfinite(number):
        raise DataError(
            f"holdings '{file}', line {line}: symbol '{symbol}', {measure} '{text}'; wanted a symbol and a number"
        )
    return Holding(symbol, number if measure == "shares" else None, number if measure == "value" else None)


def _without_doubles(file: str | Path, holdings: list[Holding]) -> list[Holding]:
    seen: set[str] = set()
    for holding in holdings:
        if holding.symbol in seen:
            raise DataError(f"holdings '{file}' lists '{holding.symbol}' twice; add the positions up")
        seen.add(holding.symbol)
    return holdings
