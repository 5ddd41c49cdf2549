"""Children by name: what a meta sleeve's optimizer says of them is resolved to digests, and back for people."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import ConfigError
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Estimator, Leaf, Sleeve
from metabt.runs.request import stored_tree
from tests.shared import panels

SYMBOLS = {"stocks": tuple(panels.STOCKS)}
RULES = {"lookback": 12, "schedule": {"every": 5}}
SLEEVES = {"core": {"universe": ["AA", "BB"]}, "a-b": {"universe": ["CC", "DD"]}, "a": {"universe": ["EE"]}}
NEW = {"core": "z", "a-b": "core", "a": "b"}
"""Other names, some of them those of another sleeve before."""

SAID: dict[str, Any] = {
    "fixed": {"weights": {"core": 0.5, "a-b": 0.2, "a": 0.1}},
    "erc": {"budgets": {"core": 3.0, "a": 2.0}},
    "skfolio.RiskBudgeting": {"risk_budget": {"core": 3.0, "a-b": 2.0, "a": 1.0}},
    "skfolio.MeanRisk": {
        "linear_constraints": ["core >= 2*a-b", "risky <= 0.2 + 0.1*a-b", "a>=0.05"],
        "groups": {"a-b": ["risky"], "a": ["risky"], "core": ["calm"]},
    },
}


def renamed(said: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of the children with their new names, written out by hand for the texts."""
    found: dict[str, Any] = {
        key: {NEW.get(name, name): value for name, value in stated.items()} if isinstance(stated, dict) else stated
        for key, stated in said.items()
    }
    if "linear_constraints" in said:
        found["linear_constraints"] = ["z >= 2*core", "risky <= 0.2 + 0.1*core", "b>=0.05"]
    return found


def tree(optimizer: dict[str, Any], sleeves: dict[str, dict] | None = None, **settings: Any) -> dict[str, Any]:
    return {
        "name": "root",
        **RULES,
        "defaults": RULES,
        "optimizer": optimizer,
        "sleeves": sleeves or SLEEVES,
    } | settings


@pytest.mark.parametrize("name", SAID)
def test_other_names_in_another_order_are_the_same_spec_and_the_same_weights(name: str) -> None:
    one = tree({"name": name, **SAID[name]})
    sleeves = {NEW[child]: SLEEVES[child] for child in reversed(SLEEVES)}
    other = tree({"name": name, **renamed(SAID[name])}, sleeves)
    assert resolve(one, symbols=SYMBOLS).spec.digest == resolve(other, symbols=SYMBOLS).spec.digest
    frame = panels.stocks(1)
    left, right = (metabt.backtest(it, frame) for it in (one, other))
    pd.testing.assert_frame_equal(left.weights, right.weights, check_exact=True)
    assert "ok" in set(left.decisions("root")["status"])


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_other_children_is_another_spec(name: str) -> None:
    swapped = {"core": SLEEVES["a"], "a-b": SLEEVES["a-b"], "a": SLEEVES["core"]}
    one, other = (resolve(tree({"name": name, **SAID[name]}, it), symbols=SYMBOLS) for it in (SLEEVES, swapped))
    assert {it.digest for it in one.spec.children} == {it.digest for it in other.spec.children}
    assert one.spec.digest != other.spec.digest


@pytest.mark.parametrize("name", SAID)
def test_a_recorded_configuration_has_names_and_is_read_back_as_the_same_tree(name: str) -> None:
    fallback = [{"name": "fixed", "weights": {"core": 0.25}}]
    resolved = resolve(tree({"name": name, **SAID[name]}, fallback=fallback), symbols=SYMBOLS)
    config = json.loads(json.dumps({"portfolio": resolved.plain()}))
    assert config["portfolio"]["optimizer"] == {"name": name, **SAID[name]}
    assert config["portfolio"]["fallback"][0]["weights"] == {"core": 0.25}
    assert stored_tree(config).spec.digest == resolved.spec.digest


def test_a_plan_and_a_stored_spec_speak_of_children_by_name() -> None:
    one, frame = tree({"name": "fixed", **SAID["fixed"]}), panels.stocks(1)
    (root, *_) = metabt.plan(one, frame).splitlines()
    assert f"fixed(weights={SAID['fixed']['weights']})" in root, root
    sleeves = metabt.backtest(one, frame).frame("sleeves").set_index("path")
    assert json.loads(sleeves.loc["root", "spec"])["optimizer"] == {"name": "fixed", **SAID["fixed"]}


def test_identical_children_are_treated_alike_or_refused() -> None:
    twins = {"one": {"universe": ["AA"]}, "two": {"universe": ["AA"]}, "other": {"universe": ["BB", "CC"]}}
    result = metabt.backtest(
        tree({"name": "fixed", "weights": {"one": 0.3, "two": 0.3, "other": 0.2}}, twins), panels.stocks(1)
    )
    assert (result.sleeve_weights()[["one", "two", "other"]] == [0.3, 0.3, 0.2]).all(axis=None)
    assert resolve(tree({"name": "erc", "budgets": {"one": 1.0, "other": 2}}, twins), symbols=SYMBOLS)
    for optimizer, got in (
        ({"name": "fixed", "weights": {"one": 0.3, "two": 0.4}}, "weights cannot differ between them, got 0.3, 0.4"),
        ({"name": "fixed", "weights": {"two": 0.4}}, "weights cannot differ between them, got 0.0, 0.4"),
        ({"name": "erc", "budgets": {"one": 2.0}}, "budgets cannot differ between them, got 2.0, 1.0"),
        ({"name": "skfolio.MeanRisk", "linear_constraints": ["one <= 0.1"]}, "cannot tell them apart"),
    ):
        with pytest.raises(ConfigError, match=f"sleeve 'root': .*'one' and 'two' are identical, so that .*{got}"):
            resolve(tree(optimizer, twins), symbols=SYMBOLS)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (
            {"name": "fixed", "weights": {"cor": 1}},
            "'fixed' speaks of 'cor', which is not among its sleeves; did you mean 'core'",
        ),
        ({"name": "skfolio.RiskBudgeting", "risk_budget": {"B": 1}}, "speaks of 'B', which is not among its sleeves"),
        (
            {"name": "skfolio.RiskBudgeting", "risk_budget": [1, 2, 3]},
            "risk_budget goes by position, which sleeves do not",
        ),
        (
            {"name": "skfolio.MeanRisk", "linear_constraints": ["cor >= 0.5"]},
            "says 'cor >= 0.5', but 'cor' is not among",
        ),
        ({"name": "skfolio.MeanRisk", "linear_constraints": ["core > 0.5"]}, "linear_constraints: > is an invalid"),
        ({"name": "skfolio.MeanRisk", "groups": {"cor": ["x"]}}, "speaks of 'cor', which is not among its sleeves"),
        ({"name": "skfolio.MeanRisk", "group_cardinalities": {"x": 1}}, "speaks of the group 'x', which nothing is in"),
    ],
)
def test_children_that_are_not_there_are_refused_when_the_tree_is_resolved(optimizer: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"sleeve 'root': .*{message}"):
        resolve(tree(optimizer), symbols=SYMBOLS)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (
            {"linear_constraints": ["AAA >= 0.5"]},
            "says 'AAA >= 0.5', but 'AAA' is not in its universe; did you mean 'AA'",
        ),
        ({"linear_constraints": ["AA >= 1e-2 * BBB"]}, "'BBB' is not in its universe"),
        ({"groups": {"BB": "x"}, "linear_constraints": ["y <= 0.5"]}, "'y' is not in its universe"),
        ({"threshold_long": {"CC": 0.1}}, "speaks of 'CC', which is not in its universe"),
    ],
)
def test_symbols_that_are_not_there_are_refused_when_the_tree_is_resolved(optimizer: dict, message: str) -> None:
    settings = {"name": "leaf", "universe": ["AA", "BB"], "optimizer": {"name": "skfolio.MeanRisk", **optimizer}}
    with pytest.raises(ConfigError, match=f"sleeve 'leaf': .*{message}"):
        resolve(settings, symbols=SYMBOLS)


def test_a_tree_that_is_built_by_hand_goes_by_the_same_names() -> None:
    leaves = tuple(
        Sleeve(name, Leaf(dataset="stocks", universe=tuple(it["universe"]), lookback=12))
        for name, it in SLEEVES.items()
    )
    built = Sleeve.meta("root", leaves, optimizer=Estimator("fixed", {"weights": {"a": 0.4}}), lookback=12)
    result = metabt.backtest(built, {"stocks": panels.stocks(1)})
    assert (result.sleeve_weights()["a"] == 0.4).all() and np.isclose(result.weights["EE"], 0.4).all()
    with pytest.raises(ConfigError, match="speaks of 'c', which is not among its sleeves"):
        Sleeve.meta("root", leaves, optimizer=Estimator("fixed", {"weights": {"c": 0.4}}))


def test_a_flat_baseline_has_no_sleeves_to_speak_of() -> None:
    with pytest.raises(ConfigError, match="'fixed' of 'root' speaks of its sleeves by name, which the flat baseline"):
        metabt.backtest(tree({"name": "fixed", **SAID["fixed"]}), panels.stocks(1), is_meta_backtest=False)
