"""Holdings: drift, trades and costs of one book over one partition, with NAV accounting.

Per session t, in this order:

1. earn: `R_t = h' r_t`; cash, `1 - sum h`, earns nothing
2. drift: `h <- h (1 + r_t) / (1 + R_t)`, exact for shorts (h < 0) too; `1 + R_t <= 0` is ruin
3. trade what is due and has a price; what has none waits, the newest target wins, and cash absorbs the difference
4. close what has had no price for `stale_after` sessions at its last price

Costs are charged to the next session: `net_{t+1} = (1 - c_t)(1 + R_{t+1}) - 1`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.numerics.kernels import FAST, inner, kernel
from metabt.portfolio.sleeve import Costs

ALIVE = -1
"""What the kernels return when no session ruined the book; else the row of that session."""

ROUNDING = 1e-12
"""Part of what is traded by which sums of the same trades in another order may differ."""


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


@inner(fastmath=FAST)
def earnings(held, returns):
    """Return what holdings earn in a session, `h' r`."""
    gain = 0.0
    for a in range(len(held)):
        gain += held[a] * returns[a]
    return gain


@inner()
def _drift(held, returns, gain, drifted):
    """Write what holdings have become by the end of a session."""
    for a in range(len(held)):
        drifted[a] = held[a] * (1.0 + returns[a]) / (1.0 + gain)


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
) -> int:
    """Hold assets over a partition; returns ALIVE or the row of ruin.

    `returns`, `priced`, `after` (n_sessions, n_assets); `due`, `gross`, `traded` (n_sessions,); `targets` (n_decisions,
    n_assets); `holdings`, `waiting` (NaN: nothing waits) and `stale` (n_assets,) are the state, updated in place;
    `after`, `gross`, `traded` and `closed` (n_sessions, n_assets) are filled. `before` has as many rows; the first ones
    are filled, one for each session in which anything trades.
    """
    n_sessions, n_assets = returns.shape
    trades, settled = 0, False
    for t in range(n_sessions):
        row, kept = returns[t], before[trades]
        gain = earnings(holdings, row)
        gross[t] = gain
        if not 1.0 + gain > 0.0:
            return t
        _drift(holdings, row, gain, kept)
        if due[t] < 0 and settled and _all(priced[t]):
            for a in range(n_assets):
                holdings[a] = after[t, a] = kept[a]
            continue
        settled = True
        for a in range(n_assets):
            held = kept[a]
            if due[t] >= 0:
                waiting[a] = targets[due[t], a]
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
            holdings[a] = after[t, a] = held
            if held != kept[a]:
                traded[t] = True
        if due[t] >= 0:
            traded[t] = True
        if traded[t]:
            trades += 1
    return ALIVE


@kernel()
def hold_shares(
    returns: np.ndarray,
    due: np.ndarray,
    targets: np.ndarray,
    shares: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    gross: np.ndarray,
    traded: np.ndarray,
) -> int:
    """Hold shares in children over a partition in which every trade can be made; returns ALIVE or the row of ruin.

    `returns` (n_sessions, n_children) are the children's gross returns; the other arguments are as in `hold_assets`.
    """
    n_sessions, n_children = returns.shape
    for t in range(n_sessions):
        gain = earnings(shares, returns[t])
        gross[t] = gain
        if not 1.0 + gain > 0.0:
            return t
        for c in range(n_children):
            shares[c] = shares[c] * (1.0 + returns[t, c]) / (1.0 + gain)
            before[t, c] = shares[c]
            if due[t] >= 0:
                shares[c] = targets[due[t], c]
            after[t, c] = shares[c]
        traded[t] = due[t] >= 0
    return ALIVE


@kernel()
def hold_shares_with_gaps(
    returns: np.ndarray,
    due: np.ndarray,
    targets: np.ndarray,
    shares: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    gross: np.ndarray,
    traded: np.ndarray,
    child_of: np.ndarray,
    books: np.ndarray,
    asset_returns: np.ndarray,
    tradable: np.ndarray,
    carried: np.ndarray,
    carried_before: np.ndarray,
    carried_after: np.ndarray,
) -> int:
    """As `hold_shares`, where some assets of the children's books cannot be traded in every session.

    When shares are traded, a flattened position that has no price stays what it was. The difference to `share x child
    holding` is carried beside the shares (`carried`, (n_columns,), state, updated in place), earns the asset's return,
    and is traded away in the first session in which the asset is tradable. `books`, `asset_returns` and `tradable` are
    (n_sessions, n_columns): the children's holdings after trading, and their assets' returns; `child_of` (n_columns,).
    """
    n_sessions, n_children = returns.shape
    n_columns = len(child_of)
    for t in range(n_sessions):
        gain = earnings(shares, returns[t]) + earnings(carried, asset_returns[t])
        gross[t] = gain
        if not 1.0 + gain > 0.0:
            return t
        for c in range(n_children):
            before[t, c] = shares[c] * (1.0 + returns[t, c]) / (1.0 + gain)
            shares[c] = targets[due[t], c] if due[t] >= 0 else before[t, c]
            after[t, c] = shares[c]
        traded[t] = due[t] >= 0
        for j in range(n_columns):
            carried[j] = carried[j] * (1.0 + asset_returns[t, j]) / (1.0 + gain)
            carried_before[t, j] = carried[j]
            if tradable[t, j]:
                if carried[j] != 0.0:
                    traded[t] = True
                carried[j] = 0.0
            else:
                carried[j] += (before[t, child_of[j]] - shares[child_of[j]]) * books[t, j]
            carried_after[t, j] = carried[j]
    return ALIVE


@dataclass(frozen=True)
class Trades:
    """What a book trades and is short of, netted over whatever holds the same asset."""

    traded: np.ndarray
    """(n_sessions,) sum of absolute trades, fraction of NAV."""
    short: np.ndarray
    """(n_sessions,) sum of short positions held over to the next session, positive."""


@dataclass(frozen=True)
class Unpaid:
    """What the last session of a partition leaves to be charged in the next."""

    traded: float = 0.0
    """Sum of absolute trades at its close."""
    short: float = 0.0
    """Short positions held over from it."""
    saved: float = 0.0
    """Cost that netting saved there."""


def charge(
    gross: np.ndarray, trades: Trades, days: np.ndarray, costs: Costs, unpaid: Unpaid
) -> tuple[np.ndarray, np.ndarray, Unpaid]:
    """Charge each session with the trades of the session before it and the borrow since then.

    Parameters
    ----------
    gross : (n_sessions,) returns before costs
    days : (n_sessions,) calendar days since the session before

    Returns
    -------
    cost : (n_sessions,) what the session is charged, a fraction of NAV
    net : (n_sessions,) `(1 - cost)(1 + gross) - 1`
    unpaid : what the next partition's first session will be charged
    """
    traded = _shifted(unpaid.traded, trades.traded)
    short = _shifted(unpaid.short, trades.short)
    cost = costs.rate * traded + costs.borrow_bp * 1e-4 / 365.0 * days * short
    net = np.where(cost == 0.0, gross, (1.0 - cost) * (1.0 + gross) - 1.0)
    return cost, net, Unpaid(float(trades.traded[-1]), float(trades.short[-1]))


def saved_by_netting(apart: Trades, netted: Trades, costs: Costs, unpaid: Unpaid) -> tuple[np.ndarray, float]:
    """Return what netting saves each session in costs, where it would have been charged, and what is left for the next.

    `apart` are the trades if each child traded for itself, `netted` those of the book; (n_sessions,), fraction of NAV.
    """
    cancelled = apart.traded - netted.traded  # never negative but for rounding: |a + b| <= |a| + |b|
    saved = costs.rate * np.where(cancelled > ROUNDING * apart.traded, cancelled, 0.0)
    return _shifted(unpaid.saved, saved), float(saved[-1])


def _shifted(first: float, values: np.ndarray) -> np.ndarray:
    """Return the values one session later, (n_sessions,), behind what the partition before left."""
    later = np.empty_like(values)
    later[0], later[1:] = first, values[:-1]
    return later
