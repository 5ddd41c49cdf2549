"""Walk a leaf over one partition.

1. windows: the last `lookback` returns of the eligible assets, as of each scheduled session
2. select, then optimize on what was selected; a short leaf does both on -r and holds -w
3. hold: trade `lag` sessions later, drift in between, close what has gone stale
4. charge
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metabt import holdings
from metabt.block import HELD, INELIGIBLE, UNSELECTED, Assets, Block, Decisions, Gaps, LeafState
from metabt.decision import build_selector, weigh
from metabt.holdings import Trades, charge
from metabt.joining import join_decisions
from metabt.meta.flattening import net_shorts, net_trades
from metabt.risk.contribution import ex_ante
from metabt.sleeve import Leaf
from metabt.steps import begin_of, check_alive, days_between, due_in, from_first, schedule
from metabt.stopwatch import HOLDING, OPTIMIZATION, SELECTION, Stopwatch
from metabt.windows import Windows

CHUNK = 2**20
"""Bytes of covariances that are made at a time: they are read again while a processor has them at hand."""


@dataclass(frozen=True)
class LeafInputs:
    """What a leaf reads for one partition: its sessions, and up to `lookback` sessions before them."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D]"""
    before: int
    """Rows of history ahead of the partition's first session."""
    returns: np.ndarray
    """(before + n_sessions, n_assets) simple returns, 0 in gaps."""
    observed: np.ndarray
    """(before + n_sessions, n_assets) bool: a price now and one before."""
    priced: np.ndarray
    """(n_sessions, n_assets) bool"""
    dollar_volume: np.ndarray | None = None
    """(before + n_sessions, n_assets) close x volume."""
    shared: dict[tuple[bytes, bytes], Windows] | None = None
    """Windows that others which read the same have cut, and with them their moments; None where nobody else does."""

    def windows(self, spec: Leaf, stops: np.ndarray) -> Windows:
        """Return the windows of a leaf that end before the rows `stops`."""
        key = stops.tobytes(), spec.signs.tobytes()
        if self.shared is not None and key in self.shared:
            return self.shared[key]
        signed = self.returns * spec.signs if spec.holds_shorts else self.returns
        lengths, sessions = np.full(len(stops), spec.lookback, np.int64), self.dates[stops - self.before - 1]
        windows = Windows(signed, stops, lengths, self.dollar_volume, spec.universe, sessions)
        if self.shared is not None:
            self.shared[key] = windows
        return windows


def advance_leaf(spec: Leaf, state: LeafState, inputs: LeafInputs, watch: Stopwatch) -> tuple[LeafState, Block]:
    """Take a leaf over one partition; see metabt.walk_forward.advance."""
    opens, clock = schedule(spec, state, inputs.dates)
    decisions = _decide_assets(spec, inputs, np.flatnonzero(opens), state.live, watch)
    due, targets, queue = due_in(state.queue, decisions.rows, decisions.weights, spec.lag, len(inputs.dates))
    with watch.lap(HOLDING, len(inputs.dates)):
        market = inputs.returns[inputs.before :]
        held = _hold_assets(spec, state, market, inputs, due, targets)
        trades = _trades(held, spec.costs.borrow_bp > 0)
        days = days_between(state.session, inputs.dates)
        cost, net, unpaid = charge(held.gross, trades, days, spec.costs, state.unpaid)
        earned = np.concatenate([state.holdings[None], held.after[:-1]]) * market
    begin, started = begin_of(state.started, trades.traded)
    block = Block(
        dates=inputs.dates,
        begin=begin,
        gross=held.gross,
        cost=cost,
        net=net,
        turnover=trades.traded / 2,
        netting=np.zeros(len(net)),
        traded=held.traded,
        closed=held.closed.sum(axis=1),
        decisions=decisions,
        held=Assets(held.after, held.before[held.traded], earned, _leaf_gaps(state, market, inputs.priced, held)),
    )
    live = state.live or bool(len(decisions.rows))
    return replace(state, **clock, **held.carry, queue=queue, unpaid=unpaid, live=live, started=started), block


def _decide_assets(spec: Leaf, inputs: LeafInputs, rows: np.ndarray, live: bool, watch: Stopwatch) -> Decisions:
    rows = rows[inputs.before + rows >= spec.lookback]
    eligible = _eligible(spec, inputs, rows)
    size = max(CHUNK // (8 * eligible.shape[1] ** 2), 1)
    cuts = [slice(first, first + size) for first in range(0, max(len(rows), 1), size)]
    parts = [_decide_some(spec, inputs, rows[cut], eligible[cut], watch) for cut in cuts]
    return from_first(parts[0] if len(parts) == 1 else join_decisions(parts), live)


def _decide_some(spec: Leaf, inputs: LeafInputs, rows: np.ndarray, eligible: np.ndarray, watch: Stopwatch) -> Decisions:
    windows = inputs.windows(spec, inputs.before + rows + 1)
    with watch.lap(SELECTION, len(rows)):
        support = build_selector(spec.selector).select(windows, eligible)
    with watch.lap(OPTIMIZATION, len(rows)):
        weights, status = weigh(spec, windows, support)
        risk = ex_ante(windows.covariance, weights)
    reasons = np.where(support, HELD, np.where(eligible, UNSELECTED, INELIGIBLE)).astype(np.int8)
    # + 0.0 turns the -0.0 of an unheld short into 0.0
    return Decisions(rows, weights * spec.signs + 0.0, risk, tuple(status), reasons)


def _eligible(spec: Leaf, inputs: LeafInputs, rows: np.ndarray) -> np.ndarray:
    """Return which assets have a price and a history at each decision, (n_decisions, n_assets) bool."""
    if inputs.observed.all():
        return inputs.priced[rows]
    stops = inputs.before + rows + 1
    seen = np.concatenate([np.zeros((1, inputs.observed.shape[1]), np.int64), np.cumsum(inputs.observed, axis=0)])
    coverage = seen[stops] - seen[stops - spec.lookback]
    return inputs.priced[rows] & (coverage >= spec.min_coverage * spec.lookback - 1e-9)


@dataclass(frozen=True)
class Held:
    """What a leaf held over a partition, (n_sessions, n_assets) unless said otherwise."""

    before: np.ndarray
    """Just before trading."""
    after: np.ndarray
    """Just after."""
    gross: np.ndarray
    """(n_sessions,) returns before costs."""
    traded: np.ndarray
    """(n_sessions,) bool: something was traded."""
    closed: np.ndarray
    """bool: closed at the last price."""
    carry: dict[str, Any]
    """What changes in the state."""


def _hold_assets(
    spec: Leaf, state: LeafState, market: np.ndarray, inputs: LeafInputs, due: np.ndarray, targets: np.ndarray
) -> Held:
    before, after, closed = np.empty_like(market), np.empty_like(market), np.zeros(market.shape, bool)
    gross, traded = np.empty(len(market)), np.zeros(len(market), bool)
    held, waiting, stale = state.holdings.copy(), state.waiting.copy(), state.stale.copy()
    market = np.ascontiguousarray(market)
    args = (market, inputs.priced, due, targets, held, waiting, stale, spec.stale_after)
    ruin = holdings.hold_assets(*args, before, after, gross, traded, closed)
    check_alive(ruin, inputs.dates, gross)
    carry = {"holdings": held, "waiting": waiting, "stale": stale, "session": inputs.dates[-1]}
    return Held(before, after, gross, traded, closed, carry)


def _trades(held: Held, borrows: bool) -> Trades:
    """Return what was traded and, where short positions cost anything, what was short."""
    traded, short = np.zeros(len(held.gross)), np.zeros(len(held.gross))
    identity = np.arange(held.after.shape[1], dtype=np.int64)
    traded[held.traded] = net_trades(held.before[held.traded], held.after[held.traded], identity, len(identity))
    if borrows:
        short = net_shorts(held.after, identity, len(identity))
    return Trades(traded, short)


def _leaf_gaps(state: LeafState, market: np.ndarray, priced: np.ndarray, held: Held) -> Gaps | None:
    if not ((state.stale > 0) & (state.holdings != 0)).any():
        if priced.all() or not (((held.before != 0) | (held.after != 0)) & ~priced).any():
            return None
    return Gaps(market, priced | held.closed)
