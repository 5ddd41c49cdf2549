"""A step of a walk takes spec, state and inputs of one kind; a book that is ruined says where, leaf or meta sleeve."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import RunError
from metabt.portfolio.sleeve import Estimator, Leaf, Meta
from metabt.walk.block import LeafState, MetaState
from metabt.walk.book import Start
from metabt.walk.leaf import LeafInputs
from metabt.walk.meta.flattening import Layout
from metabt.walk.meta.meta_sleeve import MetaInputs
from metabt.walk.walk_forward import advance

LEAF = Leaf(dataset="d", universe=("A", "B"), lookback=2)
DATES = np.arange("2021-01-04", "2021-01-09", dtype="M8[D]")


def leaf_inputs(returns: np.ndarray) -> LeafInputs:
    sure = np.ones(returns.shape, bool)
    return LeafInputs(DATES, 0, returns, sure, sure)


def test_only_what_belongs_together_is_walked() -> None:
    columns = Layout.meta([Layout.leaf(("A", "B"))])
    start, ends = Start(False, False, np.zeros(2), 0.0), np.array(["NaT"], "M8[D]")
    specs = LEAF, Meta(children=(LEAF,), lookback=2)
    states = LeafState.initial(2), MetaState.initial(1, 2)
    leaf, meta = leaf_inputs(np.zeros((5, 2))), MetaInputs(DATES, np.ones(5, bool), [None], [start], ends, columns)
    for spec, state, inputs in product(specs, states, (leaf, meta)):
        kinds = [type(it).__name__.removesuffix("State").removesuffix("Inputs") for it in (spec, state, inputs)]
        if len({*kinds}) == 1:
            _, block = advance(spec, state, inputs)
            assert (block.dates == DATES).all()
        else:
            with pytest.raises(TypeError) as caught:
                advance(spec, state, inputs)
            got = ", ".join(type(it).__name__ for it in (spec, state, inputs))
            assert str(caught.value) == f"spec, state and inputs must be of one kind of sleeve, got {got}"


@pytest.mark.parametrize("turnover", [{}, {"turnover_penalty": 1e-6}], ids=["at once", "in turn"])
@pytest.mark.parametrize("ruin", [3, 4])
@pytest.mark.parametrize("short", [False, True])
def test_a_leaf_that_loses_everything_is_ruined_on_that_session(ruin: int, short: bool, turnover: dict) -> None:
    returns = np.random.default_rng(1).normal(0, 0.01, (5, 2))
    returns[ruin] = 1.5 if short else -1.0  # it holds -1 of NAV, or 1
    params: dict[str, Any] = turnover
    optimizer = Estimator("min_variance" if turnover else "equal", params)
    rules: dict[str, Any] = {"lookback": 2, "lag": 0, "optimizer": optimizer}
    schedule = metabt.portfolio.schedule.Schedule(every=1)
    direction = "short" if short else "long"
    spec = Leaf(dataset="d", universe=("A", "B"), direction=direction, schedule=schedule, **rules)
    told = f"ruined on {DATES[ruin]}: the book returned {-1.5 if short else -1:.4g}, wanted more than -1"
    with pytest.raises(RunError, match=told):
        advance(spec, LeafState.initial(2), leaf_inputs(returns))


def test_a_run_of_which_a_leaf_is_ruined_says_when() -> None:
    days = pd.bdate_range("2021-01-04", periods=30)
    prices = pd.DataFrame({"A": 100.0 + np.arange(30) % 3, "B": 50.0 + np.arange(30) % 4}, days)
    prices.loc[days[20] :, "A"] = 400.0
    tree = {"name": "bear", "universe": ["A"], "direction": "short", "lookback": 5, "schedule": {"every": 1}}
    with pytest.raises(RunError, match=f"ruined on {days[20].date()}: the book returned -"):
        metabt.backtest(tree, prices)
