"""Joining: blocks of partition after partition, end to end, are what one walk over all of them gives.

Partitions are months here, so that a small market has many.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject

from metabt import BacktestEngine
from metabt.build.cache import MemoryCache
from metabt.build.inputs import Markets, Readings, initial_state, opened
from metabt.build.plan import Node
from metabt.build.walk_result import WalkResult
from metabt.errors import MetabtError
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import Assets, Block
from metabt.walk.concatenation import join
from metabt.walk.walk_forward import State, advance
from tests.shared import panels, trees
from tests.shared.differing import differing
from tests.shared.laws import SEEDS, WEEKDAY, examples
from tests.shared.months import in_turn, market, monthly
from tests.shared.returns import OPTIMIZERS


def walked(tree: dict, seed: int, gaps: bool, ended: bool = False) -> WalkResult:
    """Return a walk month by month; a tree that is rightly refused is no example."""
    prices = market(seed, gaps, ended)
    symbols = {name: panel.symbols for name, panel in prices.items()}
    try:
        with monthly(), in_turn():
            found = BacktestEngine([resolve(tree, symbols=symbols)], prices, cache=MemoryCache()).run()
    except MetabtError:
        reject()
    if any(walk.failure for walk in found.walks.values()):
        reject()
    return found


def in_one(found: WalkResult, node: Node) -> tuple[State, Block]:
    """Return what one walk over all partitions gives, the children as they were walked."""
    rows = slice(0, len(node.calendar.sessions))
    if isinstance(node.spec, Leaf):
        return advance(node.spec, initial_state(node), Readings(found.plan, Markets(found.plan)).of(node, rows))
    return advance(node.spec, initial_state(node), found.inputs(node))


def check(found: WalkResult) -> int:
    """Assert that every sleeve's blocks make the block that one walk gives; return how many were joined."""
    for node in found.plan.nodes.values():
        walk = found.walks[node.spec.digest]
        state, block = in_one(found, node)
        spared = {f"{node.label}.held.gaps", f"{node.label}.held.gaps.returns", f"{node.label}.held.gaps.tradable"}
        where = [*differing(walk.state, state, f"{node.label}.state"), *differing(walk.whole, block, node.label)]
        assert not [it for it in where if it.split(":")[0] not in spared], where
        if isinstance(block.held, Assets):
            gaps_agree(walk.whole, block, node)
            books_agree(walk.whole, block)
    return max(len(walk.blocks) for walk in found.walks.values())


def gaps_agree(joined: Block, whole: Block, node: Node) -> None:
    """Assert that both tell the same of gaps, but for partitions in which there are none."""
    assert (joined.held.gaps is None) <= (whole.held.gaps is None)
    if joined.held.gaps is None or whole.held.gaps is None:
        return
    for rows in node.partitions.values():
        told, known = joined.held.gaps, whole.held.gaps
        if told.tradable[rows].all() and not told.returns[rows].any():
            continue
        assert told.returns[rows].tobytes() == known.returns[rows].tobytes()
        assert told.tradable[rows].tobytes() == known.tradable[rows].tobytes()


def books_agree(joined: Block, whole: Block) -> None:
    """Assert that some rows of a leaf's book are the same, gathered from its blocks or taken from one."""
    rows = np.arange(len(whole.dates)).repeat(np.arange(len(whole.dates)) % 3)
    pairs = zip(opened(joined, None).book.around(rows), opened(whole, None).book.around(rows), strict=True)
    assert not [side for one, other in pairs for side in differing(one, other, "book")]


@examples(40)
@given(trees.portfolios(), SEEDS)
def test_months_end_to_end_are_one_stretch_with_gaps(tree: dict, seed: int) -> None:
    check(walked(tree, seed, gaps=True))


@examples(15)
@given(trees.portfolios(), SEEDS)
def test_months_end_to_end_are_one_stretch_without_gaps(tree: dict, seed: int) -> None:
    check(walked(tree, seed, gaps=False))


@examples(30)
@given(trees.portfolios(), SEEDS)
def test_months_end_to_end_are_one_stretch_beyond_the_end_of_a_dataset(tree: dict, seed: int) -> None:
    check(walked(tree, seed, gaps=True, ended=True))


ESTIMATORS: list[dict] = [
    *({"name": name} for name in OPTIMIZERS),
    {"name": "min_variance", "max_weight": 0.5, "min_weight": 0.05},
    {"name": "erc", "max_weight": 0.45},
    {"name": "min_variance", "covariance": "ledoit_wolf"},
    {"name": "mean_variance", "covariance": {"name": "ewma", "half_life": 10}, "mean": "james_stein"},
    {"name": "erc", "covariance": "denoised"},
]


@pytest.mark.parametrize("optimizer", ESTIMATORS, ids=lambda it: "-".join(map(str, it.values())))
@pytest.mark.parametrize("lookback", [12, 31])
def test_every_optimizer_gives_the_same_in_months_and_in_one(optimizer: dict, lookback: int) -> None:
    rules = {"optimizer": optimizer, "lookback": lookback, "schedule": {"every": 2}}
    leaf = {**rules, "dataset": "stocks", "min_coverage": 0.7}
    pairs = (["AA", "BB", "CC"], ["BB", "CC", "DD"], ["CC", "DD", "EE"])
    sleeves = {f"s{i}": {**leaf, "universe": pair} for i, pair in enumerate(pairs)}
    coins = {**leaf, "dataset": "coins", "universe": panels.COINS}
    pair = {**rules, "sleeves": {"coins": coins, "s3": {**leaf, "universe": panels.STOCKS}, "s4": sleeves["s1"]}}
    check(walked({"name": "root", **rules, "sleeves": {**sleeves, "pair": pair}}, 2, gaps=True))


def test_a_month_is_a_partition_here_and_several_are_joined() -> None:
    sleeves = {"one": {**WEEKDAY, "universe": ["AA", "BB"]}, "two": {**WEEKDAY, "universe": ["CC", "DD"]}}
    tree = {"name": "root", **WEEKDAY, "optimizer": "min_variance", "sleeves": sleeves}
    del tree["dataset"]
    assert check(walked(tree, 3, gaps=True)) == 7


def test_one_block_is_itself() -> None:
    found = walked({"name": "x", **WEEKDAY, "universe": ["AA", "BB"]}, 1, gaps=False)
    (walk,) = found.walks.values()
    assert join(walk.blocks[:1]) is walk.blocks[0]
    assert len(walk.whole.dates) == sum(len(block.dates) for block in walk.blocks)


@pytest.mark.parametrize("begin", [0, 1, 20, 21, 22, 40, 130])
def test_the_stream_begins_in_the_block_in_which_it_begins(begin: int) -> None:
    found = walked({"name": "x", **WEEKDAY, "universe": ["AA", "BB"]}, 1, gaps=False)
    (walk,) = found.walks.values()
    blocks, row = [], 0
    for block in walk.blocks:
        own = min(max(begin - row, 0), len(block.dates))
        row += len(block.dates)
        blocks.append(replace(block, begin=own))
    assert join(blocks).begin == begin
