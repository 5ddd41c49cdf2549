"""What a meta sleeve holds in data that have ended for good trades at its last price, with the shares of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.lakehouse.price_source import to_prices
from tests.shared import oracle, panels
from tests.shared.agreement import assert_agrees
from tests.shared.months import in_turn

END = pd.Timestamp("2021-05-12")
RULES = {"lookback": 8, "lag": 0, "costs": {"commission_bp": 5.0}}


def market(missing: int) -> dict[str, pd.DataFrame]:
    """Return stocks, and coins that end for good: one of them has no price on the `missing` days before."""
    frames = panels.market(0, gaps=False)
    frames["coins"] = frames["coins"].loc[:END]
    frames["coins"].iloc[-missing:, 0] = np.nan
    return frames


def pair(**rules: Any) -> dict[str, Any]:
    leaf = {**RULES, "schedule": {"every": 3}, "min_coverage": 0.4, "stale_after": 30}
    sleeves = {
        "stocks": {**leaf, "dataset": "stocks", "universe": panels.STOCKS},
        "coins": {**leaf, "dataset": "coins", "universe": panels.COINS},
    }
    return {**RULES, "optimizer": "inverse_volatility", "schedule": {"every": 4}, **rules, "sleeves": sleeves}


def tree(depth: int) -> dict[str, Any]:
    """Return the pair as a root, or beneath as many sleeves as make it `depth` levels deep, beside other stocks."""
    found = pair()
    for _ in range(depth - 2):
        other = {**RULES, "dataset": "stocks", "universe": panels.STOCKS[:2], "schedule": {"every": 5}}
        found = {
            **RULES,
            "optimizer": "inverse_volatility",
            "schedule": {"every": 5},
            "sleeves": {"s": found, "o": other},
        }
    return {"name": "root", **found}


@pytest.mark.parametrize("missing", [1, 3])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_oracle_agrees_at_every_depth(depth: int, missing: int) -> None:
    frames, closed = market(missing), frozenset({"coins"})
    prices = {name: replace(to_prices(name, it), closed=name in closed) for name, it in frames.items()}
    books = oracle.run(tree(depth), frames, closed=closed)
    result = metabt.backtest(tree(depth), prices)
    assert_agrees(result, books)
    assert result.returns().index[-1] == frames["stocks"].index[-1]


def test_what_had_no_price_when_shares_were_traded_waits_for_the_next_trade_and_not_for_the_next_session() -> None:
    frames = market(3)
    prices = {name: replace(to_prices(name, it), closed=name == "coins") for name, it in frames.items()}
    every = {"stocks": 40, "coins": 40}
    root = {"name": "root", **pair(schedule={"every": 10})}
    for name, sleeve in root["sleeves"].items():
        sleeve.update(schedule={"every": every[name]}, start="2021-04-01")
    for start in pd.bdate_range("2021-03-01", "2021-03-12"):
        result = metabt.backtest({**root, "start": str(start.date())}, prices)
        decided = result.sleeve_weights().index
        last = decided[decided <= END][-1]
        following = decided[decided > END][0]
        turnover = result.returns()["turnover"].loc[END + pd.Timedelta(days=1) : following]
        assert not turnover.iloc[:-1].any() and turnover.iloc[-1] > 0.1
        if last > END - pd.Timedelta(days=3):
            break
    else:
        pytest.fail("no decision where a coin has no price")
    book = oracle.run({**root, "start": str(start.date())}, frames, closed=frozenset({"coins"}))["root"]
    assert any(key[1] == panels.COINS[0] for key in book.carried[END])


@pytest.mark.parametrize("every", [1, 2, 3])
def test_what_a_sleeve_carried_into_a_partition_without_its_sessions_is_held_there(every: int) -> None:
    """All its data have ended with the year, and a share was dealt while one of its assets had no price."""
    frames = {"stocks": panels.stocks(1, 600, first="2020-03-02"), "coins": panels.coins(1, 400, first="2020-03-04")}
    frames["coins"] = frames["coins"].loc[:"2020-12-31"]
    frames["coins"].loc["2020-12-28":, "XLT"] = np.nan
    prices = {name: replace(to_prices(name, it), closed=name == "coins") for name, it in frames.items()}
    rules = {"lookback": 20, "costs": {"commission_bp": 50}}
    odd = {"dataset": "coins", "universe": ["XBT", "XLT"], "lookback": 20, "schedule": {"every": 30}}
    even = {"dataset": "coins", "universe": ["XBT"], "lookback": 20, "schedule": {"every": 5}}
    sleeves: dict[str, Any] = {"odd": odd, "even": even}
    core = {**rules, "schedule": {"every": every}, "optimizer": "inverse_volatility", "sleeves": sleeves}
    other = {"dataset": "stocks", "universe": ["CC"], "lookback": 20, "schedule": {"every": 5}}
    root = {"name": "root", **rules, "schedule": {"every": 2}, "sleeves": {"core": core, "other": other}}
    expected = oracle.run(root, frames, closed=frozenset({"coins"}))
    assert_agrees(metabt.backtest(root, prices, cache=metabt.MemoryCache()), expected)
    with in_turn():
        assert_agrees(metabt.backtest(root, prices, cache=metabt.MemoryCache()), expected)
