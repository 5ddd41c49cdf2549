"""Groups of a forest: each tree is in one, what several read is walked first, and none is longer than it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.analysis.run_facts import RunFacts, run_facts
from metabt.build.cache import NoCache
from metabt.build.cost_estimate import seconds_of
from metabt.build.keys import basis_plan, plan_basis
from metabt.build.known_blocks import known_blocks
from metabt.build.plan import Plan
from metabt.engines import tree_groups
from metabt.engines.backtest_engine import BacktestEngine
from metabt.engines.tree_groups import TREE, Assembly, Grouping, View
from metabt.errors import ConfigError
from metabt.lakehouse.runs.run_digests import Measured
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Sleeve
from metabt.values.tables import Table
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


class Written:
    """Stands in for a writer of files: remembers what it is given."""

    def __init__(self) -> None:
        self.runs: dict[str, tuple[str, Mapping[str, Table]]] = {}

    def add(self, run_id: str, root: str, tables: Mapping[str, Table]) -> Measured:
        self.runs[run_id] = root, tables
        return Measured.of(root, tables)


def test_of_a_tree_the_tables_of_the_engine_are_written_or_its_error_is_told() -> None:
    job = engine([NESTED, LEAF])
    walked, written = job.run(), Written()
    assembly = Assembly(NoCache(), "all", written)  # type: ignore[arg-type]  # it stands in
    made = assembly.add(job.portfolios[0], walked, View("one", "2021-06-30"))
    tables = job.assemble(walked, 0, "2021-06-30")
    assert made.error is None and made.seconds > 0 and list(written.runs) == ["one"]
    root, found = written.runs["one"]
    assert root == NESTED["name"] and same(dict(found), tables, ignoring=("stages",))
    assert made.measured == Measured.of(root, found)
    assert repr(made.facts) == repr(run_facts(job.portfolios[0], tables, walked.plan.datasets))
    early = assembly.add(job.portfolios[1], walked, View("two", "1999-12-31"))
    assert early.facts is early.measured is None and "nothing was traded" in str(early.error)
    assert list(written.runs) == ["one"]


@pytest.mark.parametrize(("tried", "asked"), [(0, []), (1, [True, False, False]), (2, [True, False, False])])
def test_assets_that_were_left_out_are_looked_for_until_some_are_found(
    monkeypatch: pytest.MonkeyPatch, tried: int, asked: list[bool]
) -> None:
    job = engine([LEAF])
    walked, looked = job.run(), list[bool]()

    def facts(tree: Sleeve, tables: Mapping[str, Table], datasets: object) -> RunFacts:
        looked.append(datasets is not None)
        return replace(run_facts(tree, tables), left_out=("some",) if tried == 2 else ())  # type: ignore[arg-type]

    monkeypatch.setattr(tree_groups, "TRIED", tried)
    monkeypatch.setattr(tree_groups, "run_facts", facts)
    assembly = Assembly(NoCache(), "all", Written())  # type: ignore[arg-type]  # it stands in
    for name in "abc":
        assembly.add(job.portfolios[0], walked, View(name))
    assert looked == (asked or [False] * 3)


def test_a_plan_of_one_sleeve_a_kind_has_the_basis_of_the_whole() -> None:
    plan = engine([NESTED, LEAF, WRAPPED, {**LEAF, "optimizer": "skfolio.InverseVolatility", "name": "theirs"}]).plan
    small = basis_plan(plan)
    assert plan_basis(small) == plan_basis(plan) and len(small.nodes) < len(plan.nodes)
    assert small.datasets is plan.datasets and not small.trees
    without = basis_plan(engine([NESTED, LEAF, WRAPPED]).plan)
    assert plan_basis(without) != plan_basis(plan)
