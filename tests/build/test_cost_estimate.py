"""Work is shared out evenly, and groups of meta sleeves share nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.cost_estimate import components, leaves_beneath, seconds_missing, seconds_of, shared_out
from metabt.build.plan import Node, Plan
from metabt.portfolio.sleeve import Estimator, Leaf
from tests.shared import trees
from tests.shared.executors import LEAF, NESTED, RULES, STOCKS, WRAPPED, engine
from tests.shared.laws import examples


@given(st.dictionaries(st.text("abcdef", min_size=1), st.floats(0.01, 10), min_size=1), st.integers(1, 6))
def test_shares_have_all_names_once_and_are_about_equal(costs: dict[str, float], n_shares: int) -> None:
    shares = shared_out(costs, n_shares)
    assert sorted(name for share in shares for name in share) == sorted(costs)
    assert len(shares) == min(n_shares, len(costs)) and all(shares)
    loads = [sum(costs[name] for name in share) for share in shares]
    least = max(sum(costs.values()) / n_shares, max(costs.values()))
    assert max(loads) <= (4 / 3) * least + max(costs.values()) / 3 + 1e-9
    order = list(costs)
    assert all(list(share) == sorted(share, key=order.index) for share in shares)


def test_shares_do_not_depend_on_chance() -> None:
    costs = {"a": 2.0, "b": 1.0, "c": 1.0, "d": 2.0}
    assert shared_out(costs, 2) == shared_out(dict(costs), 2) == [("a", "b"), ("c", "d")]


def test_meta_sleeves_that_share_a_sleeve_stay_together() -> None:
    other = {**NESTED, "name": "other", "optimizer": "equal"}
    plan = engine([NESTED, other, WRAPPED, LEAF]).plan
    groups = components(plan)
    assert sorted(len(group) for group in groups) == [1, 3]  # two roots over one nested sleeve; the wrapper
    assert len({key for group in groups for key in group}) == 4
    for group in groups:
        assert leaves_beneath(plan, group) <= {k for k, n in plan.nodes.items() if isinstance(n.spec, Leaf)}
    (large,) = (group for group in groups if len(group) == 3)
    assert len(leaves_beneath(plan, large)) == 4


def test_slower_estimators_wider_universes_and_more_decisions_cost_more() -> None:
    def cost(**changes: object) -> float:
        plan = engine([{**LEAF, **changes}]).plan
        return max(seconds_of(node) for node in plan.nodes.values())

    plain = cost(optimizer="min_variance")
    assert cost(optimizer="hrp") > plain > cost(optimizer="min_variance", universe=STOCKS[:2])
    assert cost(optimizer="min_variance", schedule={"every": 1}) > plain
    assert cost(optimizer="min_cvar") > cost(optimizer="hrp")
    assert cost(optimizer="skfolio.RiskBudgeting") > cost(optimizer="hrp")


def test_what_is_known_costs_nothing() -> None:
    plan = engine([{"name": "n", "defaults": RULES, "sleeves": {"a": {"universe": STOCKS}}}]).plan
    whole = seconds_missing(plan, {})
    assert whole > 0 and seconds_missing(plan, plan.sizes) == 0
    (leaf,) = (key for key, node in plan.nodes.items() if isinstance(node.spec, Leaf))
    assert 0 < seconds_missing(plan, {leaf: 1}) < whole


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 9), min_size=1), st.integers(1, 6))
def test_shares_are_those_of_a_loop_that_gives_the_longest_to_who_has_least(
    costs: dict[str, int], n_shares: int
) -> None:
    """Of equal costs the name decides, and of equal loads the first share."""
    loads, names = [0] * n_shares, [set[str]() for _ in range(n_shares)]
    pending = dict(costs)
    while pending:
        longest = max(pending.values())
        name = min(name for name, cost in pending.items() if cost == longest)
        share = loads.index(min(loads))
        loads[share] += pending.pop(name)
        names[share].add(name)
    expected = [tuple(name for name in costs if name in share) for share in names if share]
    assert shared_out({name: float(cost) for name, cost in costs.items()}, n_shares) == expected


def test_of_nothing_there_is_no_share() -> None:
    assert shared_out({}, 3) == []


def beneath(plan: Plan, key: str) -> set[str]:
    """Return a sleeve and all beneath it."""
    return {key}.union(*(beneath(plan, child) for child in plan.nodes[key].children))


@given(st.lists(trees.portfolios(), min_size=1, max_size=4), st.booleans())
@examples(20)
def test_groups_are_the_meta_sleeves_that_a_path_of_common_sleeves_joins(
    settings: list[dict[str, Any]], fleeting: bool
) -> None:
    plan = engine(settings, keep="summary" if fleeting else "all").plan
    metas = [key for key, node in plan.nodes.items() if node.children and key not in plan.fleeting]
    group = {key: {key} for key in metas}
    for _ in metas:  # as often as the longest path is long
        for one in metas:
            for other in metas:
                if set(plan.nodes[one].children) & {other}:
                    group[one] = group[other] = group[one] | group[other]
                    for member in group[one]:
                        group[member] = group[one]
    expected = {tuple(key for key in plan.nodes if key in members) for members in group.values()}
    found = components(plan)
    assert set(found) == expected and len(found) == len(expected)
    for keys in found:
        leaves = {key for top in keys for key in beneath(plan, top) if not plan.nodes[key].children}
        assert leaves_beneath(plan, keys) == leaves and hash(leaves_beneath(plan, keys)) == hash(frozenset(leaves))


SLOWER = {
    "hrp": 1.5,
    "log_mps": 2.5,
    "max_diversification": 0.7,
    "max_sharpe": 0.9,
    "denoised": 7.0,
    "ewma": 1.1,
    "ledoit_wolf": 1.6,
}
"""Estimator -> how much longer a decision takes, in parts of one of minimum variance."""


@pytest.fixture(scope="module")
def leaf() -> Node:
    (node,) = engine([LEAF]).plan.nodes.values()
    return node


def changed(leaf: Node, **settings: Any) -> Node:
    return replace(leaf, spec=replace(leaf.spec, **settings))


def decision(leaf: Node, optimizer: str, selector: str = "all", **params: Any) -> float:
    """Return the seconds of one decision: what a block costs more that has one decision a session, not one in two."""
    each, other = (
        seconds_of(
            changed(leaf, optimizer=Estimator(optimizer, params), selector=Estimator(selector), schedule=schedule)
        )
        for schedule in (replace(leaf.spec.schedule, every=every, period=None) for every in (1, 2))
    )
    n_sessions = len(leaf.calendar.sessions) / len(leaf.partitions)
    return (each - other) / (n_sessions - n_sessions / 2)


@pytest.mark.parametrize("optimizer", ["equal", "min_variance", "hrp", "max_diversification", "max_sharpe", "erc"])
@pytest.mark.parametrize("selector", ["all", "log_mps"])
@pytest.mark.parametrize("covariance", [None, "sample", "ewma", "ledoit_wolf", "denoised", "oas"])
def test_a_decision_takes_longer_by_the_parts_of_all_that_it_names(
    leaf: Node, optimizer: str, selector: str, covariance: str | None
) -> None:
    if optimizer == "equal" and covariance:
        return  # it has none
    plain = 1.7e-7 * len(STOCKS) + 1.5e-9 * len(STOCKS) ** 2
    more = sum(SLOWER.get(name, 0.0) for name in (optimizer, selector, covariance or "sample"))
    for stated in ({}, {"covariance": covariance}, {"covariance": {"name": covariance}})[: 3 if covariance else 1]:
        if covariance and not stated:
            continue
        assert decision(leaf, optimizer, selector, **stated) == pytest.approx((1 + more) * plain, rel=1e-6)


def test_a_decision_in_turn_and_a_linear_programme_take_their_time_besides(leaf: Node) -> None:
    plain = decision(leaf, "min_variance")
    assert decision(leaf, "min_variance", max_turnover=0.2) == pytest.approx(plain + 2.5e-5, rel=1e-6)
    assert decision(leaf, "min_cvar") == pytest.approx(plain + len(STOCKS) * 1.2e-5, rel=1e-6)


@pytest.mark.parametrize("names", [("skfolio.MeanRisk", "all"), ("equal", "theirs.Selector")])
def test_a_decision_of_a_foreign_estimator_takes_its_time_whatever_it_decides_on(
    leaf: Node, names: tuple[str, str]
) -> None:
    for universe in (tuple(STOCKS), tuple(STOCKS[:2])):
        assert decision(changed(leaf, universe=universe), *names) == pytest.approx(6e-3, rel=1e-6)


@given(trees.portfolios(), st.integers(1, 5))
@examples(15)
def test_a_block_costs_a_fixed_part_its_book_and_its_decisions(settings: dict[str, Any], n_parts: int) -> None:
    """Whether it is of a leaf or of a meta sleeve, and in one partition or in many."""
    for node in engine([settings]).plan.nodes.values():
        n_sessions = len(node.calendar.sessions)
        cut = replace(node, partitions={str(i): slice(0, 1) for i in range(n_parts)})
        held = 6e-4 + 4e-9 * n_sessions / n_parts * len(node.layout.asset_of)
        if node.children:
            assert seconds_of(cut) == pytest.approx(held, rel=1e-9)
            continue
        schedule = node.spec.schedule
        apart = schedule.every or {"weekly": 5, "monthly": 21}[str(schedule.period)]
        one = decision(node, node.spec.optimizer.name, node.spec.selector.name, **node.spec.optimizer.params)
        assert seconds_of(cut) == pytest.approx(held + n_sessions / n_parts / apart * one, rel=1e-6)


@given(st.lists(trees.portfolios(), min_size=1, max_size=3), st.data())
@examples(15)
def test_what_is_missing_is_added_up_block_by_block(settings: list[dict[str, Any]], data: st.DataObject) -> None:
    plan = engine(settings, keep=data.draw(st.sampled_from(["all", "summary"]))).plan
    known: Mapping[str, int] = {
        key: data.draw(st.integers(0, size)) for key, size in plan.sizes.items() if data.draw(st.booleans())
    }
    seconds = 0.0
    for key, node in plan.nodes.items():
        for number, _ in enumerate(node.partitions):
            if key not in plan.fleeting and number >= known.get(key, 0):
                seconds += seconds_of(node)
    assert seconds_missing(plan, known) == pytest.approx(seconds, rel=1e-9, abs=1e-12)
    ladder = [seconds_missing(plan, {key: min(n, size) for key, size in plan.sizes.items()}) for n in range(5)]
    assert all(more >= less for more, less in pairwise(ladder)) and math.isclose(ladder[-1], 0.0, abs_tol=1e-12)
