"""A tree of every kind of sleeve over two calendars, what the oracle says of it, and its histories."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

import metabt
from metabt import BacktestEngine
from metabt.analysis.run_tables import view
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from tests.shared import oracle, panels

LATE = "2021-05-03"
"""The session that the sleeve `late` decides from."""


def tree(**changes: Any) -> dict[str, Any]:
    """Return a tree of three levels: an asset on both sides, two calendars, a child that begins late, several lags."""
    sleeves = {
        "mix": {
            "lag": 2,
            "sleeves": {
                "long": {"dataset": "stocks", "universe": ["CC", "AA", "BB"]},
                "short": {"dataset": "stocks", "universe": ["CC", "DD"], "direction": "short", "lag": 0},
            },
        },
        "coins": {"dataset": "coins", "universe": panels.COINS, "selector": {"name": "top_k", "k": 2}},
        "late": {"dataset": "stocks", "universe": ["EE"], "start": LATE},
    }
    return {
        "name": "root",
        "lookback": 10,
        "optimizer": "inverse_volatility",
        "costs": {"commission_bp": 10, "slippage_bp": 10, "borrow_bp": 50},
        "defaults": {
            "lookback": 10,
            "schedule": {"every": 6},
            "optimizer": "inverse_volatility",
            "costs": {"commission_bp": 10, "borrow_bp": 50},
        },
        "sleeves": sleeves,
        **changes,
    }


def seen_until(books: dict[str, oracle.Book], end: str | None) -> dict[str, oracle.Book]:
    """Return the oracle's books within a view."""
    return books if end is None else {path: book.until(pd.Timestamp(end)) for path, book in books.items()}


def histories(tree: dict[str, Any], prices: dict[str, pd.DataFrame], end: str | None = None) -> list[SleeveHistory]:
    """Return the sleeves of a tree within a view, walked, the root first."""
    data = {name: to_prices(name, frame) for name, frame in prices.items()}
    resolved = resolve(tree, symbols={name: it.symbols for name, it in data.items()})
    return view(resolved, BacktestEngine([resolved], data).run(), end)


def items_of(tree: dict[str, Any], path: str) -> tuple[str, ...]:
    """Return the names of a sleeve's children, or the symbols of a leaf."""
    for name in path.split("/")[1:]:
        tree = tree["sleeves"][name]
    return tuple(tree["sleeves"] if "sleeves" in tree else tree["universe"])


def share(book: oracle.Book, child: oracle.Book, t: pd.Timestamp) -> float:
    """Return the share of a child that a meta sleeve holds after a session, from its part of one of its positions."""
    held = child.holdings(t)
    key = max(held, key=lambda it: abs(held[it]))
    return book.holdings(t)[key] / held[key] if held[key] else 0.0


def linking(net: list[float], other: list[float]) -> list[float]:
    """Return Carino's factor of every session, by its formula: of returns beside those of another stream."""

    def slope(r: float, b: float) -> float:
        return (math.log1p(r) - math.log1p(b)) / (r - b) if r != b else 1.0 / (1.0 + r)

    whole = slope(*(math.prod(1.0 + r for r in stream) - 1.0 for stream in (net, other)))
    return [slope(*each) / whole for each in zip(net, other, strict=True)]


@dataclass(frozen=True)
class Case:
    """A run within a view, and the oracle's books of it."""

    result: metabt.Result
    books: dict[str, oracle.Book]

    @property
    def root(self) -> oracle.Book:
        return self.books["root"]


def due(book: oracle.Book, lag: int) -> list[pd.Timestamp]:
    """Return the sessions at which a sleeve's decisions are traded, as far as its own calendar goes."""
    own = sorted(book.common) if book.common else book.sessions
    rows = [own.index(t) + lag for t in book.decisions]
    return [own[row] for row in rows if row < len(own) and own[row] <= book.sessions[-1]]


LAGS = {"root/mix": 2, "root/mix/short": 0}
"""Lags that are not 1."""


def lag_of(path: str) -> int:
    return LAGS.get(path, 1)
