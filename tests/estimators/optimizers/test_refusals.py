"""What an optimizer refuses is said with every figure and name of it; what lies on a bound is taken."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.errors import ConfigError
from metabt.estimators.optimizers.base import PathDependent
from metabt.estimators.optimizers.fixed import SHOWN
from metabt.estimators.optimizers.turnover import Turnover
from metabt.estimators.registry import OPTIMIZERS, optimizer
from metabt.estimators.windows import Windows
from tests.shared.returns import market_returns

BOUNDS = "wanted 0 <= min_weight <= max_weight <= 1 and max_weight above 0"
CLASSES = {name: place.partition(":")[2] for name, place in OPTIMIZERS.items()}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize(("low", "high"), [(-0.125, 0.5), (0.75, 0.5), (0.25, 1.25), (0.0, 0.0), (0.0, -0.5)])
def test_bounds_out_of_order_or_range(name: str, low: float, high: float) -> None:
    given = {"weights": {"A": 0.1}} if name == "fixed" else {}
    with pytest.raises(ConfigError) as caught:
        optimizer(name, min_weight=low, max_weight=high, **given)
    assert str(caught.value) == f"{CLASSES[name]}: min_weight {low:g} and max_weight {high:g}; {BOUNDS}"


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"fixed"}))
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.5, 0.5), (1.0, 1.0), (0, 1)])
def test_bounds_at_their_own_bounds_are_taken(name: str, low: float, high: float) -> None:
    made = optimizer(name, min_weight=low, max_weight=high)
    assert (made.min_weight, made.max_weight) == (low, high)
    assert type(made.min_weight) is type(made.max_weight) is float
    default = optimizer(name)
    assert (default.min_weight, default.max_weight) == (0.0, 1.0)


@pytest.mark.parametrize(("name", "owner"), [("min_variance", "MinVariance"), ("mean_variance", "MeanVariance")])
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"turnover_penalty": -0.25}, "turnover_penalty is -0.25; wanted it at least 0"),
        ({"max_turnover": 0.0}, "max_turnover is 0; wanted it above 0, or null for no limit"),
        ({"max_turnover": -0.5}, "max_turnover is -0.5; wanted it above 0, or null for no limit"),
    ],
)
def test_turnover_out_of_range(name: str, owner: str, settings: dict, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        optimizer(name, **settings)
    assert str(caught.value) == f"{owner}: {told}"


def test_turnover_matters_where_there_is_a_price_or_a_limit() -> None:
    for penalty, limit, matters in ((0.0, None, False), (1e-9, None, True), (0.0, 1.0, True), (0.5, 0.25, True)):
        made = Turnover.checked("X", penalty, limit)
        assert (made.penalty, made.limit, made.matters) == (penalty, limit, matters)
        assert made.times(4.0) == Turnover(4.0 * penalty, limit)
        for name in ("min_variance", "mean_variance"):
            built = optimizer(name, turnover_penalty=penalty, max_turnover=limit)
            assert built.path_dependent is matters and built.turnover == made  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="X: turnover_penalty is inf; wanted it at least 0"):
        Turnover.checked("X", np.inf, None)
    assert not any(optimizer(name).path_dependent for name in set(OPTIMIZERS) - {"fixed"})


@pytest.mark.parametrize("n", [2, SHOWN - 1, SHOWN, SHOWN + 1, 20])
def test_weights_of_more_than_one_are_spelled_out_up_to_eight_of_them(n: int) -> None:
    weights = {f"S{i:02}": 0.5 + i / 64 for i in range(n)}
    with pytest.raises(ConfigError) as caught:
        optimizer("fixed", weights=weights)
    shown = [f"{0.5 + i / 64:g}" for i in range(min(n, 8))] + [f"... ({n} weights)"] * (n > 8)
    total = f"{sum(weights.values()):.10g}"
    assert str(caught.value) == (
        f"Fixed: weights sum to more than one: {' + '.join(shown)} = {total}; what is missing to one is "
        f"cash, so divide them by {total} to hold no cash"
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"weights": {"A": 0.5, "B": -0.25}}, "the weight of B is -0.25; wanted at least 0"),
        (
            {"weights": {"A": 0.5, "B": 0.125}, "min_weight": 0.25, "max_weight": 0.75},
            "the weight of B is 0.125; wanted it from min_weight 0.25 to max_weight 0.75",
        ),
        (
            {"weights": {"A": 0.875}, "min_weight": 0.25, "max_weight": 0.75},
            "the weight of A is 0.875; wanted it from min_weight 0.25 to max_weight 0.75",
        ),
        ({"weights": {"A": 0.0}}, "no weight is above 0; wanted at least one"),
        ({"weights": {}}, "no weight is above 0; wanted at least one"),
    ],
)
def test_weights_that_nothing_can_hold(settings: dict, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        optimizer("fixed", **settings)
    assert str(caught.value) == f"Fixed: {told}"


def test_other_parameters_out_of_range() -> None:
    for name, settings, told in (
        ("mean_variance", {"risk_aversion": 0.0}, "MeanVariance: risk_aversion is 0; wanted it above 0"),
        ("mean_variance", {"risk_aversion": -2.5}, "MeanVariance: risk_aversion is -2.5; wanted it above 0"),
        ("min_cvar", {"beta": 0.0}, "MinCVaR: beta is 0; wanted it between 0 and 1, such as 0.95"),
        ("min_cvar", {"beta": 1.0}, "MinCVaR: beta is 1; wanted it between 0 and 1, such as 0.95"),
        (
            "erc",
            {"budgets": {"A": 1.0, "B": -0.5}},
            "EqualRiskContribution: the budget of B is -0.5; wanted more than 0",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            optimizer(name, **settings)
        assert str(caught.value) == told


def test_what_its_parameters_speak_of_must_be_there() -> None:
    made = optimizer("erc", budgets={"BB": 2.0, "AA": 1.0})
    assert made.named == ("AA", "BB")
    made.check_names(["CC", "BB", "AA"], "the optimizer", "in its universe")
    with pytest.raises(ConfigError) as caught:
        made.check_names(["AA", "BBB"], "the optimizer", "in its universe")
    assert str(caught.value) == "the optimizer speaks of 'BB', which is not in its universe; did you mean 'BBB'?"


def test_taken_in_turn_a_decision_that_looks_at_nothing_held_is_that_of_the_stack() -> None:
    windows = Windows(market_returns(1, 60, 4), np.array([40, 50, 60]), np.array([30, 30, 30]))
    support = np.array([[True] * 4, [True, False, True, True], [False] * 4])
    made = optimizer("min_variance")
    turns, (weights, solved) = made.in_turn(windows, support), made.weigh(windows, support)
    for name in ("erc", "equal"):
        other = optimizer(name)
        one, many = other.in_turn(windows, support), other.weigh(windows, support)
        assert type(one) is PathDependent
        for d in range(3):
            found, done = one.weigh(d, np.full(4, 0.25))
            assert (found == many[0][d]).all() and done is bool(many[1][d])
    for d in range(3):
        found, done = turns.weigh(d, np.zeros(4))
        assert done is bool(solved[d]) and found == pytest.approx(weights[d], abs=1e-10)
