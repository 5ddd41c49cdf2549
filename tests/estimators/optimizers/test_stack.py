"""Laws of every native optimizer: a decision's bits are its own, whatever is solved with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.returns import OPTIMIZERS, market_returns, simple_returns, stacks

RULES = [(name, {}) for name in sorted(OPTIMIZERS)]
RULES += [(name, {"min_weight": 0.05, "max_weight": 0.5}) for name in sorted(OPTIMIZERS)]
RULES += [
    (name, {"covariance": covariance})
    for name in ("erc", "hrp", "max_diversification", "max_sharpe", "mean_variance", "min_variance")
    for covariance in ("ledoit_wolf", "denoised", {"name": "ewma", "half_life": 20})
]
RULES += [("mean_variance", {"mean": "james_stein"}), ("max_sharpe", {"mean": "ewma", "covariance": "oas"})]


@pytest.mark.parametrize(("name", "params"), RULES)
@given(stacks())
def test_a_stack_is_its_windows_one_at_a_time(name: str, params: dict, stack: tuple[Windows, np.ndarray]) -> None:
    windows, support = stack
    rule = optimizer(name, **params)
    weights, solved = rule.weigh(windows, support)
    for d in range(len(windows)):
        kept = support[d]
        assert not weights[d, ~kept].any()
        if not kept.any():
            assert not solved[d]
            continue
        one = Windows.single(windows.window(d)[:, kept])  # alone, and without the columns it may not hold
        alone, found = rule.weigh(one, np.ones((1, kept.sum()), bool))
        assert found[0] == solved[d] and alone[0].tobytes() == weights[d, kept].tobytes()
        if solved[d]:
            assert rule.fit(windows.window(d)[:, kept]).weights_.tobytes() == alone[0].tobytes()


@pytest.mark.parametrize(
    ("name", "params"), [*RULES, ("min_variance", {"max_turnover": 0.1}), ("mean_variance", {"turnover_penalty": 1e-4})]
)
@settings(max_examples=20)
@given(stacks())
def test_in_turn_from_nothing_held_decisions_are_those_of_the_stack(
    name: str, params: dict, stack: tuple[Windows, np.ndarray]
) -> None:
    windows, support = stack
    rule = optimizer(name, **params)
    weights, solved = rule.weigh(windows, support)
    turns = rule.in_turn(windows, support)
    for d in range(len(windows)):
        alone, found = turns.weigh(d, np.zeros(support.shape[1]))
        assert found == solved[d] and alone.tobytes() == weights[d].tobytes()


@pytest.mark.parametrize(("name", "params"), RULES)
def test_what_comes_later_changes_nothing(name: str, params: dict) -> None:
    X = market_returns(5, 100, 6) + 0.001
    stops, lengths, support = np.array([40, 60, 100]), np.array([40, 50, 30]), np.ones((3, 6), bool)
    rule = optimizer(name, **params)
    before, _ = rule.weigh(Windows(X, stops, lengths), support)
    later = X.copy()
    later[60:] = market_returns(6, 40, 6) * 50
    after, _ = rule.weigh(Windows(later, stops, lengths), support)
    assert before[:2].tobytes() == after[:2].tobytes()
    if name != "equal":
        assert before[2].tobytes() != after[2].tobytes()


@pytest.mark.parametrize(("name", "params"), RULES)
def test_weights_are_finite_within_bounds_and_sum_to_one(sp500: pd.DataFrame, name: str, params: dict) -> None:
    returns = simple_returns(sp500)
    stops = np.arange(252, len(returns), 210)
    rule = optimizer(name, **params)
    windows = Windows(returns, stops, np.full(len(stops), 252))
    support = np.random.default_rng(0).random((len(stops), 20)) < 0.6
    weights, solved = rule.weigh(windows, support)
    assert solved.mean() > (0.9 if name != "max_sharpe" else 0.5)
    assert abs(weights[solved].sum(1) - 1).max() < 1e-12
    assert weights.min() >= 0 and weights.max() <= rule.max_weight
    assert weights[support & solved[:, None]].min() >= rule.min_weight


@pytest.mark.parametrize(("name", "params"), RULES)
def test_the_order_of_the_assets_does_not_matter(name: str, params: dict) -> None:
    X = market_returns(11, 90, 7) + 0.001
    w = optimizer(name, **params).fit(X).weights_
    order = np.random.default_rng(1).permutation(7)
    assert np.allclose(optimizer(name, **params).fit(X[:, order]).weights_, w[order], atol=1e-10)


@pytest.mark.parametrize(("name", "params"), [rule for rule in RULES if rule[0] != "mean_variance"])
def test_the_scale_of_the_returns_does_not_matter(name: str, params: dict) -> None:
    X = market_returns(12, 90, 5) + 0.001
    w = optimizer(name, **params).fit(X).weights_
    assert np.allclose(optimizer(name, **params).fit(X * 1e-4).weights_, w, atol=1e-10)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"equal"}))
def test_what_is_not_finite_is_not_solved_and_harms_nobody(name: str) -> None:
    X = market_returns(3, 80, 4) + 0.001
    clean, _ = optimizer(name).weigh(Windows(X, np.array([40, 80]), np.array([40, 30])), np.ones((2, 4), bool))
    X[20, 1] = np.nan
    windows = Windows(X, np.array([40, 80]), np.array([40, 30]))
    weights, solved = optimizer(name).weigh(windows, np.ones((2, 4), bool))
    assert solved.tolist() == [False, True] and (weights[1] == clean[1]).all() and not weights[0].any()


@pytest.mark.parametrize(("name", "params"), RULES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_outside_of_the_support_harms_nobody(name: str, params: dict, value: float) -> None:
    X = market_returns(3, 80, 5) + 0.001
    support = np.array([[True, True, False, True, True], [True, False, False, True, True]])
    stops, lengths = np.array([40, 80]), np.array([40, 60])
    clean, solved = optimizer(name, **params).weigh(Windows(X, stops, lengths), support)
    assert solved.all()
    X[[25, 70], 2] = value
    weights, solved = optimizer(name, **params).weigh(Windows(X, stops, lengths), support)
    assert solved.all() and weights.tobytes() == clean.tobytes()


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_single_asset_gets_it_all(name: str) -> None:
    assert optimizer(name).fit(market_returns(1, 30, 1) + 0.01).weights_.tolist() == [1.0]


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"equal", "inverse_volatility"}))
def test_bounds_that_cannot_sum_to_one_are_not_solved(name: str) -> None:
    windows = Windows.single(market_returns(1, 30, 3) + 0.01)
    for bounds in ({"max_weight": 0.3}, {"min_weight": 0.4}):
        weights, solved = optimizer(name, **bounds).weigh(windows, np.ones((1, 3), bool))
        assert not solved.any() and not weights.any()
