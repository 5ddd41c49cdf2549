"""The plan of a forest: its blocks are counted once, however often progress is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest

from metabt.build.cache import MemoryCache
from metabt.build.plan import Node, Plan, plan_forest
from metabt.build.ports import Progress
from metabt.data.dataset import Dataset
from metabt.engines.local import Local
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from tests.shared.panels import stocks
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
