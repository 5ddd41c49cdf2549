"""Orders name what is held and what is to be held, and nothing else: purchases of new assets and sales of old ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt

NAMES = tuple("ABCDEFGH")
LAG = 2
LEAF = {
    "name": "leaf",
    "dataset": "stocks",
    "universe": list(NAMES),
    "selector": {"name": "top_k", "k": 3},
    "optimizer": "equal",
    "lookback": 10,
    "lag": LAG,
    "schedule": {"every": 7},
}


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    steps = rng.normal(0, 0.02, (90, len(NAMES)))
    return pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), pd.bdate_range("2021-01-04", periods=90), list(NAMES))


def test_they_are_the_decision_that_waits_or_what_was_traded_beside_what_is_held(prices: pd.DataFrame) -> None:
    bought, sold, quiet = 0, 0, 0
    for stop in range(40, 90):
        known = prices.iloc[:stop]
        result = metabt.backtest(LEAF, {"stocks": known})
        orders, traded = result.orders, result.weights
        decisions = result.decisions("leaf")
        newest = decisions[decisions["date"] == decisions["date"].max()].set_index("item")["weight"]
        waits = stop - 1 - known.index.get_loc(decisions["date"].max()) < LAG
        last = traded.iloc[-1].reindex(NAMES, fill_value=0.0)
        grown = last * known.iloc[-1] / known.loc[traded.index[-1]]
        held = grown / grown.sum()
        target = newest.reindex(NAMES, fill_value=0.0) if waits else last
        expected = [name for name in NAMES if held[name] != 0 or target[name] != 0]
        assert list(orders.index) == expected and (orders["pending"] == waits).all()
        assert orders["held"].to_dict() == pytest.approx(held[expected].to_dict(), abs=1e-12)
        assert orders["target"].to_dict() == pytest.approx(target[expected].to_dict(), abs=1e-12)
        trade = (target - held)[expected] * waits
        assert orders["trade"].to_dict() == pytest.approx(trade.to_dict(), abs=1e-12)
        bought += int(((orders["held"] == 0) & (orders["trade"] > 0)).sum())
        sold += int(((orders["target"] == 0) & (orders["trade"] < 0)).sum())
        quiet += not waits
    assert bought > 5 and sold > 5 and quiet > 20


def test_a_view_that_ends_early_does_not_wait_for_what_the_data_end_with(prices: pd.DataFrame) -> None:
    """What the newest decision bought had no price when it was due, and has none to the end."""
    sleeve = {**LEAF, "stale_after": 60}
    decided = metabt.backtest(sleeve, {"stocks": prices}).decisions("leaf")
    last, before = sorted(decided["date"].unique())[:-3:-1]
    due = prices.index.get_loc(last) + LAG
    chosen = decided[(decided["date"] == last) & (decided["weight"] > 0)]["item"]
    gone = prices.copy()
    gone.loc[gone.index[due:], chosen.iloc[0]] = np.nan
    whole = metabt.backtest(sleeve, {"stocks": gone})
    assert due < len(prices) - 1 and whole.orders["pending"].all()
    quiet = prices.index[prices.index.get_loc(before) + LAG + 1]
    early, known = (
        metabt.backtest(sleeve, {"stocks": gone}, end=str(quiet.date())),
        metabt.backtest(sleeve, {"stocks": gone.loc[:quiet]}),
    )
    assert not early.orders["pending"].any() and not early.orders["trade"].any()
    pd.testing.assert_frame_equal(early.orders, known.orders)
