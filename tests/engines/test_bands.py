"""Bands at every level, over gaps and mixed calendars, decided from prices alone or in turn: as the oracle trades."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from tests.engines.test_in_turn import mixed
from tests.shared import oracle, panels
from tests.shared.agreement import assert_agrees
from tests.shared.solving import IN_TURN, near

OPTIMIZERS = ["inverse_volatility", {"name": "min_variance", "max_turnover": 0.05}]


def banded(tree: dict[str, Any], bands: tuple[float, float]) -> dict[str, Any]:
    """Return a tree with a band at its root and another one at its leaves, which decide more often."""
    root, leaf = bands
    sleeves = {
        name: {**it, "schedule": {"every": 2, "band": leaf}, "lag": tree["lag"]} for name, it in tree["sleeves"].items()
    }
    return {**tree, "schedule": {**tree["schedule"], "band": root}, "sleeves": sleeves}


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["alone", "in turn"])
@pytest.mark.parametrize("lag", [0, 1, 2])
def test_the_oracle_leaves_alone_what_the_engine_does(lag: int, optimizer: Any, gaps: bool) -> None:
    prices = panels.market(lag, gaps=gaps)
    for every, bands in ((1, (0.02, 0.05)), (3, (0.1, 0.01))):
        tree = banded(mixed(optimizer, every, lag), bands)
        result = metabt.backtest(tree, prices)
        assert_agrees(result, oracle.run(tree, prices, optimizers={IN_TURN: near}))
        whole = metabt.backtest(banded(mixed(optimizer, every, lag), (1e-12, 1e-12)), prices)
        assert result.returns()["turnover"].sum() < whole.returns()["turnover"].sum()


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_a_leaf_in_turn_knows_what_its_band_is_going_to_leave_alone(lag: int) -> None:
    prices = panels.market(1, mixed=False, gaps=False)
    optimizer = {"name": "min_variance", "max_turnover": 0.04}
    rules = {"schedule": {"every": 1, "band": 0.03}, "lookback": 12, "lag": lag, "optimizer": optimizer}
    tree = {"name": "x", "dataset": "stocks", "universe": panels.STOCKS[:4], **rules}
    result = metabt.backtest(tree, prices)
    assert_agrees(result, oracle.run(tree, prices, optimizers={IN_TURN: near}))
    assert (result.decisions()["status"] == "ok").sum() > 20


def test_a_tree_in_parts_is_the_whole(sp500: pd.DataFrame) -> None:
    """What is left alone at the end of a partition is so in one walk over all of them, and after an append."""
    prices, known = sp500.iloc[:900, :5], metabt.MemoryCache()
    tree = {
        "name": "x",
        "universe": "all",
        "optimizer": "equal",
        "lookback": 20,
        "schedule": {"every": 1, "band": 0.01},
    }
    for stop in (500, 700, 900):
        found, fresh = (metabt.backtest(tree, prices.iloc[:stop], cache=it) for it in (known, None))
        pd.testing.assert_frame_equal(found.returns(), fresh.returns(), check_exact=True)
        pd.testing.assert_frame_equal(found.weights, fresh.weights, check_exact=True)
    trades = found.frame("weights")
    moved = trades[trades["trade"] != 0]
    first = moved["date"] == moved["date"].min()
    cut = moved["trade"].abs() <= 0.01  # purchases that were cut for what was left alone
    assert np.isclose(moved[first]["trade"], 0.2).all() and (moved[~first & cut]["trade"] > 0).all()
