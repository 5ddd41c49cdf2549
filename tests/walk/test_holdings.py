"""Holdings: the kernels against a book in money, one asset at a time; what is queued, session by session."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.walk.drift import drift
from metabt.walk.holdings import (
    ALIVE,
    NO_IDLE,
    Queue,
    earnings,
    hold_assets,
    hold_shares,
    hold_shares_with_gaps,
)
from tests.shared.laws import DRAWS, examples

CLOSE = {"rtol": 0.0, "atol": 1e-12}


class Money:
    """A book in money: what each position is worth, and cash beside them, which earns nothing."""

    def __init__(self, held: np.ndarray) -> None:
        self.worth, self.cash = [float(it) for it in held], 1.0 - float(held.sum())

    @property
    def nav(self) -> float:
        return sum(self.worth) + self.cash

    def earn(self, returns: np.ndarray) -> float:
        before = self.nav
        self.worth = [worth * (1.0 + float(r)) for worth, r in zip(self.worth, returns, strict=True)]
        return self.nav / before - 1.0

    def trade(self, a: int, weight: float, nav: float) -> None:
        self.cash += self.worth[a] - weight * nav
        self.worth[a] = weight * nav

    @property
    def weights(self) -> np.ndarray:
        return np.array(self.worth) / self.nav


def nothing_ends(n_assets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what the kernel is given where no asset ends."""
    return np.zeros((0, n_assets), bool), np.zeros((0, n_assets), bool)


def due_rows(rng: np.random.Generator, n_sessions: int, n_decisions: int) -> np.ndarray:
    """Return which decision each session trades, each at most once and in order, -1 for none."""
    due = np.full(n_sessions, -1, np.int64)
    n_due = int(rng.integers(0, min(n_sessions, n_decisions) + 1))
    due[np.sort(rng.choice(n_sessions, n_due, replace=False))] = np.sort(rng.choice(n_decisions, n_due, replace=False))
    return due


@examples(50)
@given(DRAWS, st.integers(1, 4))
def test_drift_is_that_of_a_book_in_money(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    held, returns = rng.uniform(-0.5, 0.8, n), rng.uniform(-0.2, 0.3, n)
    book = Money(held)
    gain = book.earn(returns)
    assert earnings.py_func(held, returns) == pytest.approx(gain, abs=1e-13)
    assert np.allclose(drift(held, returns, gain), book.weights, **CLOSE)


@examples(50)
@given(DRAWS, st.integers(1, 14), st.integers(1, 4), st.sampled_from([0.0, 0.3, 0.7]), st.integers(1, 3))
def test_assets_are_held_as_a_book_in_money_holds_them(
    seed: int, n_sessions: int, n_assets: int, missing: float, stale_after: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = n_sessions, n_assets
    returns, priced = rng.normal(0, 0.03, shape), rng.random(shape) >= missing
    targets = rng.uniform(-0.4, 0.8, (5, n_assets)) * (rng.random((5, n_assets)) < 0.7)
    due = due_rows(rng, n_sessions, 5)
    holdings = rng.uniform(-0.3, 0.5, n_assets) * (rng.random(n_assets) < 0.7)
    waiting = np.where(rng.random(n_assets) < 0.3, rng.uniform(-0.2, 0.4, n_assets), np.nan)
    stale = np.where(np.isnan(waiting), 0, rng.integers(0, stale_after, n_assets))
    book = Money(holdings)
    wanted = {a: float(weight) for a, weight in enumerate(waiting) if not np.isnan(weight)}
    absent = stale.tolist()
    before, after, gross = np.full(shape, 9.0), np.full(shape, 9.0), np.full(n_sessions, 9.0)
    traded, closed = np.zeros(n_sessions, bool), np.zeros(shape, bool)
    state = holdings.copy(), waiting.copy(), stale.astype(np.int64)
    made = before, after, gross, traded, closed, NO_IDLE, *nothing_ends(n_assets), bool(seed % 2)
    assert hold_assets(returns, priced, due, targets, *state, stale_after, *made) == ALIVE
    n_traded = 0
    for t in range(n_sessions):
        assert gross[t] == pytest.approx(book.earn(returns[t]), abs=1e-13)
        drifted, nav, moved, over = book.weights, book.nav, due[t] >= 0, []
        if due[t] >= 0:
            wanted = dict(enumerate(targets[due[t]].tolist()))
        for a in range(n_assets):
            absent[a] = 0 if priced[t, a] else min(absent[a] + 1, stale_after)
            if priced[t, a] and a in wanted:
                weight = wanted.pop(a)
                moved = moved or abs(weight - drifted[a]) > 1e-12
                book.trade(a, weight, nav)
            elif absent[a] == stale_after and abs(book.worth[a]) > 0.0:
                book.trade(a, 0.0, nav)
                moved, over = True, [*over, a]
            if book.worth[a] == 0.0 and wanted.get(a) == 0.0:
                del wanted[a]  # there is nothing to sell
        assert bool(traded[t]) == bool(moved) and np.flatnonzero(closed[t]).tolist() == over
        assert np.allclose(after[t], book.weights, **CLOSE)
        if moved:
            assert np.allclose(before[n_traded], drifted, **CLOSE)
            n_traded += 1
    assert np.allclose(state[0], book.weights, **CLOSE) and state[2].tolist() == absent
    assert {a: float(state[1][a]) for a in np.flatnonzero(~np.isnan(state[1])).tolist()} == wanted


@examples(50)
@given(DRAWS, st.integers(1, 10), st.integers(1, 4))
def test_shares_are_held_as_a_book_in_money_holds_them(seed: int, n_sessions: int, n_children: int) -> None:
    rng = np.random.default_rng(seed)
    shape = n_sessions, n_children
    returns, targets = rng.normal(0, 0.03, shape), rng.uniform(0, 0.5, (5, n_children))
    due, shares = due_rows(rng, n_sessions, 5), rng.uniform(0, 0.4, n_children)
    book = Money(shares)
    before, after, gross, traded = np.empty(shape), np.empty(shape), np.empty(n_sessions), np.ones(n_sessions, bool)
    assert hold_shares(returns, returns, due, targets, shares, before, after, gross, traded, NO_IDLE) == ALIVE
    for t in range(n_sessions):
        assert gross[t] == pytest.approx(book.earn(returns[t]), abs=1e-13)
        assert np.allclose(before[t], book.weights, **CLOSE)
        nav = book.nav
        for c in range(n_children):
            if due[t] >= 0:
                book.trade(c, targets[due[t], c], nav)
        assert np.allclose(after[t], book.weights, **CLOSE) and bool(traded[t]) == (due[t] >= 0)
    assert np.allclose(shares, book.weights, **CLOSE)


@examples(50)
@given(DRAWS, st.integers(1, 10), st.integers(1, 3), st.sampled_from([0.0, 0.4]))
def test_what_cannot_be_traded_stays_what_it_was_beside_the_shares(
    seed: int, n_sessions: int, n_children: int, missing: float
) -> None:
    """In money: a flattened position without a price changes by its return alone, whatever becomes of the shares."""
    rng = np.random.default_rng(seed)
    child_of = np.sort(np.concatenate([np.arange(n_children), rng.integers(0, n_children, 3)]))
    n_columns, shape = len(child_of), (n_sessions, n_children)
    asset_returns = rng.normal(0, 0.03, (n_sessions, n_columns))
    tradable = rng.random((n_sessions, n_columns)) >= missing
    books = rng.uniform(-0.2, 0.5, (n_sessions, n_columns))
    returns, targets = rng.normal(0, 0.03, shape), rng.uniform(0, 0.5, (5, n_children))
    due, shares = due_rows(rng, n_sessions, 5), rng.uniform(0, 0.4, n_children)
    carried = rng.uniform(-0.1, 0.1, n_columns) * (rng.random(n_columns) < 0.5)
    book = Money(np.concatenate([shares, carried]))
    before, after, gross, traded = np.empty(shape), np.empty(shape), np.empty(n_sessions), np.zeros(n_sessions, bool)
    sides = np.empty((2, n_sessions, n_columns))
    made = before, after, gross, traded, NO_IDLE, child_of, books, asset_returns, tradable, carried, *sides
    assert hold_shares_with_gaps(returns, returns, due, targets, shares, *made) == ALIVE
    for t in range(n_sessions):
        gain = book.earn(np.concatenate([returns[t], asset_returns[t]]))
        assert gross[t] == pytest.approx(gain, abs=1e-13)
        drifted, nav = book.weights, book.nav
        own, beyond = drifted[:n_children], drifted[n_children:]
        assert np.allclose(before[t], own, **CLOSE) and np.allclose(sides[0][t], beyond, **CLOSE)
        dealt = due[t] >= 0
        now = targets[due[t]] if dealt else own
        for c in range(n_children):
            book.trade(c, now[c], nav)
        for j, c in enumerate(child_of.tolist()):
            position = own[c] * books[t, j] + beyond[j]  # as it stood before shares were traded
            book.trade(n_children + j, 0.0 if tradable[t, j] else position - now[c] * books[t, j], nav)
        assert bool(traded[t]) == bool(dealt or (tradable[t] & (sides[0][t] != 0.0)).any())
        assert np.allclose(after[t], now, **CLOSE) and np.allclose(sides[1][t], book.weights[n_children:], **CLOSE)
    assert np.allclose(shares, after[-1], **CLOSE) and (carried == sides[1][-1]).all()


@pytest.mark.parametrize("row", [0, 2])
@pytest.mark.parametrize("loss", [-1.0, -1.2, np.nan])
@pytest.mark.parametrize("kind", ["assets", "shares", "with gaps"])
def test_a_book_that_lost_everything_is_ruined_in_that_session(kind: str, row: int, loss: float) -> None:
    returns = np.zeros((4, 2))
    returns[row, 0] = loss  # of all that is held
    due, targets, held = np.full(4, -1, np.int64), np.empty((0, 2)), np.array([1.0, 0.0])
    before, after, gross, traded = np.empty((4, 2)), np.empty((4, 2)), np.zeros(4), np.zeros(4, bool)
    made = before, after, gross, traded
    sure = np.ones((4, 2), bool)
    if kind == "assets":
        state = held, np.full(2, np.nan), np.zeros(2, np.int64)
        rest = np.zeros((4, 2), bool), NO_IDLE, *nothing_ends(2), False
        ruin = hold_assets(returns, sure, due, targets, *state, 3, *made, *rest)
    elif kind == "shares":
        ruin = hold_shares(returns, returns, due, targets, held, *made, NO_IDLE)
    else:
        beneath = np.ones((4, 2)), np.zeros((4, 2)), sure, np.zeros(2), np.empty((4, 2)), np.empty((4, 2))
        ruin = hold_shares_with_gaps(returns, returns, due, targets, held, *made, NO_IDLE, np.arange(2), *beneath)
    assert ruin == row and not gross[:row].any()
    assert gross[row] == pytest.approx(loss, nan_ok=True)


def test_a_book_that_lost_almost_everything_is_not_ruined() -> None:
    held, made = np.array([1.0]), (np.empty((2, 1)), np.empty((2, 1)), np.zeros(2), np.zeros(2, bool))
    due = np.full(2, -1, np.int64)
    lost = np.array([[-1 + 1e-12], [0.5]])
    assert hold_shares(lost, lost, due, np.empty((0, 1)), held, *made, NO_IDLE) == ALIVE
    assert held == pytest.approx([1.0])


@examples(50)
@given(DRAWS, st.sampled_from([0, 1, 3, 8]), st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_every_decision_is_traded_a_lag_after_it_wherever_partitions_end(seed: int, lag: int, sizes: list[int]) -> None:
    """Sessions are counted from the start; a queue counts from the partition that comes next."""
    rng, decided, start = np.random.default_rng(seed), dict[int, np.ndarray](), 0
    queue = Queue.empty(2)
    assert queue.due.shape == (0,) and queue.due.dtype == np.int64 and queue.weights.shape == (0, 2)
    for size in sizes:
        rows = np.flatnonzero(rng.random(size) < 0.6)
        weights = rng.random((len(rows), 2))
        decided |= {start + row: it for row, it in zip(rows.tolist(), weights, strict=True)}
        queue = queue.extend(rows, weights, lag)
        known = queue.weights
        for count in range(len(queue.due) + 1):  # of the first decisions alone
            left = [(k, due - size) for k, due in enumerate(queue.due[:count].tolist()) if due >= size]
            after = queue.after(count, size)
            assert after.due.tolist() == [due for _, due in left]
            assert after.weights.tolist() == [known[k].tolist() for k, _ in left]
        whole = queue.after(len(queue.due), size)
        due, queue = queue.split(size)
        assert (whole.due == queue.due).all() and (whole.weights == queue.weights).all()
        for t in range(size):
            expected = decided.get(start + t - lag)
            assert (due[t] < 0) == (expected is None)
            assert expected is None or (known[due[t]] == expected).all()
        start += size
        waits = sorted(session for session in decided if session + lag >= start)
        assert (queue.due + start).tolist() == [session + lag for session in waits]
        assert [*map(list, queue.weights)] == [decided[session].tolist() for session in waits]
