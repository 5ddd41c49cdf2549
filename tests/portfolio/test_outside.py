"""A leaf over a signal says where its weights come from, and nothing of how it would decide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import ConfigError, DataError
from metabt.portfolio.resolve import resolve
from metabt.portfolio.schedule import Schedule
from metabt.portfolio.sleeve import Leaf
from metabt.runs.request import _settings

SYMBOLS = {"d": ("A", "B", "C")}
SIGNALS = {"d": {"mine": ("A", "B"), "tilt": ("B", "C")}}
DAYS = pd.bdate_range("2020-01-01", periods=40)
PRICES = pd.DataFrame(np.linspace(10, 12, 40)[:, None] * [1.0, 2.0, 3.0], DAYS, list("ABC"))
WEIGHTS = pd.DataFrame({"A": [0.5], "B": [0.5]}, DAYS[[3]])


def made(**settings: object) -> Leaf:
    leaf = resolve({"name": "x", "signal": "mine", **settings}, symbols=SYMBOLS, signals=SIGNALS).spec
    assert isinstance(leaf, Leaf)
    return leaf


def test_its_universe_is_what_the_signal_names_and_no_setting_of_it() -> None:
    leaf = made(lag=2, start="2020-01-15", cash={"reserve": 0.1})
    assert (leaf.universe, leaf.lookback, leaf.schedule, leaf.lag) == (("A", "B"), 0, Schedule(every=1), 2)
    assert leaf.is_drawn and not leaf.short and leaf.reach == 0
    wider = resolve({"name": "x", "signal": "mine"}, symbols=SYMBOLS, signals={"d": {"mine": ("A", "B", "C")}})
    assert wider.spec.digest == made().digest != made(short=True).digest
    assert made(universe=["C", "B", "A"]).universe == ("A", "B", "C")


def test_defaults_of_the_tree_are_for_those_that_decide() -> None:
    tree = {
        "name": "x",
        "defaults": {"lookback": 60, "optimizer": "erc", "lag": 0},
        "sleeves": {"o": {"signal": "mine"}},
    }
    leaf = resolve(tree, symbols=SYMBOLS, signals=SIGNALS).sleeves[0].spec
    assert (leaf.lookback, leaf.optimizer.name, leaf.lag) == (0, "equal", 0)


def test_what_a_run_records_is_read_back_as_the_same_tree() -> None:
    tree = resolve({"name": "x", "signal": "tilt", "short": True}, symbols=SYMBOLS, signals=SIGNALS)
    assert resolve({"name": "x", **_settings(tree.plain())}).spec == tree.spec


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"optimizer": "erc"}, "'optimizer' is of a sleeve that decides itself.*signal 'mine'; take one"),
        ({"schedule": "monthly"}, "'schedule' is of a sleeve that decides itself"),
        ({"lookback": 60}, "'lookback' is of a sleeve that decides itself"),
        ({"direction": "short"}, "'direction' is of a sleeve that decides itself"),
        ({"short": "yes"}, "short is 'yes', wanted true or false"),
        ({"universe": {"members": "u"}}, "a universe that is drawn by a rule, beside signal 'mine'.*list symbols"),
        ({"signal": "min"}, "no signal is called 'min'; did you mean 'mine'"),
        ({"signal": 3}, "signal is 3, wanted text"),
        ({"signal": "mine", "dataset": "e"}, "no dataset is called 'e'"),
        ({"sleeves": {"a": {"universe": ["A"]}}}, "has both sleeves and a signal.*a leaf of its own"),
        ({"signal": None, "universe": ["A"], "short": True}, "'short' lets the weights of a signal.*direction: short"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        made(**settings)


@pytest.mark.parametrize(
    ("tree", "signals", "error", "says"),
    [
        ({}, {"mine": WEIGHTS.assign(B=-0.5)}, ConfigError, "weight of -0.5 for 'B' on 2020-01-06.*state short: true"),
        ({"universe": ["A"]}, {"mine": WEIGHTS}, ConfigError, "has a weight for 'B', which its universe has not"),
        ({}, {"mine": WEIGHTS.assign(Z=0.0)}, DataError, "has no prices of 'Z', of which there are weights"),
        ({}, {"mine": WEIGHTS * 2}, DataError, "signal 'mine': .*sum to 2, wanted at most 1"),
        ({}, {"mine": WEIGHTS * np.nan}, DataError, "symbol 'A', row 1 .*no weight"),
        ({}, {"other": WEIGHTS}, ConfigError, "no signal is called 'mine'"),
        ({}, WEIGHTS, ConfigError, "wanted a mapping such as"),
        ({}, {3: WEIGHTS}, ConfigError, "a signal is called 3, wanted text"),
        ({}, {"e": {"mine": WEIGHTS}}, ConfigError, "signals names no dataset 'e'"),
    ],
)
def test_what_prices_and_signals_contradict_is_refused(
    tree: dict[str, object], signals: object, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        metabt.backtest({"name": "x", "signal": "mine", **tree}, PRICES, signals=signals)


def test_signals_of_a_lakehouse_are_ingested(tmp_path: object) -> None:
    with pytest.raises(ConfigError, match=r"signals are stated of prices in memory.*--table TABLE"):
        metabt.backtest({"name": "x", "signal": "mine"}, str(tmp_path), signals={"mine": WEIGHTS})


def test_the_flat_baseline_has_no_place_for_it() -> None:
    sleeves = {"o": {"signal": "mine"}, "e": {"universe": ["C"]}}
    tree = {"name": "x", "defaults": {"lookback": 5}, "lookback": 5, "sleeves": sleeves}
    with pytest.raises(ConfigError, match="'x/o' takes its weights from signal 'mine', and the flat baseline of 'x'"):
        metabt.backtest(tree, PRICES, signals={"mine": WEIGHTS}, is_meta_backtest=False)


def test_a_plan_says_where_the_weights_come_from() -> None:
    said = metabt.plan({"name": "x", "signal": "mine", "short": True}, PRICES, signals={"mine": WEIGHTS})
    assert "2 of prices, signal mine, long and short; on its dates, lag 1" in said


def test_weights_that_nothing_trades_in_the_view_are_named() -> None:
    with pytest.raises(metabt.MetabtError, match="signal 'mine' of 'x' has weights from 2020-01-06 to 2020-01-06"):
        metabt.backtest({"name": "x", "signal": "mine"}, PRICES, signals={"mine": WEIGHTS}, end="2020-01-06")


def test_one_signal_over_two_universes_is_refused() -> None:
    sleeves = {"a": {"signal": "mine"}, "b": {"signal": "mine", "universe": ["A", "B", "C"]}}
    with pytest.raises(ConfigError, match=r"take signal 'mine' over \d and \d assets; state one universe for both"):
        metabt.backtest({"name": "x", "lookback": 5, "sleeves": sleeves}, PRICES, signals={"mine": WEIGHTS})
