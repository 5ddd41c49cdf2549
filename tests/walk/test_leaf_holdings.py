"""Leaf holdings: returns and tradability are kept for a parent where a holding could not be traded, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.build.cache import MemoryCache
from metabt.build.cached_walk import CachedWalk
from metabt.engines.backtest_engine import BacktestEngine
from metabt.lakehouse.price_source import to_prices
from metabt.portfolio.resolve import resolve
from metabt.walk.block import Assets, Gaps, LeafState
from metabt.walk.leaf_holdings import LeafHoldings
from tests.shared.laws import DRAWS, examples

LEAF = {"name": "x", "dataset": "d", "universe": ["A", "B"], "lookback": 20, "schedule": {"every": 10}}
HALF = {"name": "fixed", "weights": {"A": 1.0}}


def market(*missing: tuple[str, str]) -> pd.DataFrame:
    days = pd.bdate_range("2019-06-03", "2021-03-31")
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (len(days), 2)).cumsum(axis=0)), days, ["A", "B"])
    for day, symbol in missing:
        frame.loc[day, symbol] = np.nan
    return frame


def gaps(frame: pd.DataFrame, **settings: object) -> dict[str, Gaps | None]:
    """Return what each partition's block keeps."""
    prices = to_prices("d", frame)
    engine = BacktestEngine([resolve({**LEAF, **settings}, symbols={"d": prices.symbols})], {"d": prices})
    walk, found = CachedWalk(engine.plan, MemoryCache()), dict[str, Gaps | None]()
    for label in engine.plan.labels:
        walk.enter(label)
        for node in engine.plan.remembered(label):
            held = walk.step(node).sealed.parts["block"].held  # type: ignore[union-attr]  # nothing fails
            assert isinstance(held, Assets)
            found[label] = held.gaps
    return found


def test_where_every_price_is_there_nothing_is_kept() -> None:
    assert gaps(market()) == {"2019": None, "2020": None, "2021": None}


def test_what_is_not_held_may_lack_prices() -> None:
    missing = ("2020-05-06", "B"), ("2020-12-31", "B"), ("2021-01-04", "B")
    assert gaps(market(*missing), optimizer=HALF) == {"2019": None, "2020": None, "2021": None}


@pytest.mark.parametrize(
    ("day", "kept"), [("2019-09-03", {"2019"}), ("2020-12-31", {"2020", "2021"}), ("2021-03-31", {"2021"})]
)
def test_a_holding_without_a_price_is_kept_until_it_has_one_again(day: str, kept: set[str]) -> None:
    frame = market((day, "A"))
    found = gaps(frame)
    assert {label for label, it in found.items() if it is not None} == kept
    label = day[:4]
    it, dates = found[label], frame.index[frame.index.year == int(label)]
    assert it is not None and it.tradable.shape == it.returns.shape == (len(dates), 2)
    assert np.argwhere(~it.tradable).tolist() == [[dates.get_loc(pd.Timestamp(day)), 0]]
    after = frame.ffill().pct_change().loc[dates].fillna(0.0).to_numpy()
    assert np.allclose(it.returns, after, rtol=0, atol=1e-14)


@given(DRAWS, st.integers(1, 6))
@examples(60)
def test_a_holding_is_closed_in_the_session_that_makes_its_price_stale(seed: int, stale_after: int) -> None:
    """That is the one in which it has had no price for so many sessions, those before the partition among them."""
    rng = np.random.default_rng(seed)
    n_sessions, n_assets = 40, 3
    before = rng.integers(0, stale_after, n_assets)
    state = replace(LeafState.initial(n_assets), holdings=np.full(n_assets, 0.25), stale=before.astype(np.int64))
    priced = rng.random((n_sessions, n_assets)) < rng.choice([0.2, 0.6, 0.9])
    dates = np.arange(n_sessions) + np.datetime64("2020-01-01")
    hold = LeafHoldings(state, dates, np.zeros(priced.shape), priced, stale_after)
    hold.until(n_sessions, np.full(n_sessions, -1, np.int64), np.empty((0, n_assets)))
    expected = np.zeros(priced.shape, bool)
    for a in range(n_assets):
        missing = int(before[a])
        for t in range(n_sessions):
            missing = 0 if priced[t, a] else missing + 1
            if missing == stale_after:
                expected[t, a] = True
                break  # nothing is bought again
    np.testing.assert_array_equal(hold.closed, expected)
    np.testing.assert_array_equal(hold.after, np.where(expected.cumsum(axis=0) > 0, 0.0, 0.25))
    np.testing.assert_array_equal(hold.n_closed, expected.sum(axis=1))
