"""Followed rows: what a leaf held between trades, followed from what it held after them, to the bit."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
from hypothesis import given, reject
from hypothesis import strategies as st

from metabt import BacktestEngine
from metabt.build import walk_result
from metabt.build.cache import MemoryCache
from metabt.errors import MetabtError
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from metabt.walk.followed_rows import FollowedRows
from tests.shared import panels, trees
from tests.shared.laws import SEEDS, WEEKDAY, examples
from tests.shared.months import in_turn, market


@examples(40)
@given(trees.portfolios(), SEEDS, st.booleans(), st.data())
def test_any_rows_are_those_that_were_held(tree: dict, seed: int, gaps: bool, data: st.DataObject) -> None:
    prices = market(seed, gaps, ended=False)
    symbols = {name: panel.symbols for name, panel in prices.items()}
    try:
        tree = resolve(tree, symbols=symbols)
        with in_turn(), patch.object(walk_result, "HELD", 0):
            kept, found = (BacktestEngine([tree], prices, cache=cache).run() for cache in (MemoryCache(), None))
    except MetabtError:
        reject()
    if any(walk.failure for walk in found.walks.values()):
        reject()
    for key, node in found.plan.nodes.items():
        if isinstance(node.spec, Leaf):
            after, expected = found.walks[key].whole.held.after, np.asarray(kept.walks[key].whole.held.after)
            places = st.lists(st.integers(0, len(expected) - 1), max_size=6)
            rows = np.array(sorted(data.draw(places)), np.int64)
            first, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(expected))] * 2)))
            assert isinstance(after, FollowedRows)
            assert after.shape == expected.shape
            assert np.asarray(after).tobytes() == expected.tobytes()
            assert after[rows].tobytes() == expected[rows].tobytes()
            assert after.stretch(first, stop).tobytes() == expected[first:stop].tobytes()


def test_a_walk_that_remembers_nothing_keeps_the_holdings_of_trades_alone() -> None:
    prices = market(0, gaps=False, ended=False)
    symbols = {name: panel.symbols for name, panel in prices.items()}
    tree = resolve({"name": "x", **WEEKDAY, "schedule": "monthly", "universe": panels.STOCKS}, symbols=symbols)
    size = 130 * 5 * 8
    held = []
    for most in (size - 1, size):
        with patch.object(walk_result, "HELD", most):
            held.append(BacktestEngine([tree], prices).run().walks[tree.spec.digest].whole.held)
    assert held[0].after.kept.shape == held[0].before.shape == (6, 5)
    assert held[0].after.shape == (130, 5)
    assert isinstance(held[1].after, np.ndarray)  # little is kept as it is


def test_rows_in_which_something_traded_are_read_from_no_price() -> None:
    def refuse(rows: slice) -> np.ndarray:
        raise AssertionError(rows)

    traded = np.array([False, True, False, True, False])
    after = FollowedRows.of(np.arange(10.0).reshape(5, 2), traded, refuse, np.zeros((0, 2)))
    assert after[np.array([1, 1, 3])].tolist() == [[2.0, 3.0], [2.0, 3.0], [6.0, 7.0]]
    assert after[np.empty(0, np.int64)].shape == (0, 2)
