"""A leaf whose assets end, join and leave, cost their own and whose cash earns: against a book in money, by session."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.portfolio.schedule import Schedule
from metabt.portfolio.sleeve import Cash, Costs, Estimator, Leaf
from metabt.walk.block import REASONS, Assets, Block, LeafState
from metabt.walk.concatenation import join
from metabt.walk.costs import AssetCosts
from metabt.walk.decision import NOTHING
from metabt.walk.followed_rows import FollowedRows
from metabt.walk.holdings import Queue
from metabt.walk.leaf import LeafInputs, advance_leaf, leaf_over
from metabt.walk.leaf_holdings import LeafHoldings
from metabt.walk.stopwatch import Stopwatch
from tests.shared.differing import differing
from tests.shared.laws import DRAWS, examples

UNIVERSE = ("A", "B", "C", "D")
N_ASSETS, N, LOOKBACK = 4, 24, 3


def spec(**settings: Any) -> Leaf:
    rules: dict[str, Any] = {"lookback": LOOKBACK, "schedule": Schedule(every=2), "stale_after": 4, **settings}
    return Leaf(dataset="d", universe=UNIVERSE, **rules)


def drawn(seed: int, before: int = LOOKBACK) -> LeafInputs:
    """Return a market in which two assets end (one trades on), members come and go, and costs differ by asset."""
    rng = np.random.default_rng(seed)
    shape = before + N, N_ASSETS
    priced = rng.random(shape) >= 0.1
    ended = np.zeros((N, N_ASSETS), bool)
    for a in (0, 1):
        ended[rng.integers(2, N), a] = True
    for a, at in np.argwhere(ended.T):
        priced[before + at + 1 :, a] &= a == 1  # nobody asks for prices after the end, and they may be there
    observed = priced & np.vstack([np.ones((1, N_ASSETS), bool), priced[:-1]])
    returns = np.where(priced, rng.normal(0, 0.03, shape), 0.0)
    member = rng.random((N, N_ASSETS)) < 0.8
    days = np.datetime64("2021-01-04") + np.cumsum(rng.integers(1, 4, N))
    size = (N, N_ASSETS)
    rates = AssetCosts(*(np.where(rng.random(size) < 0.2, np.nan, rng.uniform(0, 90, size)) for _ in range(3)))
    idle = rng.uniform(0, 2e-3, before + N)
    inputs = LeafInputs(days, before, returns, observed, priced[before:])
    return replace(inputs, member=member, ended=ended, idle=idle, rates=rates)


def cut_out(inputs: LeafInputs, rows: slice) -> LeafInputs:
    """Return the inputs of some sessions alone, with all that came before as history."""
    assert inputs.rates is not None and inputs.member is not None and inputs.ended is not None
    assert inputs.idle is not None
    reach = slice(0, inputs.before + rows.stop)
    return replace(
        inputs,
        dates=inputs.dates[rows],
        before=inputs.before + rows.start,
        returns=inputs.returns[reach],
        observed=inputs.observed[reach],
        priced=inputs.priced[rows],
        member=inputs.member[rows],
        ended=inputs.ended[rows],
        idle=inputs.idle[reach],
        rates=AssetCosts(*(getattr(inputs.rates, f.name)[rows] for f in fields(AssetCosts)[:3])),
    )


def walk(leaf: Leaf, inputs: LeafInputs, state: LeafState | None = None) -> tuple[LeafState, Block]:
    return advance_leaf(leaf, state or LeafState.initial(N_ASSETS), inputs, Stopwatch())


@examples(150)
@given(DRAWS, st.sampled_from([0, 1, 2, 5]), st.booleans(), st.sampled_from([0.0, 0.2]))
def test_a_book_in_money_agrees(seed: int, lag: int, short: bool, reserve: float) -> None:
    inputs = drawn(seed)
    assert inputs.rates is not None and inputs.member is not None and inputs.ended is not None
    assert inputs.idle is not None
    own = {"commission_bp": 5.0, "slippage_bp": 2.0, "borrow_bp": 300.0}
    leaf = spec(lag=lag, direction="short" if short else "long", cash=Cash("x", reserve), costs=Costs(**own))
    state, block = walk(leaf, inputs)

    def rate(t: int, a: int, name: str) -> float:
        stated = float(getattr(inputs.rates, name)[t, a])
        return own[name] / 10_000 if np.isnan(stated) else stated / 10_000

    worth, cash, owed, fee = [0.0] * N_ASSETS, 1.0, 0.0, 0.0
    waits: dict[int, float] = {}
    absent, decided, over = [0] * N_ASSETS, dict[int, list[float]](), [-(10**6)] * N_ASSETS
    endings, stale, why = [], [], {}
    for t in range(N):
        row, now = inputs.before + t, sum(worth) + cash
        worth = [worth[a] * (1 + inputs.returns[row, a]) for a in range(N_ASSETS)]
        cash *= 1 + inputs.idle[row]
        gross = (sum(worth) + cash) / now - 1
        days = (inputs.dates[t] - inputs.dates[t - 1]).astype(int) if t else 0
        cost = owed + fee * days
        assert block.gross[t] == pytest.approx(gross, abs=1e-13)
        assert block.cost[t] == pytest.approx(cost, abs=1e-14)
        assert block.net[t] == pytest.approx((1 - cost) * (1 + gross) - 1, abs=1e-13)
        nav = sum(worth) + cash
        before = [it / nav for it in worth]
        if t % 2 == 0 and row + 1 >= LOOKBACK:
            seen = inputs.observed[row + 1 - LOOKBACK : row + 1].all(axis=0)
            may = [bool(inputs.priced[t, a] and seen[a] and not inputs.ended[t, a]) for a in range(N_ASSETS)]
            held = [may[a] and bool(inputs.member[t, a]) for a in range(N_ASSETS)]
            weight = (1 - reserve) * (-1 if short else 1) / max(sum(held), 1)
            if any(held) or decided:
                decided[t] = [weight * it for it in held]
                why[t] = [
                    "not a member" if not inputs.member[t, a] else "" if held[a] else "ineligible"
                    for a in range(N_ASSETS)
                ]
        target = decided.get(t - lag)
        after = list(before)
        for a in range(N_ASSETS):
            if inputs.ended[t, a]:
                over[a] = t
            if target is not None:
                waits[a] = target[a]
                if over[a] >= t - lag:  # it has ended since that was decided
                    del waits[a]
            absent[a] = 0 if inputs.priced[t, a] else min(absent[a] + 1, 4)
            if inputs.ended[t, a]:
                waits.pop(a, None)
                after[a] = 0.0
                endings += [(t, a, before[a])] if before[a] else []
            elif inputs.priced[t, a] and a in waits:
                after[a] = waits.pop(a)
            elif absent[a] == 4 and before[a]:
                after[a] = 0.0
                stale.append(t)
            if after[a] == 0.0 and waits.get(a) == 0.0:
                del waits[a]  # there is nothing to sell
        trades = [abs(one - other) for one, other in zip(after, before, strict=True)]
        owed = sum(it * (rate(t, a, "commission_bp") + rate(t, a, "slippage_bp")) for a, it in enumerate(trades))
        fee = sum(max(-it, 0) * rate(t, a, "borrow_bp") / 365 for a, it in enumerate(after))
        worth = [it * nav for it in after]
        cash = nav - sum(worth)
        assert np.asarray(block.held.after)[t] == pytest.approx(after, abs=1e-13)
        assert block.turnover[t] == pytest.approx(sum(trades) / 2, abs=1e-13)
        assert bool(block.traded[t]) == (target is not None or sum(trades) > 0)
    made = block.decisions
    assert made.rows.tolist() == list(decided)
    assert np.allclose(made.weights, [*decided.values()], atol=1e-15) if decided else not len(made.rows)
    assert [[REASONS[code] for code in codes] for codes in made.reasons] == [*why.values()]
    found = block.endings
    told = [] if found is None else [*zip(found.rows.tolist(), found.assets.tolist(), found.held.tolist(), strict=True)]
    assert [it[:2] for it in told] == [it[:2] for it in endings]
    assert [it[2] for it in told] == pytest.approx([it[2] for it in endings], abs=1e-13)
    assert block.closed.tolist() == [stale.count(t) for t in range(N)]
    assert block.idle is not None and block.idle.tolist() == inputs.idle[inputs.before :].tolist()
    assert {a: it for a, it in enumerate(state.waiting.tolist()) if it == it} == pytest.approx(waits)


@examples(80)
@given(DRAWS, st.sampled_from([0, 1, 2, 5]), st.sets(st.integers(1, N - 1), max_size=3), st.integers(1, 3))
def test_it_does_not_matter_where_it_is_cut(seed: int, lag: int, cuts: set[int], after: int) -> None:
    """Among others, between the end of an asset that trades on and what was decided before it and is due behind it."""
    inputs = drawn(seed)
    assert inputs.ended is not None
    end = int(np.flatnonzero(inputs.ended[:, 1])[0])
    stops = sorted(cuts | {min(end + after, N - 1), N})
    leaf = spec(lag=lag, cash=Cash("x", 0.1))
    whole, over = leaf_over(leaf, LeafState.initial(N_ASSETS), inputs, stops, Stopwatch(), NOTHING)
    state, blocks, start = LeafState.initial(N_ASSETS), [], 0
    for stop, (left, block) in zip(stops, over, strict=True):
        state, made = walk(leaf, cut_out(inputs, slice(start, stop)), state)
        assert [*differing(state, left, "state")] == [] and [*differing(made, block, "block")] == []
        blocks.append(made)
        start = stop
    joined, alone = join(blocks), walk(leaf, inputs)[1]
    for one in (joined, whole):
        assert [*differing(replace(one, held=alone.held), alone, "whole")] == []
        assert isinstance(one.held, Assets) and isinstance(alone.held, Assets)
        assert np.asarray(one.held.after).tobytes() == np.asarray(alone.held.after).tobytes()


@examples(60)
@given(DRAWS, st.sampled_from([0, 1, 3]))
def test_holdings_between_trades_are_followed_with_what_cash_earned(seed: int, lag: int) -> None:
    inputs = drawn(seed)
    _, block = walk(spec(lag=lag), inputs)
    after = np.asarray(block.held.after)
    market = lambda rows: inputs.returns[inputs.before :][rows]  # noqa: E731
    rows = FollowedRows.of(after, block.traded, market, block.decisions.weights, block.idle)
    assert np.asarray(rows).tobytes() == after.tobytes()


@examples(60)
@given(DRAWS, st.integers(1, N - 1), st.integers(1, 4))
def test_what_is_decided_on_is_what_is_held_before_trading(seed: int, stop: int, lag: int) -> None:
    """Ahead of a session's trades: drifted with what cash earned, without what ended in it; and what is under way."""
    inputs = drawn(seed)
    assert inputs.idle is not None and inputs.ended is not None
    idle = inputs.idle[inputs.before :]
    args = inputs.dates, inputs.returns[inputs.before :], np.ones((N, N_ASSETS), bool), 4, idle, inputs.ended, lag
    state = replace(LeafState.initial(N_ASSETS), holdings=np.array([0.3, -0.2, 0.4, 0.1]))
    due, nothing = np.full(N, -1, np.int64), np.empty((0, N_ASSETS))
    hold, further = LeafHoldings(state, *args), LeafHoldings(state, *args)
    hold.until(stop, due, nothing)
    further.until(stop + 1, due, nothing)
    assert hold.ahead() == pytest.approx(further.after[stop], abs=1e-15)
    aim, gone = np.full(N_ASSETS, 0.25), inputs.ended[max(stop - lag, 0) : stop + 1].any(axis=0)
    assert hold.aimed(aim, stop - lag).tolist() == np.where(gone, 0.0, 0.25).tolist()
    assert hold.aimed(np.full(N_ASSETS, np.nan), -1).tolist() == [0.0] * N_ASSETS


@examples(60)
@given(DRAWS, st.sampled_from([0, 1, 2, 5]), st.integers(1, 4))
def test_what_is_decided_in_turn_does_not_depend_on_where_it_is_cut(seed: int, lag: int, after: int) -> None:
    inputs = drawn(seed)
    assert inputs.ended is not None
    cut = min(int(np.flatnonzero(inputs.ended[:, 1])[0]) + after, N - 1)
    optimizer = Estimator("min_variance", {"max_turnover": 0.3})
    leaf = spec(lag=lag, schedule=Schedule(every=1), optimizer=optimizer, cash=Cash("x", 0.1), min_coverage=0.6)
    end, alone = walk(leaf, inputs)
    state, first = walk(leaf, cut_out(inputs, slice(0, cut)))
    state, second = walk(leaf, cut_out(inputs, slice(cut, N)), state)
    joined = join([first, second])
    assert [*differing(state, end, "state")] == []
    assert [*differing(replace(joined, held=alone.held), alone, "whole")] == []


@pytest.mark.parametrize("reserve", [0.0, 0.3])
def test_a_turnover_is_that_of_what_is_invested(reserve: float) -> None:
    """Decisions that follow on one that is under way trade away from it, as parts of what is not reserved."""
    rng = np.random.default_rng(3)
    flags, dates = np.ones((40, N_ASSETS), bool), np.datetime64("2021-01-04") + np.arange(30)
    inputs = LeafInputs(dates, 10, rng.normal(0, 0.02, (40, N_ASSETS)), flags, flags[10:])
    optimizer = Estimator("min_variance", {"max_turnover": 0.02})
    leaf = spec(lookback=10, lag=3, schedule=Schedule(every=1), optimizer=optimizer, cash=Cash(None, reserve))
    weights = walk(leaf, inputs)[1].decisions.weights / (1 - reserve)
    assert len(weights) == 30 and weights.sum(axis=1) == pytest.approx(np.ones(30), abs=1e-12)
    turnover = np.abs(np.diff(weights, axis=0)).sum(axis=1) / 2
    assert turnover.max() == pytest.approx(0.02, abs=1e-9)


def test_what_is_queued_forgets_what_ended_since_it_was_decided() -> None:
    ended = np.zeros((6, 2), bool)
    ended[3, 1] = True
    dates = np.datetime64("2021-01-04") + np.arange(6)
    priced = np.ones((6, 2), bool)
    hold = LeafHoldings(LeafState.initial(2), dates, np.zeros((6, 2)), priced, 4, None, ended, lag=4)
    queue = Queue(np.array([0, 1, 2, 3]), np.full((4, 2), 0.5))  # decided in sessions 2, 3, 4 and 5
    left = hold.left_of(queue, 6).weights
    assert np.isnan(left).tolist() == [[False, True], [False, True], [False, False], [False, False]]
    assert not np.isnan(hold.left_of(queue, 3).weights).any()


def test_a_stock_that_pays_nothing_beside_cash_at_five_per_cent() -> None:
    """Half in a stock that stands still, half in cash at 5 %, actual/360: each day earns 0.05 / 360 of what is cash."""
    n = 4
    dates = np.array(["2021-01-04", "2021-01-05", "2021-01-08", "2021-01-11"], "M8[D]")
    idle = 0.05 / 360 * np.array([0.0, 1.0, 3.0, 3.0])
    flags = np.ones((n + 1, 1), bool)
    inputs = LeafInputs(dates, 1, np.zeros((n + 1, 1)), flags, flags[1:], idle=np.append(0.0, idle))
    leaf = Leaf(
        dataset="d", universe=("A",), lookback=1, lag=0, schedule=Schedule(every=10), cash=Cash("x", 0.5),
        optimizer=Estimator("equal"),
    )  # fmt: skip
    _, block = advance_leaf(leaf, LeafState.initial(1), inputs, Stopwatch())
    nav, cash = 1.0, 0.5
    for t in range(1, n):
        cash *= 1 + idle[t]
        assert block.gross[t] == pytest.approx((0.5 + cash) / nav - 1, abs=1e-16)
        nav = 0.5 + cash
    assert nav == pytest.approx(0.5 + 0.5 * (1 + 0.05 / 360) * (1 + 0.15 / 360) ** 2, abs=1e-15)


def test_proceeds_of_a_short_earn_as_cash_does() -> None:
    """One NAV short of what stands still: two NAVs of cash, R = 2 f."""
    flags = np.ones((4, 1), bool)
    dates = np.datetime64("2021-01-04") + np.arange(3)
    inputs = LeafInputs(dates, 1, np.zeros((4, 1)), flags, flags[1:], idle=np.array([0.0, 0.0, 1e-4, 1e-4]))
    leaf = Leaf(
        dataset="d", universe=("A",), lookback=1, lag=0, schedule=Schedule(every=10), direction="short",
        costs=Costs(borrow_bp=365.0),
    )  # fmt: skip
    _, block = advance_leaf(leaf, LeafState.initial(1), inputs, Stopwatch())
    assert block.gross[1] == pytest.approx(2e-4, abs=1e-18) and block.cost[1] == pytest.approx(1e-4, abs=1e-18)
    short = 1 / (1 + 2e-4)
    assert block.gross[2] == pytest.approx((1 + short) * 1e-4, abs=1e-18)


def test_a_delisting_at_minus_55_per_cent_by_hand() -> None:
    """Two stocks at 50 %; one loses 55 % in its last session and is cash from then on, until the next decision."""
    dates = np.datetime64("2021-01-04") + np.arange(5)
    returns = np.array([[0, 0], [0, 0], [0.1, 0.0], [-0.55, 0.1], [0, 0.1], [0, 0.0]], float)
    priced = np.ones((6, 2), bool)
    priced[3:, 0] = False  # it has no price in its last session
    ended = np.zeros((5, 2), bool)
    ended[2, 0] = True
    inputs = LeafInputs(dates, 1, returns, priced, priced[1:], ended=ended)
    leaf = Leaf(dataset="d", universe=("A", "B"), lookback=1, lag=0, schedule=Schedule(every=4))
    _, block = advance_leaf(leaf, LeafState.initial(2), inputs, Stopwatch())
    nav = [1.0, 1.05, 0.5 * 1.1 * 0.45 + 0.55, 0.2475 + 0.605, 0.2475 + 0.605]
    assert np.cumprod(1 + block.gross).tolist() == pytest.approx(nav, abs=1e-15)
    after = np.asarray(block.held.after)
    assert after[2].tolist() == pytest.approx([0.0, 0.55 / nav[2]]) and after[4].tolist() == pytest.approx([0.0, 1.0])
    assert block.endings is not None and block.endings.rows.tolist() == [2] and block.endings.assets.tolist() == [0]
    assert block.endings.held == pytest.approx([0.2475 / nav[2]]) and not block.closed.any()
    assert isinstance(block.held, Assets) and block.held.gaps is not None
    assert block.held.gaps.tradable[2].tolist() == [True, True]  # a parent closes its share with it
    assert block.held.gaps.tradable[3].tolist() == [False, True]
