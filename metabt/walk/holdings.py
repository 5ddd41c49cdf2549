"""Holdings: drift and trades of one book over one partition, with NAV accounting.

Per session t, in this order:

1. earn: `R_t = h' r_t + (1 - sum h) f_t`, with f_t what cash earned; without `idle` that is nothing
2. drift: `h <- h (1 + r_t) / (1 + R_t)`, exact for shorts (h < 0) too; `1 + R_t <= 0` is ruin
3. close for good what `ended` (a delisting, a merger): it has earned the session, its money is cash, and nothing that
   was decided by then opens it again
4. trade what is due and has a price; what has none waits, the newest target wins, and cash absorbs the difference;
   with a `band` what has drifted no further from its target is left alone (metabt.walk.trading.bands)
5. close what has had no price for `stale_after` sessions at its last price

What was traded is charged for in `metabt.walk.costs`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.numerics.kernels import FAST, inner, kernel
from metabt.walk.drift import drift, gained
from metabt.walk.trading.bands import leave

_drift = inner()(drift)
"""The formula inside kernels, for one holding at a time."""

_gained = inner()(gained)
"""The other one."""

NO_IDLE = np.empty(0)
"""What kernels are given for `idle` where cash earns nothing."""

ALIVE = -1
"""What the kernels return when no session ruined the book; else the row of that session."""


@dataclass(frozen=True)
class Queue:
    """Decisions that are fixed and not yet traded."""

    due: np.ndarray
    """(n_queued,) int64 sessions until each is traded; 0 is the next session of the schedule's calendar."""
    weights: np.ndarray
    """(n_queued, n_items) what they hold."""

    @classmethod
    def empty(cls, n_items: int) -> Queue:
        """Return a queue of nothing."""
        return cls(np.empty(0, np.int64), np.empty((0, n_items)))

    def extend(self, rows: np.ndarray, weights: np.ndarray, lag: int) -> Queue:
        """Return the queue with decisions of the partition's sessions `rows` added."""
        return Queue(np.concatenate([self.due, rows + lag]), np.concatenate([self.weights, weights]))

    def split(self, n_sessions: int) -> tuple[np.ndarray, Queue]:
        """Return which decision is traded in each of the next sessions (-1: none), and the queue after them."""
        due = np.full(n_sessions, -1, np.int64)
        now = self.due < n_sessions
        due[self.due[now]] = np.flatnonzero(now)
        return due, Queue(self.due[~now] - n_sessions, np.ascontiguousarray(self.weights[~now]))

    def after(self, count: int, n_sessions: int) -> Queue:
        """Return what is left of the first `count` decisions after so many sessions; those due first come first."""
        first = min(int(np.searchsorted(self.due, n_sessions)), count)
        return Queue(self.due[first:count] - n_sessions, self.weights[first:count].copy())


@inner(fastmath=FAST)
def earnings(held, returns):
    """Return what holdings earn in a session, `h' r`."""
    gain = 0.0
    for a in range(len(held)):
        gain += held[a] * returns[a]
    return gain


@inner(fastmath=FAST)
def invested(held):
    """Return the sum of holdings."""
    total = 0.0
    for a in range(len(held)):
        total += held[a]
    return total


@inner()
def _earnings_in_order(held, returns):
    """Return the same, added up one after another: a column that holds nothing changes no bit of it."""
    gain = 0.0
    for a in range(len(held)):
        gain += held[a] * returns[a]
    return gain


@inner()
def _invested_in_order(held):
    """Return the sum of holdings, the same."""
    total = 0.0
    for a in range(len(held)):
        total += held[a]
    return total


@inner()
def _any(flags):
    """Return whether any flag is set."""
    some = False
    for a in range(len(flags)):
        some |= flags[a]
    return some


@inner()
def _all(flags):
    """Return whether all flags are set, without stopping at the first that is not."""
    every = True
    for a in range(len(flags)):
        every &= flags[a]
    return every


@kernel()
def hold_assets(
    returns: np.ndarray,
    priced: np.ndarray,
    due: np.ndarray,
    targets: np.ndarray,
    holdings: np.ndarray,
    waiting: np.ndarray,
    stale: np.ndarray,
    stale_after: int,
    before: np.ndarray,
    after: np.ndarray,
    gross: np.ndarray,
    traded: np.ndarray,
    closed: np.ndarray,
    idle: np.ndarray,
    ended: np.ndarray,
    barred: np.ndarray,
    ordered: bool,
    band: float = 0.0,
) -> int:
    """Hold assets over a partition; returns ALIVE or the row of ruin.

    `returns`, `priced`, `after` (n_sessions, n_assets); `due`, `gross`, `traded` (n_sessions,); `targets` (n_decisions,
    n_assets); `holdings`, `waiting` (NaN: nothing waits) and `stale` (n_assets,) are the state, updated in place;
    `after`, `gross`, `traded` and `closed` (n_sessions, n_assets) are filled. `before` has as many rows; the first ones
    are filled, one for each session in which anything trades.

    `idle` (n_sessions,) is what cash earns, empty for nothing. `ended` (n_sessions, n_assets) closes an asset, and
    `barred` drops what is due in it; both are empty, (0, n_assets), where nothing ends. With `ordered` sums are taken
    one after another: they do not depend on what else there is that could be held. With a `band` above 0 a session in
    which a decision is due and nothing moves has traded nothing.
    """
    n_sessions, n_assets = returns.shape
    trades, settled, ends, pays = 0, False, len(ended) > 0, len(idle) > 0
    whole = not band > 0.0
    for t in range(n_sessions):
        row, kept = returns[t], before[trades]
        gain = _earnings_in_order(holdings, row) if ordered else earnings(holdings, row)
        if pays:
            held_in_all = _invested_in_order(holdings) if ordered else invested(holdings)
            gain = _gained(gain, held_in_all, idle[t])
        gross[t] = gain
        if not 1.0 + gain > 0.0:
            return t
        for a in range(n_assets):
            kept[a] = _drift(holdings[a], row[a], gain)
        if due[t] < 0 and settled and _all(priced[t]) and not (ends and _any(ended[t])):
            for a in range(n_assets):
                holdings[a] = after[t, a] = kept[a]
            continue
        settled = True
        if not whole:
            for a in range(n_assets):
                if due[t] >= 0:
                    waiting[a] = np.nan if ends and barred[t, a] else targets[due[t], a]
                if ends and ended[t, a]:
                    waiting[a] = np.nan
            leave(kept, waiting, priced[t], band)
        for a in range(n_assets):
            held = kept[a]
            if whole and due[t] >= 0:
                waiting[a] = np.nan if ends and barred[t, a] else targets[due[t], a]
            if ends and ended[t, a]:
                waiting[a] = np.nan
                held = 0.0
            if priced[t, a]:
                stale[a] = 0
                if not np.isnan(waiting[a]):
                    held = waiting[a]
                    waiting[a] = np.nan
            else:
                settled = False
                # capped: a state that kept counting would never again be what it was
                stale[a] = min(stale[a] + 1, stale_after)
                if stale[a] >= stale_after and held != 0.0:
                    held = 0.0
                    closed[t, a] = True
                if held == 0.0 and waiting[a] == 0.0:
                    waiting[a] = np.nan  # there is nothing to sell
            holdings[a] = after[t, a] = held
            if held != kept[a]:
                traded[t] = True
        if whole and due[t] >= 0:
            traded[t] = True
        if traded[t]:
            trades += 1
    return ALIVE


@kernel()
def hold_shares(
    returns: np.ndarray,
    earned: np.ndarray,
    due: np.ndarray,
    targets: np.ndarray,
    shares: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    gross: np.ndarray,
    traded: np.ndarray,
    idle: np.ndarray,
    band: float = 0.0,
) -> int:
    """Hold shares in children over a partition in which every trade can be made; returns ALIVE or the row of ruin.

    `returns` (n_sessions, n_children) are the children's gross returns, which shares drift with, and `earned`, of the
    same shape, what a unit of each makes in the parent's session (metabt.walk.meta.aggregation): the same numbers
    unless the cash of a child accrues by other sessions than the parent's. The other arguments are as in `hold_assets`.
    """
    n_sessions, n_children = returns.shape
    pays = len(idle) > 0
    for t in range(n_sessions):
        gain = earnings(shares, earned[t])
        if pays:
            gain = _gained(gain, invested(shares), idle[t])
        gross[t] = gain
        if not 1.0 + gain > 0.0:
            return t
        for c in range(n_children):
            shares[c] = _drift(shares[c], returns[t, c], gain)
            before[t, c] = shares[c]
            if due[t] >= 0:
                shares[c] = targets[due[t], c]
            after[t, c] = shares[c]
        traded[t] = due[t] >= 0
        if band > 0.0 and due[t] >= 0:
            leave(before[t], shares, None, band)
            traded[t] = False
            for c in range(n_children):
                after[t, c] = shares[c]
                traded[t] |= after[t, c] != before[t, c]
    return ALIVE


@kernel()
def hold_shares_with_gaps(
    returns: np.ndarray,
    earned: np.ndarray,
    due: np.ndarray,
    targets: np.ndarray,
    shares: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    gross: np.ndarray,
    traded: np.ndarray,
    idle: np.ndarray,
    child_of: np.ndarray,
    books: np.ndarray,
    asset_returns: np.ndarray,
    tradable: np.ndarray,
    carried: np.ndarray,
    carried_before: np.ndarray,
    carried_after: np.ndarray,
    band: float = 0.0,
) -> int:
    """As `hold_shares`, where some assets of the children's books cannot be traded in every session.

    When shares are traded, a flattened position that has no price stays what it was. The difference to `share x child
    holding` is carried beside the shares (`carried`, (n_columns,), state, updated in place), earns the asset's return,
    and is traded away in the first session in which the asset is tradable. `books`, `asset_returns` and `tradable` are
    (n_sessions, n_columns): the children's holdings after trading, and their assets' returns; `child_of` (n_columns,).
    """
    n_sessions, n_children = returns.shape
    n_columns, pays = len(child_of), len(idle) > 0
    for t in range(n_sessions):
        # in order: an asset that nothing is carried of changes no bit, and later members are among the columns
        gain = earnings(shares, earned[t]) + _earnings_in_order(carried, asset_returns[t])
        if pays:
            gain = _gained(gain, invested(shares) + _invested_in_order(carried), idle[t])
        gross[t] = gain
        if not 1.0 + gain > 0.0:
            return t
        for c in range(n_children):
            before[t, c] = _drift(shares[c], returns[t, c], gain)
            shares[c] = targets[due[t], c] if due[t] >= 0 else before[t, c]
            after[t, c] = shares[c]
        traded[t] = due[t] >= 0
        if band > 0.0 and due[t] >= 0:
            leave(before[t], shares, None, band)
            traded[t] = False
            for c in range(n_children):
                after[t, c] = shares[c]
                traded[t] |= after[t, c] != before[t, c]
        for j in range(n_columns):
            carried[j] = _drift(carried[j], asset_returns[t, j], gain)
            carried_before[t, j] = carried[j]
            if tradable[t, j]:
                if carried[j] != 0.0:
                    traded[t] = True
                carried[j] = 0.0
            else:
                carried[j] += (before[t, child_of[j]] - shares[child_of[j]]) * books[t, j]
            carried_after[t, j] = carried[j]
    return ALIVE
