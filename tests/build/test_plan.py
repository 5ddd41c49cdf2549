"""The plan of a forest: its blocks are counted once, however often progress is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from metabt.build.cache import MemoryCache
from metabt.build.plan import Node, Plan, check_data, check_universes, plan_forest
from metabt.build.ports import Progress
from metabt.data.calendars import calendar_of
from metabt.data.dataset import Dataset
from metabt.engines.local import Local
from metabt.errors import ConfigError, DataError
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf, Meta, Sleeve
from tests.shared import trees
from tests.shared.executors import years
from tests.shared.laws import examples
from tests.shared.panels import COINS, STOCKS, stocks
from tests.shared.small_tree import tree


class Passed(dict[str, Node]):
    """Nodes that count how often all of them are passed through."""

    times = 0

    def items(self) -> Iterator[tuple[str, Node]]:  # type: ignore[override]
        self.times += 1
        return super().items()


def planned() -> tuple[Plan, Passed]:
    prices = to_prices("stocks", stocks(5))
    found = plan_forest([resolve(tree(), symbols={"stocks": prices.symbols})], {"stocks": Dataset.of(prices)})
    nodes = Passed(found.nodes)
    return replace(found, nodes=nodes), nodes


def passes_of(progress: Progress | None) -> int:
    plan, nodes = planned()
    Local().walk(plan, MemoryCache(), progress)
    return nodes.times


def test_telling_progress_counts_the_blocks_of_a_plan_once() -> None:
    told: list[tuple[int, int]] = []
    extra = passes_of(lambda done, blocks, last: told.append((done, blocks))) - passes_of(None)
    plan, _ = planned()
    blocks = sum(len(node.partitions) for node in plan.nodes.values())
    assert len(told) == blocks >= 3 and told[-1] == (blocks, blocks)
    assert extra == 1


def test_sizes_are_the_partitions_of_every_sleeve() -> None:
    plan, _ = planned()
    sizes: Mapping[str, int] = plan.sizes
    assert sizes == {key: len(node.partitions) for key, node in plan.nodes.items()}


def test_what_windows_take_at_most_is_their_returns_and_a_covariance_for_each_session() -> None:
    plan, _ = planned()
    leaf = next(node for node in plan.nodes.values() if isinstance(node.spec, Leaf))
    wide = replace(leaf, spec=replace(leaf.spec, universe=tuple(f"S{i}" for i in range(100))))
    n_bytes = np.empty((252 + 20, 100)).nbytes + np.empty((252, 100, 100)).nbytes
    assert wide.spec.lookback == 20
    assert wide.footprint(slice(300, 552)) == f"at most {n_bytes / 2**20:.1f} MiB (100 columns, 252 sessions)"


def forest(lookbacks: list[int]) -> Plan:
    """Return the plan of trees whose leaf `a` alone differs, and of each a second root."""
    prices = to_prices("stocks", stocks(5))
    trees = []
    for lookback in lookbacks:
        for root in (20, 30):
            leaves = {"a": {"universe": ["AA", "BB"], "lookback": lookback}, "b": {"universe": ["CC", "DD"]}}
            rules = {"lookback": root, "schedule": "weekly", "defaults": {"dataset": "stocks", "lookback": 9}}
            trees.append(resolve({"name": "book", **rules, "sleeves": leaves}, symbols={"stocks": prices.symbols}))
    return plan_forest(trees, {"stocks": Dataset.of(prices)}, fleeting=True)


@pytest.mark.parametrize("n_bytes", [0, 2**40])
def test_batches_have_every_tree_once_and_trees_over_the_same_sleeves_together(n_bytes: int) -> None:
    plan = forest([10, 11, 10, 12])
    batches = plan.batches(n_bytes)
    assert sorted(position for batch in batches for position in batch) == list(range(8))
    assert sorted(len(batch) for batch in batches) == ([8] if n_bytes else [2, 2, 4])
    leaves = [plan.part(batch).nodes.keys() - plan.fleeting for batch in batches]
    assert sum(len(keys) for keys in leaves) == len(batches) + 3  # `b`, which all share, is in each of them


def test_a_part_names_its_blocks_as_the_whole_does() -> None:
    plan, cache = forest([10, 11, 12]), MemoryCache()
    whole = Local().walk(plan, cache, None)
    computed, known = whole.computed, len(cache.objects)
    assert computed == known > 0
    for batch in plan.batches(0):
        part = plan.part(batch)
        assert part.lookback == plan.lookback == 30 and set(part.fleeting) <= set(part.nodes) < set(plan.nodes)
        assert Local().walk(part, cache, None).computed == 0
    assert len(cache.objects) == known


@cache
def markets() -> dict[str, Dataset]:
    return {name: Dataset.of(to_prices(name, frame)) for name, frame in years(3).items()}


def plan_of(settings: list[dict[str, Any]], *, fleeting: bool = False) -> Plan:
    symbols = {name: it.facts.symbols for name, it in markets().items()}
    return plan_forest([resolve(it, symbols=symbols) for it in settings], markets(), fleeting=fleeting)


def datasets_of(spec: Leaf | Meta) -> set[str]:
    return {spec.dataset} if isinstance(spec, Leaf) else set().union(*(datasets_of(it) for it in spec.children))


def columns_of(spec: Leaf | Meta) -> list[str]:
    """Return the asset of each column of a sleeve's book: the leaves' universes side by side."""
    return list(spec.universe) if isinstance(spec, Leaf) else sum((columns_of(it) for it in spec.children), [])


@given(trees.portfolios(), trees.portfolios())
@examples(20)
def test_a_plan_has_each_sleeve_once_with_its_own_sessions_columns_and_partitions(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    plan = plan_of([first, second, first])
    sleeves = [(path, sleeve) for tree in plan.trees for path, sleeve in tree.walk()]
    assert plan.nodes.keys() == {sleeve.spec.digest for _, sleeve in sleeves}
    seen: set[str] = set()
    for key, node in plan.nodes.items():
        assert set(node.children) <= seen and node.spec.digest == key
        seen.add(key)
        assert (node.label, key) in {(path, sleeve.spec.digest) for path, sleeve in sleeves}
        calendar = calendar_of([plan.datasets[name].facts for name in sorted(datasets_of(node.spec))])
        np.testing.assert_array_equal(node.calendar.sessions, calendar.sessions)
        np.testing.assert_array_equal(node.calendar.common, calendar.common)
        assert [node.layout.symbols[at] for at in node.layout.asset_of] == columns_of(node.spec)
        years = calendar.sessions.astype("M8[Y]").astype(str)
        assert {label: set(years[rows]) for label, rows in node.partitions.items()} == {it: {it} for it in years}
        assert sum(rows.stop - rows.start for rows in node.partitions.values()) == len(years)
    assert plan.labels == tuple(sorted({label for node in plan.nodes.values() for label in node.partitions}))
    assert plan.lookback == max(sleeve.spec.lookback for _, sleeve in sleeves) and plan.fleeting == frozenset()
    assert plan.n_blocks == sum(len(set(node.calendar.sessions.astype("M8[Y]"))) for node in plan.nodes.values())


@given(trees.portfolios(), trees.portfolios())
@examples(15)
def test_what_is_remembered_of_a_partition_is_all_that_has_sessions_but_for_roots_that_stand_alone(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    above = {"name": "above", "lookback": 9, "sleeves": {"in": {k: v for k, v in first.items() if k != "name"}}}
    plan = plan_of([first, second, above], fleeting=True)
    beneath = {child for node in plan.nodes.values() for child in node.children}
    roots = {it.spec.digest for it in plan.trees}
    assert plan.fleeting == {key for key in roots - beneath if plan.nodes[key].children}
    for label in (*plan.labels, "1900"):
        expected = [key for key, node in plan.nodes.items() if label in node.partitions and key not in plan.fleeting]
        assert [node.spec.digest for node in plan.remembered(label)] == expected


def test_nothing_has_a_plan_too() -> None:
    plan = plan_forest([], {})
    assert (plan.nodes, plan.labels, plan.fleeting, plan.lookback, plan.n_blocks) == ({}, (), frozenset(), 0, 0)
    assert plan.batches(0) == []


@given(trees.portfolios())
@examples(15)
def test_what_blocks_hold_is_eight_streams_holdings_and_decisions_of_a_quarter_of_the_sessions(
    settings: dict[str, Any],
) -> None:
    """Of a leaf by asset and of a meta sleeve by child, and so is what its windows take."""
    for node in plan_of([settings]).nodes.values():
        n_items = len(node.spec.universe if isinstance(node.spec, Leaf) else node.spec.children)
        numbers = [np.empty(8).nbytes, np.empty(n_items).nbytes, np.empty(n_items // 4).nbytes]
        assert node.n_bytes == len(node.calendar.sessions) * sum(numbers)
        n_bytes = np.empty((12 + node.spec.lookback, n_items)).nbytes + np.empty((12, n_items, n_items)).nbytes
        text = f"at most {n_bytes / 2**20:.1f} MiB ({n_items} columns, 12 sessions)"
        assert node.footprint(slice(3, 15)) == text


def test_batches_are_as_large_as_they_may_be() -> None:
    plan = forest([10, 11, 12, 13])
    sizes = {key: node.n_bytes for key, node in plan.nodes.items() if key not in plan.fleeting}
    (one,) = {size for size in sizes.values()}
    for many in range(1, 7):
        batches = plan.batches(many * one)
        held = [sum(sizes[key] for key in plan.part(batch).nodes if key in sizes) for batch in batches]
        # the leaf `b` that all share, and a leaf of each tree; the last batch takes what is left
        assert all(size == max(many, 2) * one for size in held[:-1]) and held[-1] <= max(many, 2) * one


def two(**leaves: Any) -> Sleeve:
    symbols = {"stocks": tuple(STOCKS), "coins": tuple(COINS), "stock": ("AA", "ZZ")}
    rules = {"lookback": 9, "schedule": "weekly"}
    return resolve(
        {"name": "book", **rules, "defaults": {"dataset": "stocks", **rules}, "sleeves": leaves}, symbols=symbols
    )


HELD = {"stocks": tuple(STOCKS), "coins": tuple(COINS)}
UNIVERSES = {
    "no dataset": (
        {"a": {"universe": ["AA"]}, "b": {"dataset": "stock", "universe": ["ZZ"]}},
        "sleeve 'book/b': no dataset is called 'stock'; did you mean 'stocks'?",
    ),
    "no symbol": (
        {"a": {"universe": ["AA"]}, "b": {"dataset": "coins", "universe": ["XLT", "XBT"]}},
        "sleeve 'book/b': dataset 'coins' has no symbol 'XBT'; known: QQ",
    ),
    "two homes": (
        {"a": {"universe": ["BB", "AA"]}, "b": {"sleeves": {"c": {"dataset": "stock", "universe": ["AA"]}}}},
        "sleeves 'book/a' and 'book/b/c' take 'AA' from two datasets, 'stocks' and 'stock'; one asset has one price: "
        "use one of them, or rename the symbol when ingesting",
    ),
}


@pytest.mark.parametrize("case", UNIVERSES)
def test_symbols_that_are_nowhere_or_in_two_places_are_refused(case: str) -> None:
    leaves, message = UNIVERSES[case]
    held: dict[str, tuple[str, ...]] = dict(HELD)
    held |= {"coins": ("QQ",)} if case == "no symbol" else {}
    held |= {"stock": ("AA",)} if case == "two homes" else {}
    with pytest.raises(ConfigError) as refused:
        check_universes(two(**leaves), held)
    assert str(refused.value) == message
    datasets = {
        name: Dataset.of(to_prices(name, stocks(1).iloc[:, : len(it)].set_axis(list(it), axis=1)))
        for name, it in held.items()
    }
    for check in (check_data, lambda tree, prices: plan_forest([tree], prices)):
        with pytest.raises(ConfigError) as refused:
            check(two(**leaves), datasets)
        assert str(refused.value) == message


def test_one_symbol_in_two_sleeves_of_one_dataset_is_in_one_place() -> None:
    check_universes(two(a={"universe": ["AA", "BB"]}, b={"universe": ["AA", "CC"]}), HELD)


@pytest.mark.parametrize("n_sessions", [9, 10])
def test_a_leaf_needs_a_session_more_than_it_has_returns_in_its_lookback(n_sessions: int) -> None:
    datasets = {"stocks": Dataset.of(to_prices("stocks", stocks(1, n_sessions)))}
    it = two(a={"universe": ["AA"], "lookback": 3}, b={"universe": ["BB"]})
    if n_sessions > 9:
        assert plan_forest([it], datasets).lookback == 9
        return
    with pytest.raises(DataError) as refused:
        plan_forest([it], datasets)
    assert str(refused.value) == (
        "sleeve 'book/b': dataset 'stocks' has 9 sessions, a lookback of 9 returns needs 10; shorten the lookback or "
        "ingest more history"
    )
