"""Earned: what a leaf's assets contributed follows from what it held: holdings times returns, which sum to gross."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from metabt import BacktestEngine
from metabt.build import walk_result
from metabt.build.cache import MemoryCache, NoCache
from metabt.build.plan import Node
from metabt.build.walk_result import WalkResult
from metabt.data.prices import Prices
from metabt.errors import MetabtError
from metabt.portfolio.resolve import resolve
from metabt.portfolio.sleeve import Leaf
from metabt.walk import earned as module
from tests.shared import trees
from tests.shared.laws import SEEDS, WEEKDAY, examples
from tests.shared.months import in_turn, market, monthly

CLOSE = 1e-14
"""Of a holding, or of the NAV where that is more."""


def walks(tree: dict, prices: dict[str, Prices]) -> list[WalkResult]:
    """Return a tree walked month by month with a cache, and in one go without; one that is refused is no example."""
    found = []
    for cache in (MemoryCache(), NoCache()):
        try:
            symbols = {name: panel.symbols for name, panel in prices.items()}
            with monthly(), in_turn(), patch.object(walk_result, "HELD", 0):  # so that what is held is followed
                found.append(BacktestEngine([resolve(tree, symbols=symbols)], prices, cache=cache).run())
        except MetabtError:
            reject()
        if any(walk.failure for walk in found[-1].walks.values()):
            reject()
    return found


def products(found: WalkResult, node: Node, panel: Prices) -> tuple[np.ndarray, np.ndarray]:
    """Return what a leaf held over each session, and what that earned, from prices by pandas."""
    assert isinstance(node.spec, Leaf)
    last = pd.DataFrame(panel.close, columns=list(panel.symbols))[list(node.spec.universe)].ffill()
    returns = (last / last.shift() - 1.0).fillna(0.0).to_numpy()
    after = np.asarray(found.walks[node.spec.digest].whole.held.after)
    over = np.concatenate([np.zeros((1, after.shape[1])), after[:-1]])
    return over, over * returns


def check(found: WalkResult, prices: dict[str, Prices]) -> None:
    """Assert what is earned by every sleeve, session by session and added up."""
    for node in found.plan.nodes.values():
        book, gross = found.opened(node).book, found.walks[node.spec.digest].whole.gross
        amounts = book.earned_by_item(len(gross))
        assert np.abs(amounts.sum(axis=1) - gross).max() <= 1e-12
        factors = np.random.default_rng(len(gross) + 1).normal(size=len(gross))
        assert abs(book.earned(factors).sum() - factors @ gross) <= 1e-12 * np.abs(factors).sum()
        if isinstance(node.spec, Leaf):
            over, expected = products(found, node, prices[node.spec.dataset])
            assert (np.abs(amounts - expected) <= CLOSE * np.maximum(np.abs(over), 1.0)).all()
            assert not amounts[over == 0.0].any()
            weights = np.random.default_rng(len(gross)).normal(size=(2, len(gross)))
            scale = np.abs(weights) @ np.maximum(np.abs(over), 1.0)
            assert (np.abs(book.added_up(weights) - weights @ expected) <= CLOSE * scale).all()
            cut = book.added_up(weights[:, :-9]) - weights[:, :-9] @ expected[:-9]
            assert (np.abs(cut) <= CLOSE * scale).all()


def agree(one: WalkResult, other: WalkResult) -> None:
    """Assert that two walks of a tree say the same to the bit."""
    for node in one.plan.nodes.values():
        books = [found.opened(node).book for found in (one, other)]
        n_sessions = len(node.calendar.sessions)
        weights = np.random.default_rng(1).normal(size=n_sessions)
        assert books[0].earned_by_item(n_sessions).tobytes() == books[1].earned_by_item(n_sessions).tobytes()
        assert books[0].earned(weights).tobytes() == books[1].earned(weights).tobytes()


@examples(40)
@given(trees.portfolios(), SEEDS, st.booleans(), st.booleans())
def test_it_is_holdings_times_returns(tree: dict, seed: int, gaps: bool, ended: bool) -> None:
    prices = market(seed, gaps, ended)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FORMED", 2**9)  # some twenty sessions at a time
        found = walks(tree, prices)
        for each in found:
            check(each, prices)
        agree(*found)


def test_an_asset_that_is_closed_at_its_last_price_earned_up_to_then() -> None:
    dates = np.arange("2021-01-01", "2021-01-13", dtype="datetime64[D]")
    close = np.full((12, 2), 100.0)
    close[6:, 0] = 110.0
    close[8:, 0] = np.nan
    leaf = {"name": "x", "universe": "all", "optimizer": "equal", "lookback": 2, "lag": 0, "schedule": {"every": 99}}
    prices = {"d": Prices("d", dates, ("A", "B"), close)}
    tree = {**leaf, "dataset": "d", "start": "2021-01-04", "stale_after": 2}
    for found in walks(tree, prices):
        (node,) = found.plan.nodes.values()
        amounts = found.opened(node).book.earned_by_item(12)
        assert amounts[6, 0] == pytest.approx(0.05, abs=1e-16)
        assert not np.delete(amounts[:, 0], [6, 7, 8, 9]).any()  # held and still: nothing but rounding, and there only
        assert np.abs(amounts[[7, 8, 9], 0]).max() <= 4 * 2**-53


def test_a_leaf_that_holds_nothing_earned_nothing() -> None:
    prices = market(0, gaps=False, ended=False)
    tree = {"name": "x", **WEEKDAY, "universe": ["AA", "BB"], "start": "2021-06-25"}
    for found in walks(tree, prices):
        (node,) = found.plan.nodes.values()
        first = int(np.flatnonzero(found.walks[node.spec.digest].whole.traded)[0])
        amounts = found.opened(node).book.earned_by_item(first + 1)
        assert first > 50 and not amounts.any() and not np.signbit(amounts).any()
