"""Groups of a forest: each tree is in one, what several read is walked first, and none is longer than it may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.cache import NoCache
from metabt.build.cost_estimate import seconds_of
from metabt.build.keys import basis_plan, plan_basis
from metabt.build.known_blocks import known_blocks
from metabt.build.plan import Plan
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.tree_groups import TREE, Assembled, Grouping, View, assembled
from metabt.errors import ConfigError
from metabt.portfolio.resolve import resolve
from tests.shared import trees
from tests.shared.agreement import same
from tests.shared.executors import LEAF, NESTED, WRAPPED, engine
from tests.shared.jobs import SYMBOLS
from tests.shared.laws import SEEDS, examples
from tests.shared.months import market

FORESTS = st.lists(trees.portfolios(), min_size=1, max_size=6)


def beneath(plan: Plan, positions: tuple[int, ...]) -> set[str]:
    return {sleeve.spec.digest for position in positions for _, sleeve in plan.trees[position].walk()}


@examples(40)
@given(FORESTS, SEEDS, st.sampled_from(["all", "summary"]), st.floats(0.0, 0.5), st.sampled_from([0, 10**5, 10**9]))
def test_every_tree_is_in_one_group_and_what_they_share_comes_first(
    forest: list[dict[str, Any]], seed: int, keep: str, worth: float, n_bytes: int
) -> None:
    data = market(seed, gaps=False, ended=False)
    job = BacktestEngine([resolve(tree, symbols=SYMBOLS) for tree in forest], data, keep=keep)
    try:
        plan = job.plan
    except ConfigError:
        return
    grouping = Grouping(plan, known_blocks(plan, NoCache()), n_bytes, worth)
    assert sorted(place for group in grouping.groups for place in group) == list(range(len(forest)))
    parts = [beneath(plan, group) for group in grouping.groups]
    several = {key for key in plan.nodes if sum(key in part for part in parts) > 1} - plan.fleeting
    assert grouping.shared == several
    first = grouping.first
    assert (first is None) == (not several)
    if first is not None:
        assert set(first.nodes) == several and not first.trees and not first.fleeting
        assert all(set(node.children) <= several for node in first.nodes.values())
        assert list(first.nodes) == [key for key in plan.nodes if key in several]  # children first
        labels = {label for key in several for label in plan.nodes[key].partitions}
        assert list(first.labels) == [label for label in plan.labels if label in labels]
    for group, part in zip(grouping.groups, parts, strict=True):
        cost = sum(seconds_of(plan.nodes[key]) * len(plan.nodes[key].partitions) for key in part)
        assert grouping.seconds(group) == pytest.approx(TREE * len(group) + cost)
        assert len(group) == 1 or grouping.seconds(group) <= worth * (1 + 1e-9)


def test_what_is_stored_costs_nothing_and_is_not_walked_first() -> None:
    plan = engine([NESTED, {**NESTED, "optimizer": "equal"}], keep="summary").plan
    none, every = dict.fromkeys(plan.nodes, 0), plan.sizes
    cold, warm = (Grouping(plan, known, 0, 0.0) for known in (none, every))
    assert cold.first is not None and warm.first is None and warm.shared == cold.shared != frozenset()
    roots = sum(seconds_of(plan.nodes[key]) * len(plan.nodes[key].partitions) for key in plan.fleeting)
    assert warm.seconds((0, 1)) == pytest.approx(2 * TREE + roots)  # a fleeting root is walked all the same


def test_a_tree_has_the_tables_of_the_engine_or_its_error() -> None:
    job = engine([NESTED, LEAF])
    walked = job.run()
    made = assembled(job.portfolios[0], walked, View("2021-06-30"), NoCache(), "all")
    assert made.error is None and made.seconds > 0
    assert same(dict(made.tables), job.assemble(walked, 0, "2021-06-30"), ignoring=("stages",))
    early = assembled(job.portfolios[1], walked, View("1999-12-31"), NoCache(), "all")
    assert isinstance(early, Assembled) and not early.tables and "nothing was traded" in str(early.error)


def test_a_plan_of_one_sleeve_a_kind_has_the_basis_of_the_whole() -> None:
    plan = engine([NESTED, LEAF, WRAPPED, {**LEAF, "optimizer": "skfolio.InverseVolatility", "name": "theirs"}]).plan
    small = basis_plan(plan)
    assert plan_basis(small) == plan_basis(plan) and len(small.nodes) < len(plan.nodes)
    assert small.datasets is plan.datasets and not small.trees
    without = basis_plan(engine([NESTED, LEAF, WRAPPED]).plan)
    assert plan_basis(without) != plan_basis(plan)
