"""Fixed: the given weights and nothing else; what is missing to one is cash."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.errors import ConfigError
from metabt.estimators.optimizers.fixed import Fixed
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared import panels
from tests.shared.returns import market_returns


def windows(names: tuple[str, ...], decisions: int = 3) -> Windows:
    stops = np.arange(40, 40 + decisions)
    return Windows(market_returns(1, 60, len(names)), stops, np.full(decisions, 30), names=names)


@given(st.lists(st.integers(0, 100), min_size=2, max_size=9).filter(any), st.integers(0, 100), st.integers(0, 99))
def test_what_cannot_be_held_is_cash_and_moves_no_other_weight(parts: list[int], cash: int, seed: int) -> None:
    names = tuple(f"S{i}" for i in range(len(parts)))
    weights = [part / (sum(parts) + cash) for part in parts]
    support = np.random.default_rng(seed).random((6, len(parts))) < 0.6
    rule = optimizer("fixed", weights=dict(zip(names, weights, strict=True)))
    found, solved = rule.weigh(windows(names, 6), support)
    assert solved.all() and (found == np.where(support, weights, 0.0)).all()


def leaf(weights: dict[str, float], **settings: object) -> dict:
    rules = {"lookback": 5, "schedule": {"every": 10}}
    return {"name": "held", "universe": ["AA", "BB", "CC"], "optimizer": {"name": "fixed", "weights": weights}} | {
        **rules,
        **settings,
    }


def test_a_leaf_trades_back_to_its_weights_and_keeps_the_rest_in_cash() -> None:
    prices = panels.stocks(1)
    result = metabt.backtest(leaf({"AA": 0.5, "CC": 0.3}), prices)
    assert (result.weights[["AA", "CC"]] == [0.5, 0.3]).all(axis=None) and len(result.weights) > 5
    assert set(result.decisions()["status"]) == {"ok"}
    r = prices.pct_change().loc[result.returns().index[0]]  # the session after the first trade: cash earns nothing
    assert result.returns()["gross"].iloc[0] == pytest.approx(0.5 * r["AA"] + 0.3 * r["CC"], abs=1e-15)


def test_what_is_not_listed_yet_is_cash_until_it_is() -> None:
    prices = panels.stocks(1)
    prices.iloc[:60, prices.columns.get_loc("CC")] = np.nan
    result = metabt.backtest(leaf({"AA": 0.6, "CC": 0.4}), prices)
    listed = prices.index[60 + 5]
    before, after = result.sleeve_weights().loc[: listed - pd.Timedelta(days=1)], result.sleeve_weights().loc[listed:]
    assert len(before) > 3 and (before[["AA", "BB", "CC"]] == [0.6, 0.0, 0.0]).all(axis=None)
    assert len(after) > 3 and (after[["AA", "CC"]] == [0.6, 0.4]).all(axis=None)


def test_weights_of_nothing_that_can_be_held_are_cash_and_no_business_of_a_fallback() -> None:
    prices = panels.stocks(1)
    prices.iloc[60:, prices.columns.get_loc("CC")] = np.nan
    result = metabt.backtest(leaf({"CC": 1.0}), prices)
    later = result.decisions()[lambda rows: rows["date"] > prices.index[60]]
    assert set(later["status"]) == {"cash"} and not later["weight"].any() and len(later) > 6


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ({"weights": {"AA": -0.1}}, "the weight of AA is -0.1; wanted at least 0"),
        ({"weights": {"AA": 0.0}}, "no weight is above 0"),
        ({"weights": {"ZZ": 1.0}}, "speaks of 'ZZ', which is not in its universe"),
        (
            {"weights": {"AA": 0.75, "BB": 0.5}},
            r"0.75 \+ 0.5 = 1.25; what is missing to one is cash.*divide them by 1.25",
        ),
        ({"weights": {"AA": 0.7}, "max_weight": 0.6}, "the weight of AA is 0.7; wanted it from min_weight 0 to max_w"),
        ({"weights": {"AA": 0.7, "BB": 0.1}, "min_weight": 0.2}, "the weight of BB is 0.1; wanted it from min_weight"),
    ],
)
def test_weights_that_cannot_be_held_are_refused(optimizer: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        metabt.backtest(leaf({}, optimizer={"name": "fixed", **optimizer}), panels.stocks(1))


def test_a_sum_of_one_but_for_rounding_is_one() -> None:
    weights = dict.fromkeys([f"S{i}" for i in range(49)], 1 / 49)
    assert sum(weights.values()) != 1.0 and optimizer("fixed", weights=weights)


def test_weights_are_those_that_were_stated_whatever_becomes_of_what_stated_them() -> None:
    stated = {"A": 0.5, "B": 0.25}
    made = Fixed(weights=stated)
    stated["A"] = 0.0
    assert made.given == {"A": 0.5, "B": 0.25}
