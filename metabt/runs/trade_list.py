"""Trades from present holdings to target weights.

1. What a symbol should be worth is its target weight times NAV; what it is worth is its value, or shares x last close.
2. The trade is the difference. A symbol that is held and no longer wanted is sold.
3. Shares to trade are the trade over the last close.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from metabt.errors import DataError


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
    """Target weight, a fraction of NAV."""
    held_value: float
    """Value that is held now, in the currency of NAV."""
    target_value: float
    """Value that should be held, in the currency of NAV."""
    trade_value: float
    """Value to buy (positive) or sell (negative), in the currency of NAV."""
    trade_shares: float | None
    """The same in shares at the last close; None where no close is known."""


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


def plan_trades(
    targets: Mapping[str, float], closes: Mapping[str, float], holdings: list[Holding], nav: float
) -> list[Trade]:
    """Return the trades from `holdings` to `targets`, by symbol.

    Parameters
    ----------
    targets : symbol -> weight, a fraction of NAV
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
    symbols = sorted({*targets, *held})
    return [
        _trade(symbol, targets.get(symbol, 0.0), held.get(symbol, 0.0), closes.get(symbol), nav) for symbol in symbols
    ]


def _trade(symbol: str, target: float, held: float, close: float | None, nav: float) -> Trade:
    wanted = target * nav
    shares = None if close is None else (wanted - held) / close
    return Trade(symbol, target, held, wanted, wanted - held, shares)


def _worth(holding: Holding, closes: Mapping[str, float]) -> float:
    if holding.value is not None:
        return holding.value
    assert holding.shares is not None
    if holding.symbol not in closes:
        raise DataError(f"holdings: no close of '{holding.symbol}' in the lakehouse; give its value instead of shares")
    return holding.shares * closes[holding.symbol]


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
