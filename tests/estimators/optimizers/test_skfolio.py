from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from skfolio.optimization import HierarchicalEqualRiskContribution, MeanRisk
from skfolio.pre_selection import SelectKExtremes

from metabt.errors import ConfigError, RunError
from metabt.estimators.plugins.skfolio import SkfolioOptimizer, optimizer_like
from metabt.estimators.registry import optimizer, selector
from metabt.estimators.windows import Windows
from tests.shared.returns import market_returns, simple_returns


def test_an_optimizer_by_name_is_that_optimizer(sp500: pd.DataFrame) -> None:
    returns = simple_returns(sp500)
    stops, support = np.array([500, 4000]), np.random.default_rng(0).random((2, 20)) < 0.5
    rule = optimizer("skfolio.HierarchicalEqualRiskContribution", risk_measure="cvar", max_weight=0.3)
    weights, solved = rule.weigh(Windows(returns, stops, np.full(2, 252)), support)
    from skfolio import RiskMeasure

    theirs = HierarchicalEqualRiskContribution(risk_measure=RiskMeasure.CVAR, min_weights=0.0, max_weights=0.3)
    for d, stop in enumerate(stops):
        expected = theirs.fit(returns[stop - 252 : stop][:, support[d]]).weights_
        assert np.allclose(weights[d, support[d]], expected, atol=1e-12) and not weights[d, ~support[d]].any()
    assert solved.all() and weights.max() <= 0.3 and abs(weights.sum(1) - 1).max() < 1e-12


def test_solver_noise_is_taken_off_and_bounds_are_exact() -> None:
    X = market_returns(0, 100, 6)
    ours = optimizer("skfolio.MeanRisk", min_weight=0.05, max_weight=0.3).fit(X).weights_
    theirs = MeanRisk(min_weights=0.05, max_weights=0.3).fit(X).weights_
    assert abs(ours - theirs).max() < 1e-5
    assert ours.min() >= 0.05 and ours.max() <= 0.3 and abs(ours.sum() - 1) < 1e-12


def test_a_frame_is_fitted_where_assets_are_addressed_by_name() -> None:
    X = market_returns(0, 100, 4)
    assert optimizer("skfolio.MeanRisk", linear_constraints=["x2 >= 0.6"]).fit(X).weights_[2] > 0.6 - 1e-5
    windows, support = Windows.single(X), np.array([[False, True, True, True]])
    weights, solved = optimizer("skfolio.MeanRisk", linear_constraints=["x2 >= 0.6"]).weigh(windows, support)
    assert solved.all() and weights[0, 2] > 0.6 - 1e-5  # the position in the universe, whatever the support


NAMES = ("A", "B", "C", "D")


def constrained(support: list[bool], **params: object) -> tuple[np.ndarray, bool]:
    windows = Windows(market_returns(0, 100, 4), np.array([100]), np.array([100]), names=NAMES)
    weights, solved = optimizer("skfolio.MeanRisk", **params).weigh(windows, np.array([support]))
    return weights[0], bool(solved[0])


SAID = ["A + B <= 0.3", "C >= 2*D", "easy == 0.6 - 0.1*A"]
GROUPS = {"A": ["hard"], "B": ["easy"], "C": ["easy"], "D": ["hard"]}


def test_constraints_are_those_of_skfolio() -> None:
    frame = pd.DataFrame(market_returns(0, 100, 4), columns=list(NAMES))
    expected = MeanRisk(linear_constraints=SAID, groups=GROUPS, min_weights=0.0).fit(frame).weights_
    weights, solved = constrained([True] * 4, linear_constraints=SAID, groups=GROUPS)
    assert solved and np.allclose(weights, expected, atol=1e-5)
    assert weights[0] + weights[1] <= 0.3 + 1e-6 and weights[1] + weights[2] == pytest.approx(0.6 - 0.1 * weights[0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("missing", range(4))
def test_what_a_window_lacks_has_a_weight_of_zero_in_every_constraint(missing: int) -> None:
    """Against SLSQP on the three others, the constraints written out as numbers."""
    here = [i for i in range(4) if i != missing]
    weights, solved = constrained([i in here for i in range(4)], linear_constraints=SAID, groups=GROUPS)
    left, right = np.array([[1, 1, 0, 0], [0, 0, -1, 2]])[:, here], np.array([0.3, 0.0])
    equal = np.array([[1, 1, 1, 1], [0.1, 1, 1, 0]])[:, here]
    S = np.cov(market_returns(0, 100, 4)[:, here].T) * 1e4
    bound = [
        {"type": "ineq", "fun": lambda w: right - left @ w},
        {"type": "eq", "fun": lambda w: equal @ w - [1.0, 0.6]},
    ]
    best = minimize(lambda w: w @ S @ w, np.full(3, 1 / 3), bounds=[(0, 1)] * 3, constraints=bound, tol=1e-14)
    assert solved == best.success
    if solved:
        assert np.allclose(weights[here], best.x, atol=1e-4) and weights[missing] == 0.0


def test_a_constraint_that_what_is_there_cannot_meet_is_no_solution() -> None:
    assert not constrained([True, True, True, False], linear_constraints=["D >= 0.2"])[1]
    assert constrained([True, True, True, False], linear_constraints=["D <= 0.2"])[1]


@pytest.mark.parametrize("name", ["MeanRisk", "RiskBudgeting", "HierarchicalRiskParity", "MaximumDiversification"])
def test_one_asset_has_all_the_weight(name: str) -> None:
    X = market_returns(0, 100, 3)
    assert optimizer(f"skfolio.{name}").fit(X[:, :1]).weights_.tolist() == [1.0]
    weights, solved = optimizer(f"skfolio.{name}").weigh(Windows.single(X), np.array([[False, True, False]]))
    assert solved.all() and weights.tolist() == [[0.0, 1.0, 0.0]]
    capped = optimizer(f"skfolio.{name}", max_weight=0.5).weigh(Windows.single(X), np.array([[False, True, False]]))
    assert not capped[1].any() and not capped[0].any()
    alone = [False, True, False, False]
    assert constrained(alone, linear_constraints=["B <= 0.4"])[1] is False
    assert constrained(alone, linear_constraints=["A <= 0.4"]) == (pytest.approx([0, 1, 0, 0]), True)


def test_a_solver_that_fails_keeps_its_reason() -> None:
    rule = optimizer("skfolio.MeanRisk", max_weight=0.2)
    windows = Windows.single(market_returns(0, 100, 6))
    weights, solved = rule.weigh(windows, np.array([[True, True, True, False, False, False]]))
    assert not solved.any() and not weights.any()
    assert rule.failures_[0][0] == 0 and "Error" in rule.failures_[0][1]
    with pytest.raises(RunError):
        rule.fit(market_returns(0, 100, 3))


def test_a_preselection_by_name_is_that_preselection() -> None:
    X = market_returns(0, 100, 6)
    from skfolio import RiskMeasure

    expected = SelectKExtremes(k=2, measure=RiskMeasure.VARIANCE, highest=False).fit(X).get_support()
    rule = selector("skfolio.SelectKExtremes", k=2, measure="variance", highest=False)
    assert (rule.fit(X).get_support() == expected).all()
    support = rule.select(Windows.single(X), np.array([[True, False, True, True, False, True]]))
    assert support.sum() == 2 and not support[0, [1, 4]].any()


RISK = "optimizer 'skfolio.MeanRisk'"
KNOWN = (
    "known: DistributionallyRobustCVaR, EqualWeighted, HierarchicalEqualRiskContribution, HierarchicalRiskParity, "
    "InverseVolatility, MaximumDiversification, MeanRisk, NestedClustersOptimization, RiskBudgeting, "
    "SchurComplementary"
)
PLAIN = "wanted numbers, words, lists or mappings"


@pytest.mark.parametrize(
    ("build", "name", "params", "message"),
    [
        (optimizer, "MeanRsk", {}, "skfolio.optimization has no 'MeanRsk'; did you mean 'MeanRisk'?"),
        (
            optimizer,
            "BaseOptimization",
            {},
            "skfolio.optimization has no 'BaseOptimization'; did you mean 'NestedClustersOptimization'?",
        ),
        (optimizer, "SelectKExtremes", {}, f"skfolio.optimization has no 'SelectKExtremes'; {KNOWN}"),
        (optimizer, "SelectNonExpiring", {}, f"skfolio.optimization has no 'SelectNonExpiring'; {KNOWN}"),
        (optimizer, "np", {}, f"skfolio.optimization has no 'np'; {KNOWN}"),
        (optimizer, "__builtins__", {}, f"skfolio.optimization has no '__builtins__'; {KNOWN}"),
        (
            optimizer,
            "Random",
            {},
            "skfolio.Random cannot be used: its weights are random, and a backtest must be repeatable",
        ),
        (
            optimizer,
            "BenchmarkTracker",
            {},
            "skfolio.BenchmarkTracker cannot be used: it needs the returns of a benchmark",
        ),
        (
            optimizer,
            "StackingOptimization",
            {},
            "skfolio.StackingOptimization cannot be used: it needs other estimators as parameters",
        ),
        *(
            (
                optimizer,
                "InverseVolatility",
                {key: 0.5},
                f"optimizer 'skfolio.InverseVolatility' cannot honour bounds; leave out {key}, or use an optimizer "
                "that can",
            )
            for key in ("min_weight", "max_weight")
        ),
        *(
            (optimizer, "MeanRisk", {f"{key}s": 0.5}, f"{RISK}: use {key} (a number) in place of {key}s")
            for key in ("min_weight", "max_weight")
        ),
        *(
            (optimizer, "MeanRisk", {key: value}, f"{RISK}: {key} is {value!r}; wanted a finite number")
            for key, value in (("min_weight", None), ("max_weight", "x"))
        ),
        (
            optimizer,
            "MeanRisk",
            {"risk_mesure": "cvar"},
            f"{RISK} has no parameter 'risk_mesure'; did you mean 'risk_measure'?",
        ),
        (
            optimizer,
            "MeanRisk",
            {"risk_measure": "cvra"},
            f"{RISK}: risk_measure is 'cvra'; did you mean 'cvar'?",
        ),
        (
            optimizer,
            "MeanRisk",
            {"prior_estimator": dict},
            f"{RISK}: prior_estimator is <class 'dict'>; {PLAIN}",
        ),
        (
            selector,
            "SelectKExtreme",
            {},
            "skfolio.pre_selection has no 'SelectKExtreme'; did you mean 'SelectKExtremes'?",
        ),
        (
            selector,
            "SelectNonExpiring",
            {},
            "skfolio.SelectNonExpiring cannot be used: it needs dates of expiry by name",
        ),
        (
            selector,
            "SelectKExtremes",
            {"kk": 3},
            "selector 'skfolio.SelectKExtremes' has no parameter 'kk'; did you mean 'k'?",
        ),
        (selector, "SelectKExtremes", {"k": {1}}, f"selector 'skfolio.SelectKExtremes': k is {{1}}; {PLAIN}"),
    ],
)
def test_what_a_configuration_cannot_mean_is_refused(build, name: str, params: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(f"skfolio.{name}", **params)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"groups": {"C": ["tech"]}}, "it speaks of 'C', which is not in its universe; known: A, B"),
        (
            {"groups": {"A": ["tech"], "B": "coal"}, "group_cardinalities": {"tech": 1, "teck": 1}},
            "it speaks of the group 'teck', which nothing is in; did you mean 'tech'?",
        ),
        (
            {"linear_constraints": ["A <= 0.5", "B + Cc >= 0.125"], "groups": {"A": ["tech"]}},
            "it says 'B + Cc >= 0.125', but 'Cc' is not in its universe; known: A, B, tech",
        ),
        (
            {"linear_constraints": "A <= B <= 1"},
            "it: linear_constraints: The string must contain only one comparison operator, found 2.",
        ),
    ],
)
def test_what_its_parameters_speak_of_must_be_there(params: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        optimizer("skfolio.MeanRisk", **params).check_names(["A", "B"], "it", "in its universe")
    assert str(error.value) == message


def test_bounds_that_bind_nothing_are_honoured_by_all() -> None:
    rule = optimizer("skfolio.InverseVolatility", min_weight=0.0, max_weight=1.0)
    X = market_returns(0, 100, 4)
    assert np.allclose(rule.fit(X).weights_, optimizer("inverse_volatility").fit(X).weights_, rtol=1e-12)


def test_a_package_that_skfolio_needs_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] in ("skfolio", "cvxpy")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(ConfigError) as error:
        optimizer("skfolio.MeanRisk")
    assert str(error.value) == 'cvxpy is not installed, and skfolio needs it; pip install "metabt[demo]"'


def test_a_missing_skfolio_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "skfolio"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "skfolio", None)
    with pytest.raises(ConfigError, match=r'^skfolio(\.\w+)? is not installed, .* pip install "metabt\[demo\]"'):
        optimizer("skfolio.MeanRisk")


@pytest.mark.parametrize(
    ("low", "high", "bounds"),
    [
        (0.125, 0.5, (0.125, 0.5)),
        (0, 1, (0.0, 1.0)),
        (0.0, 0.25, (0.0, 0.25)),
        (1.0, 1.0, (1.0, 1.0)),
        (-1.0, 2.0, (0.0, 1.0)),
        ({"A": 0.25}, [0.5, 0.75], (0.0, 1.0)),
        (None, None, (0.0, 1.0)),
    ],
)
def test_bounds_of_an_object_are_its_own_where_they_are_numbers(low: object, high: object, bounds: tuple) -> None:
    rule = optimizer_like(MeanRisk(min_weights=low, max_weights=high))
    assert (rule.min_weight, rule.max_weight) == bounds
    assert type(rule.min_weight) is type(rule.max_weight) is float


def test_a_window_has_the_groups_limits_and_counts_of_what_is_in_it() -> None:
    windows = replace(Windows.single(market_returns(0, 30, 4)), names=NAMES)
    more = {"left_inequality": [[1.0, 0.0]], "right_inequality": [0.75]}
    rule = optimizer(
        "skfolio.MeanRisk",
        groups=GROUPS,
        group_cardinalities={"hard": 1, "easy": 2},
        linear_constraints=["A + hard <= 0.5", "D == 0.25"],
        **more,
    )
    assert isinstance(rule, SkfolioOptimizer)
    for columns, groups, counts in (
        ([0, 3], {"A": ["hard"], "D": ["hard"]}, {"hard": 1}),
        ([1, 2], {"B": ["easy"], "C": ["easy"]}, {"easy": 2}),
        ([1, 3], {"B": ["easy"], "D": ["hard"]}, {"hard": 1, "easy": 2}),
    ):
        found = rule._constrained(windows, np.array(columns), [NAMES[k] for k in columns])
        assert found["groups"] == groups and found["group_cardinalities"] == counts
        rows = np.array([[2.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, -1.0]])[:, columns]
        assert found["linear_constraints"] is None
        assert found["left_inequality"].tolist() == [*rows.tolist(), [1.0, 0.0]]
        assert found["right_inequality"].tolist() == [0.5, 0.25, -0.25, 0.75]
    alone = optimizer("skfolio.MeanRisk", groups={"A": ["hard"]}, group_cardinalities={"hard": 1})
    assert isinstance(alone, SkfolioOptimizer)
    found = alone._constrained(windows, np.array([1, 2]), ["B", "C"])
    assert found == {"groups": {}, "group_cardinalities": None}


BY_POSITION = ["groups", "left_inequality", "risk_budget", "threshold_long", "threshold_short", "target_weights"]
NOT_BY_ITEM = ["group_cardinalities", "portfolio_params", "solver_params"]


@pytest.mark.parametrize("key", [*BY_POSITION, *NOT_BY_ITEM, "min_weights", "transaction_costs"])
def test_what_a_parameter_speaks_of_goes_by_its_name_and_kind(key: str) -> None:
    """A list goes by position where the parameter is of one value per item, a mapping by item unless it is another."""
    listed = SkfolioOptimizer(dict, {key: [1.0, 2.0], "others": None}, needs_variance=True)
    assert listed.by_position == ((key,) if key in BY_POSITION else ())
    assert (listed.named, dict(listed.by_name), listed.texts) == ((), {}, ())
    mapped = SkfolioOptimizer(dict, {key: {"B": 1.0, "A": 2.0}}, needs_variance=True)
    assert mapped.by_position == () and mapped.named == (() if key in NOT_BY_ITEM else ("A", "B"))
    assert dict(mapped.by_name) == ({} if key in NOT_BY_ITEM else {key: None})
    said = SkfolioOptimizer(dict, {"linear_constraints": ["A <= 1"]}, needs_variance=False)
    assert said.texts == ("linear_constraints",) and not said.needs_variance
