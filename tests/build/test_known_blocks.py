"""Foresight: what it calls known is found, what it calls unknown is computed or lies behind something that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt import BacktestEngine, MemoryCache
from metabt.build.cache import NoCache
from metabt.build.known_blocks import followed, known_blocks
from metabt.build.ports import Sealed
from metabt.data.prices import Prices
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from tests.shared import panels, trees
from tests.shared.decades import decade, nested
from tests.shared.jobs import SYMBOLS
from tests.shared.laws import SEEDS, examples
from tests.shared.months import monthly


class Counting(MemoryCache):
    """A cache that counts how often each object is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[str, int] = {}
        self.claims = 0

    def get(self, key: str, kind: str) -> Sealed | None:
        self.reads[key] = self.reads.get(key, 0) + 1
        return super().get(key, kind)

    def claim(self, key: str) -> object:  # type: ignore[override]
        self.claims += 1
        return super().claim(key)


def panels_of(prices: Mapping[str, pd.DataFrame]) -> dict[str, Prices]:
    return {name: to_prices(name, frame) for name, frame in prices.items()}


def engine(tree: dict, prices: Mapping[str, pd.DataFrame], cache: MemoryCache | None = None) -> BacktestEngine:
    return BacktestEngine([resolve(tree, symbols=SYMBOLS)], panels_of(prices), cache=cache)


def corrected() -> dict[str, pd.DataFrame]:
    prices = decade()
    prices.loc["2015-06-10", "DD"] *= 1.03
    return {"stocks": prices}


def test_before_a_run_nothing_is_known_and_after_it_everything() -> None:
    cache = Counting()
    job = engine(nested(), {"stocks": decade()}, cache)
    assert set(known_blocks(job.plan, cache).values()) == {0}
    assert set(known_blocks(job.plan, NoCache()).values()) == {0}
    job.run()
    assert known_blocks(job.plan, cache) == {key: len(node.partitions) for key, node in job.plan.nodes.items()}


def test_it_reads_no_prices() -> None:
    cache = MemoryCache()
    job = engine(nested(), {"stocks": decade()}, cache)
    job.run()
    unread = {name: replace(it, part=lambda *wanted: pytest.fail("read prices")) for name, it in job.datasets.items()}
    again = BacktestEngine(job.portfolios, unread, cache=cache)
    assert sum(known_blocks(again.plan, cache).values()) == job.plan.n_blocks
    assert again.run().computed == 0


def test_after_a_correction_what_follows_something_unknown_is_unknown() -> None:
    cache = MemoryCache()
    engine(nested(), {"stocks": decade()}, cache).run()
    job = engine(nested(), corrected(), cache)
    known = {job.plan.nodes[key].label: count for key, count in known_blocks(job.plan, cache).items()}
    # from 2015 on, nobody can tell; the walk will find most of it
    assert known == {"book/core/a": 10, "book/core/b": 10, "book/core": 10, "book/c": 5, "book": 5}
    assert job.run().computed == 3


@examples(25)
@given(trees.portfolios(), trees.portfolios(), SEEDS, st.integers(30, 120))
def test_it_promises_no_more_than_a_run_finds(first: dict, then: dict, seed: int, row: int) -> None:
    """The second run is of another tree, over prices with another one in them; it may share what it can."""
    prices, cache = panels.market(seed), MemoryCache()
    with monthly():
        engine(first, prices, cache).run()
        for tree in (first, then):
            prices["stocks"].loc[prices["stocks"].index[row], "AA"] = 77.0
            job = engine(tree, prices, cache)
            known = known_blocks(job.plan, cache)
            walked = job.run()
            for key, node in job.plan.nodes.items():
                walk = walked.walks[key]
                # of a sleeve that was walked over all partitions at once nothing was found, and there is one block
                assert known[key] <= max(len(walk.blocks) - walk.computed, 0), node.label
            if not any(walk.failure for walk in walked.walks.values()):
                assert sum(known_blocks(job.plan, cache).values()) == job.plan.n_blocks


def test_blocks_are_followed_by_partition_children_first_with_their_keys_and_digests() -> None:
    cache = MemoryCache()
    job = engine(nested(), {"stocks": decade()}, cache)
    first = list(followed(job.plan, cache))
    # without the state after its first block, no later key of a sleeve is known; nor is that of a sleeve above it
    leaves = [node for node in job.plan.nodes.values() if not node.children]
    assert [(label, node) for label, node, _, _ in first] == [(job.plan.labels[0], node) for node in leaves]
    assert all(found is None and len(key) == 64 for _, _, key, found in first)
    job.run()
    found = list(followed(job.plan, cache))
    every = [(label, node) for label in job.plan.labels for node in job.plan.remembered(label)]
    assert [(label, node) for label, node, _, _ in found] == every
    assert [key for _, _, key, _ in first] == [
        key for _, node, key, _ in found[: len(job.plan.nodes)] if node in leaves
    ]
    for label, node, key, digests in found:
        block = cache.objects[key][1]
        assert digests == block.digests
        assert str(block.parts["block"].dates[0]) == str(node.calendar.sessions[node.partitions[label]][0])
    assert len({key for _, _, key, _ in found}) == len(found) == len(cache.objects)
