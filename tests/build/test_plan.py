"""The plan of a forest: its blocks are counted once, however often progress is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

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
