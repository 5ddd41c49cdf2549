"""Fixed: the given weights, in proportion among what is there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import ConfigError
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared import panels
from tests.shared.returns import market_returns


def windows(names: tuple[str, ...], decisions: int = 3) -> Windows:
    stops = np.arange(40, 40 + decisions)
    return Windows(market_returns(1, 60, len(names)), stops, np.full(decisions, 30), names=names)


def test_weights_are_shared_out_among_what_is_supported() -> None:
    support = np.array([[True, True, True], [True, False, True], [False, True, False]])
    weights, solved = optimizer("fixed", weights={"A": 3.0, "C": 1.0}).weigh(windows(("A", "B", "C")), support)
    assert solved.tolist() == [True, True, False]  # nobody gave B anything
    assert weights.tolist() == [[0.75, 0.0, 0.25], [0.75, 0.0, 0.25], [0.0, 0.0, 0.0]]


def test_a_stack_is_its_windows_one_at_a_time() -> None:
    names = tuple(f"S{i}" for i in range(9))
    given = dict(zip(names, np.random.default_rng(2).random(9).tolist(), strict=True))
    rule, stack = optimizer("fixed", weights=given), windows(names, 12)
    support = np.random.default_rng(3).random((12, 9)) < 0.6
    weights, _ = rule.weigh(stack, support)
    for d in range(12):
        alone, _ = rule.weigh(stack.take(np.array([d])), support[d : d + 1])
        assert alone.tobytes() == weights[d].tobytes()
    assert abs(weights.sum(axis=1) - 1).max() < 1e-12


def test_proportions_beyond_the_bounds_have_no_solution() -> None:
    rule = optimizer("fixed", weights={"A": 0.6, "B": 0.2, "C": 0.2}, max_weight=0.6)
    support = np.array([[True, True, True], [True, False, True], [False, True, True]])
    assert rule.weigh(windows(("A", "B", "C")), support)[1].tolist() == [True, False, True]


def test_a_leaf_trades_back_to_its_weights() -> None:
    tree = {
        "name": "held",
        "universe": ["AA", "BB", "CC"],
        "optimizer": {"name": "fixed", "weights": {"AA": 1, "CC": 3}},
        "lookback": 5,
        "schedule": {"every": 10},
    }
    result = metabt.backtest(tree, panels.stocks(1))
    expected = pd.DataFrame({"AA": 0.25, "CC": 0.75}, index=result.weights.index)
    assert (result.weights[["AA", "CC"]].to_numpy() == expected.to_numpy()).all() and len(expected) > 5


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"AA": -0.1}, "the weight of AA is -0.1; wanted at least 0"),
        ({"AA": 0.0}, "no weight is above 0"),
        ({"ZZ": 1.0}, "'ZZ', which is not in its universe"),
    ],
)
def test_weights_that_cannot_be_held_are_refused(weights: dict, message: str) -> None:
    tree = {"name": "held", "universe": ["AA", "BB"], "optimizer": {"name": "fixed", "weights": weights}, "lookback": 5}
    with pytest.raises(ConfigError, match=message):
        metabt.backtest(tree, panels.stocks(1))


def test_a_meta_sleeve_does_not_know_its_children_by_name() -> None:
    leaves = {"a": {"universe": ["AA", "BB"]}, "b": {"universe": ["CC"]}}
    tree = {"name": "held", "optimizer": {"name": "fixed", "weights": {"a": 1.0}}, "lookback": 5, "sleeves": leaves}
    with pytest.raises(ConfigError, match="by what they do and not by name"):
        metabt.backtest(tree, panels.stocks(1))
