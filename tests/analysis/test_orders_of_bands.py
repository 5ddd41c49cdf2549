"""Orders under bands are what is then traded: where nothing moves until the trade, to the bit of rounding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt

BANDED = {"schedule": {"every": 1, "band": 0.03}, "lookback": 10, "dataset": "stocks"}
LEAF = {"name": "leaf", **BANDED, "universe": "all", "optimizer": "inverse_volatility"}
TREE = {
    "name": "root",
    "defaults": BANDED,
    "optimizer": "inverse_volatility",
    "sleeves": {
        "x": {"universe": list("ABC"), "selector": {"name": "top_k", "k": 2}, "optimizer": "equal"},
        "y": {"universe": list("DE"), "optimizer": "inverse_volatility"},
    },
}


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    steps = np.random.default_rng(4).normal(0, 0.03, (70, 5))
    return pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), pd.bdate_range("2021-01-04", periods=70), list("ABCDE"))


@pytest.mark.parametrize("tree", [LEAF, TREE], ids=["leaf", "tree"])
def test_they_are_what_the_next_session_trades_if_nothing_moves(tree: dict, prices: pd.DataFrame) -> None:
    alone, moved = 0, 0
    for stop in range(25, 70):
        known = prices.iloc[:stop]
        still = pd.concat([known, known.iloc[-1:].set_axis([known.index[-1] + pd.Timedelta("1D")])])
        orders = metabt.backtest(tree, {"stocks": known}).orders
        after = metabt.backtest(tree, {"stocks": still}).frame("weights").set_index(["date", "symbol"])["trade"]
        trade = after.loc[still.index[-1]] if still.index[-1] in after.index.get_level_values(0) else pd.Series(0.0, [])
        expected = trade.reindex(orders.index, fill_value=0.0)
        assert orders["pending"].all()
        assert orders["trade"].to_dict() == pytest.approx(expected.to_dict(), abs=1e-12)
        assert (orders["target"] - orders["held"]).to_dict() == pytest.approx(expected.to_dict(), abs=1e-12)
        alone += int((orders["trade"].abs() < 1e-12).sum())
        moved += int((orders["trade"].abs() > 1e-3).sum())
    assert alone > 30 and moved > 10


def test_a_session_in_which_all_is_left_alone_stores_no_weights(prices: pd.DataFrame) -> None:
    """A daily schedule trades where something has drifted further: the book has rows of those sessions alone."""
    result = metabt.backtest(LEAF, {"stocks": prices})
    decided, traded = result.decisions("leaf")["date"].nunique(), result.frame("weights").groupby("date")["trade"]
    assert len(traded) < 0.8 * decided and (traded.apply(lambda it: it.abs().max()) > 1e-6).all()
    assert (result.returns("leaf")["turnover"] > 0).sum() <= len(traded)
