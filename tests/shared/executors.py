"""Executors: trees and markets that every executor walks, and what came out as tables or errors."""

from __future__ import annotations

from typing import Any

import pandas as pd

from metabt import BacktestEngine
from metabt.errors import MetabtError
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.values.tables import Table
from tests.shared import panels
from tests.shared.agreement import same

RULES = {"lookback": 20, "schedule": "weekly", "dataset": "stocks", "costs": {"commission_bp": 7, "borrow_bp": 100}}

STOCKS, COINS = list(panels.STOCKS), list(panels.COINS)

NESTED = {
    "name": "root",
    "optimizer": "erc",
    "defaults": RULES,
    "sleeves": {
        "a": {
            "optimizer": "inverse_volatility",
            "sleeves": {
                "x": {"universe": STOCKS[:3], "optimizer": "min_variance"},
                "y": {"universe": STOCKS[1:], "optimizer": "hrp", "schedule": {"every": 3}, "lag": 2},
            },
        },
        "b": {"dataset": "coins", "universe": COINS, "selector": {"name": "top_k", "k": 2}},
        "c": {"universe": STOCKS[:2], "direction": "short", "optimizer": "equal"},
    },
}

LEAF = {"name": "leaf", **RULES, "universe": STOCKS, "optimizer": "erc"}

WRAPPED = {"name": "wrap", "defaults": RULES, "sleeves": {"only": {"universe": STOCKS[:4]}}}


def years(seed: int, *, gaps: bool = True) -> dict[str, pd.DataFrame]:
    """Return three years of both datasets: several partitions, of which one has no coins."""
    return {"stocks": panels.stocks(seed, 700, gaps=gaps), "coins": panels.coins(seed, 900, gaps=gaps)}


def engine(trees: list[dict[str, Any]], seed: int = 3, **options: Any) -> BacktestEngine:
    prices = {name: to_prices(name, frame) for name, frame in years(seed).items()}
    symbols = {name: held.symbols for name, held in prices.items()}
    return BacktestEngine([resolve(tree, symbols=symbols) for tree in trees], prices, **options)


def outcomes(job: BacktestEngine) -> list[dict[str, Table] | str]:
    walked = job.run()
    return [_outcome(job, walked, position) for position in range(len(job.portfolios))]


def alike(one: list[dict[str, Table] | str], other: list[dict[str, Table] | str]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a == b if isinstance(a, str) or isinstance(b, str) else same(a, b) for a, b in pairs)


def _outcome(job: BacktestEngine, walked: Any, position: int) -> dict[str, Table] | str:
    try:
        return job.assemble(walked, position)
    except MetabtError as error:
        return str(error)
