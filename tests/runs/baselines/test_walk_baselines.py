"""Baselines of whole trees: what they hold, and that they are walked like any other tree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies

import metabt
from metabt.build.inputs import Readings
from metabt.build.plan import Node
from metabt.build.walk_result import Walk, WalkResult
from metabt.errors import ConfigError
from metabt.estimators.optimizers.min_variance import MinVariance
from tests.shared import panels, trees
from tests.shared.laws import SEEDS, examples, run

LEAVES = {
    "one": {"universe": ["AA", "BB"], "optimizer": "inverse_volatility"},
    "two": {"universe": ["CC", "DD"], "optimizer": "min_variance"},
    "three": {"universe": ["EE"]},
}
TREE = {
    "name": "root",
    "optimizer": {"name": "min_variance", "max_weight": 0.7},
    "defaults": {"lookback": 12, "schedule": {"every": 5}, "costs": {"commission_bp": 10, "slippage_bp": 5}},
    "sleeves": {
        "pair": {"optimizer": "erc", "sleeves": {name: LEAVES[name] for name in ("one", "two")}},
        "three": LEAVES["three"],
    },
}
FULL = "static_full (LOOK-AHEAD)"
NAMES = ["portfolio", "equal", "inverse_volatility", "static_first", FULL, "flat"]


def prices(seed: int = 1, sessions: int = 130) -> pd.DataFrame:
    return panels.stocks(seed, 130).iloc[:sessions]


@pytest.fixture(scope="module")
def result() -> metabt.Result:
    return metabt.backtest(TREE, prices())


@pytest.fixture(scope="module")
def baselines(result: metabt.Result) -> object:
    return result.baselines()


def other(**rules: object) -> dict:
    """Return the tree with other optimizers of its two meta sleeves."""
    pair = {**TREE["sleeves"]["pair"], "optimizer": rules["pair"]}
    return {**TREE, "optimizer": rules["root"], "sleeves": {**TREE["sleeves"], "pair": pair}}


def test_all_are_there_and_the_tree_is_itself(result: metabt.Result, baselines: object) -> None:
    assert list(baselines.results) == list(baselines.statistics.index) == NAMES and not baselines.left_out
    pd.testing.assert_frame_equal(baselines.results["portfolio"].returns(), result.returns(), check_exact=True)
    assert baselines.statistics.loc["portfolio", "sharpe"] == result.metrics().loc["root", "sharpe"]
    assert list(baselines.statistics.index[baselines.statistics["look_ahead"].astype(bool)]) == [FULL]
    assert all("LOOK-AHEAD" in path for path in baselines.results[FULL].paths)
    pd.testing.assert_series_equal(baselines.navs["portfolio"], result.returns()["nav"], check_names=False)


def test_rules_replace_every_meta_sleeve_within_its_bounds(baselines: object) -> None:
    for name in ("equal", "inverse_volatility"):
        tree = other(pair=name, root={"name": name, "max_weight": 0.7})
        expected = metabt.backtest(tree, prices()).returns()
        pd.testing.assert_frame_equal(baselines.results[name].returns(), expected, check_exact=True)


def test_flat_is_the_flat_run(baselines: object) -> None:
    expected = metabt.backtest(TREE, prices(), is_meta_backtest=False).returns()
    pd.testing.assert_frame_equal(baselines.results["flat"].returns(), expected, check_exact=True)


def test_static_first_holds_the_first_weights_after_warm_up(result: metabt.Result, baselines: object) -> None:
    decisions = result.decisions()
    (first,) = decisions.loc[decisions["status"] == "ok", "date"].unique()[:1]
    held = baselines.results["static_first"].sleeve_weights()
    decided = result.sleeve_weights()
    np.testing.assert_array_equal(held.loc[:first].iloc[:-1], decided.loc[:first].iloc[:-1])  # warm-up is the same
    expected = np.broadcast_to(decided.loc[first], held.loc[first:].shape)
    np.testing.assert_allclose(held.loc[first:], expected, rtol=0, atol=1e-15)
    assert len(held.loc[first:]) > 5 and held.loc[first].nunique() > 1


def test_static_first_sees_nothing_of_the_future(baselines: object) -> None:
    early = metabt.backtest(TREE, prices(sessions=90)).baselines()
    for name in ("portfolio", "equal", "inverse_volatility", "static_first", "flat"):
        short = early.results[name].returns()
        pd.testing.assert_frame_equal(short, baselines.results[name].returns().loc[: short.index[-1]], check_exact=True)
    ahead = [it.results[FULL].sleeve_weights().iloc[-1].to_list() for it in (early, baselines)]
    assert ahead[0] != ahead[1]


def test_static_full_is_the_optimizer_on_the_whole_history(result: metabt.Result, baselines: object) -> None:
    streams = pd.DataFrame({name: result.returns(f"root/{name}")["net"] for name in ("pair", "three")}).dropna()
    expected = MinVariance(max_weight=0.7).fit(streams.to_numpy()).weights_
    held = baselines.results[FULL].sleeve_weights().iloc[-1]
    np.testing.assert_allclose(held[list(streams)], expected, rtol=0, atol=1e-9)


def test_what_is_held_for_good_never_changes(baselines: object) -> None:
    changes = baselines.statistics["allocation_change"]
    assert changes["equal"] == 0.0 and changes["portfolio"] > changes["static_first"] > 0.0  # warm-up ends once
    assert np.isnan(changes["flat"])


def test_the_end_of_the_view_is_theirs_too() -> None:
    cut = metabt.backtest(TREE, prices(), end="2021-05-14").baselines()
    assert all(str(it.returns().index[-1].date()) == "2021-05-14" for it in cut.results.values())


def test_leaves_are_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[str] = []
    once = WalkResult.walk

    def counted(self: WalkResult, node: Node, readings: Readings | None = None) -> Walk:
        walked.append(node.spec.digest)
        return once(self, node, readings)

    result = metabt.backtest(TREE, prices())
    monkeypatch.setattr(WalkResult, "walk", counted)
    result.baselines(samples=20)
    # three leaves; two meta sleeves of five trees; the one leaf that is flat
    assert len(walked) == len(set(walked)) == 3 + 5 * 2 + 1


def test_what_cannot_be_had_is_left_out_with_the_reason() -> None:
    short = {**TREE, "sleeves": {**TREE["sleeves"], "hedge": {"universe": ["AA"], "direction": "short"}}}
    found = metabt.backtest(short, prices()).baselines(samples=20)
    assert list(found.left_out) == ["flat"] and "'AA' is long in one and short in the other" in found.left_out["flat"]
    never = metabt.backtest({**TREE, "min_history": 200}, prices()).baselines(samples=20)
    assert set(never.left_out) == {"static_first", FULL}
    assert "its optimizer decided nothing" in never.left_out["static_first"]


@examples(15)
@given(strategies.integers(2, 4).flatmap(trees.portfolios), SEEDS)
def test_random_trees_have_every_baseline_or_a_reason(tree: dict, seed: int) -> None:
    result = run(tree, panels.market(seed))
    found = result.baselines(samples=10)
    assert set(found.results) | set(found.left_out) == set(NAMES) and not set(found.results) & set(found.left_out)
    pd.testing.assert_frame_equal(found.results["portfolio"].returns(), result.returns(), check_exact=True)
    assert list(found.statistics.index) == list(found.results)


def test_a_leaf_and_a_flat_run_have_none() -> None:
    with pytest.raises(ConfigError, match="single leaf"):
        metabt.backtest({"name": "leaf", "universe": ["AA"], "lookback": 12}, prices()).baselines()
    with pytest.raises(ConfigError, match="flat baseline itself"):
        metabt.backtest(TREE, prices(), is_meta_backtest=False).baselines()
