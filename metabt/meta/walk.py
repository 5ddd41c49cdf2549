"""Walk a meta sleeve over one partition.

1. aggregate: the children's realised net streams on its own calendar
2. decide on them (metabt.risk.optimize_meta)
3. hold shares in the children, drifting with their gross streams
4. flatten to physical assets where anything trades, net, and charge the netted trades at its own rates
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from metabt import holdings
from metabt.block import Block, Carried, Decisions, MetaState, Shares
from metabt.book import Opened, Start
from metabt.holdings import Trades, charge, saved_by_netting
from metabt.meta.aggregation import Gathered, Streams
from metabt.meta.book import MetaBook
from metabt.meta.flattening import Layout, net_by, net_shorts, net_trades
from metabt.risk.optimize_meta import MetaDecisions, optimize_meta
from metabt.sleeve import Meta
from metabt.steps import begin_of, check_alive, days_between, due_in, from_first, keep, schedule
from metabt.stopwatch import AGGREGATION, FLATTENING, OPTIMIZE_META, Stopwatch


@dataclass(frozen=True)
class MetaInputs:
    """What a meta sleeve reads for one partition: its children's blocks and its calendar."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D]"""
    common: np.ndarray
    """(n_sessions,) bool: sessions it decides and estimates on."""
    children: Sequence[Opened | None]
    """(n_children,) in the order of the spec; None where a child has no session in the partition."""
    starts: Sequence[Start]
    """(n_children,) what they bring along from before."""
    ends: np.ndarray
    """(n_children,) datetime64[D] last session of a child whose data are closed, else NaT."""
    layout: Layout
    """What the columns of its own book stand for."""

    @cached_property
    def gathered(self) -> Gathered:
        """The children on its sessions: the same for every sleeve over them that shares these inputs."""
        return Gathered.of(self.dates, self.common, self.ends, self.children, self.starts)

    def book(self, held: Shares) -> MetaBook:
        """Return the book that shares in these children stand for."""
        return MetaBook(held, self.layout, self.gathered)


def advance_meta(spec: Meta, state: MetaState, inputs: MetaInputs, watch: Stopwatch) -> tuple[MetaState, Block]:
    """Take a meta sleeve over one partition; see metabt.walk_forward.advance."""
    children, n_sessions = inputs.gathered, len(inputs.dates)
    with watch.lap(AGGREGATION, n_sessions):
        cap = max(spec.lookback, spec.history)
        streams = children.streams(state, cap)
    decisions, due, targets, clock = _decide(spec, state, inputs, streams, watch)
    with watch.lap(FLATTENING, n_sessions):
        moved = _hold_shares(state, inputs, due, targets)
        trades, apart = _trades(moved, inputs, spec.costs.borrow_bp > 0)
        days = days_between(state.session, inputs.dates)
        cost, net, unpaid = charge(moved.gross, trades, days, spec.costs, state.unpaid)
        netting, saved = saved_by_netting(apart, trades, spec.costs, state.unpaid)
    begin, started = begin_of(state.started, trades.traded)
    block = Block(
        dates=inputs.dates,
        begin=begin,
        gross=moved.gross,
        cost=cost,
        net=net,
        turnover=trades.traded / 2,
        netting=netting,
        traded=moved.traded,
        closed=np.zeros(n_sessions, np.int64),
        decisions=decisions,
        held=moved.held,
    )
    after = replace(
        state,
        **clock,
        holdings=moved.held.after[-1],
        carried=moved.carried,
        unpaid=replace(unpaid, saved=saved),
        live=state.live or bool(len(decisions.rows)),
        started=started,
        lengths=streams.lengths[-1] if len(streams.lengths) else state.lengths,
        streams=streams.returns[-cap:],
        accrued=streams.accrued,
        session=inputs.dates[-1],
    )
    return after, block


def _decide(
    spec: Meta, state: MetaState, inputs: MetaInputs, streams: Streams, watch: Stopwatch
) -> tuple[Decisions, np.ndarray, np.ndarray, dict[str, Any]]:
    """Return the decisions, which of `targets` each session trades, those targets, and what changes in the state."""
    live = inputs.gathered.live
    common = np.flatnonzero(inputs.common)
    opens, clock = schedule(spec, state, inputs.dates[common])
    rows = np.flatnonzero(opens)
    rows = rows[live[common[rows]].any(axis=1)]
    with watch.lap(OPTIMIZE_META, len(rows)):
        decided = optimize_meta(spec, streams, rows, live[common[rows]], state.warm)
        decisions = _meta_decisions(decided, rows, state.live)
    due, targets, queue = due_in(state.queue, decisions.rows, decisions.weights, spec.lag, len(common))
    spread = np.full(len(inputs.dates), -1, np.int64)
    spread[common] = due
    decisions = replace(decisions, rows=common[decisions.rows])
    return decisions, spread, targets, {**clock, "queue": queue, "warm": decided.warm}


def _meta_decisions(decided: MetaDecisions, rows: np.ndarray, live: bool) -> Decisions:
    decisions = Decisions(rows, decided.weights, decided.risk, tuple(decided.status), decided.reasons)
    return from_first(keep(decisions, decided.kept), live)


@dataclass(frozen=True)
class Moved:
    """What a meta sleeve held, earned and traded over a partition."""

    held: Shares
    """Its shares in its children."""
    gross: np.ndarray
    """(n_sessions,) returns before costs."""
    traded: np.ndarray
    """(n_sessions,) bool: something in it or beneath it traded."""
    carried: np.ndarray
    """(n_columns,) positions carried beside the shares after the last session."""


def _hold_shares(state: MetaState, inputs: MetaInputs, due: np.ndarray, targets: np.ndarray) -> Moved:
    children = inputs.gathered
    before, after = np.empty_like(children.gross), np.empty_like(children.gross)
    gross, dealt = np.empty(len(due)), np.zeros(len(due), bool)
    shares, carried = state.holdings.copy(), state.carried.copy()
    args = (children.gross, due, targets, shares, before, after, gross, dealt)
    beyond = None
    # what is still carried from before is traded, or drifts on, in a partition without gaps too
    gaps = children.full_gaps if children.gaps is not None or state.carried.any() else None
    if gaps is None:
        ruin = holdings.hold_shares(*args)
    else:
        _, books = children.around(np.arange(len(due)))
        beyond = (np.empty_like(books), np.empty_like(books))
        market = (np.ascontiguousarray(gaps.returns), np.ascontiguousarray(gaps.tradable))
        ruin = holdings.hold_shares_with_gaps(*args, inputs.layout.child_of, books, *market, carried, *beyond)
    check_alive(ruin, inputs.dates, gross)
    # + 0.0: no loss of nothing is -0.0, whether or not something is carried
    earned = np.concatenate([state.holdings[None], after[:-1]]) * children.gross + 0.0
    if beyond is not None and gaps is not None:
        extra = np.concatenate([state.carried[None], beyond[1][:-1]]) * gaps.returns
        earned = earned + net_by(extra, inputs.layout.child_of, earned.shape[1])
    rows = children.rows_traded
    dealt_in = (before[rows] != 0) | (after[rows] != 0)
    traded = dealt.copy()
    traded[rows] |= (children.traded[rows] & dealt_in).any(axis=1)
    held = Shares(before, after, earned, due >= 0, beyond and _sparse(state.carried, *beyond))
    return Moved(held, gross, traded, carried)


def _sparse(start: np.ndarray, before: np.ndarray, after: np.ndarray) -> Carried | None:
    rows, columns = np.nonzero((before != 0) | (after != 0))
    if not len(rows) and not start.any():
        return None
    return Carried(rows, columns, before[rows, columns], after[rows, columns], start)


def _trades(moved: Moved, inputs: MetaInputs, borrows: bool) -> tuple[Trades, Trades]:
    """Return the trades of the netted book, and those of the children were each to trade for itself.

    Short positions are added up only where they cost anything.
    """
    layout, book, n_sessions = inputs.layout, inputs.book(moved.held), len(moved.gross)
    rows = np.flatnonzero(moved.traded)
    before, after = book.around(rows)
    netted, apart, short = np.zeros(n_sessions), np.zeros(n_sessions), np.zeros(n_sessions)
    netted[rows] = net_trades(before, after, layout.asset_of, len(layout.symbols))
    if layout.n_apart == len(layout.symbols):  # no asset is in two children: nothing can cancel
        apart = netted
    else:
        apart[rows] = net_trades(before, after, layout.child_asset_of, layout.n_apart)
    if borrows:
        _, held = book.around(np.arange(n_sessions))
        short = net_shorts(held, layout.asset_of, len(layout.symbols))
    return Trades(netted, short), Trades(apart, np.zeros(n_sessions))
