"""Walk a meta sleeve over one partition, or over several at once (metabt.walk.meta.meta_partitions).

1. aggregate: the children's realised net streams on its own calendar
2. decide on them (metabt.walk.meta.optimize_meta)
3. hold shares in the children, drifting with their gross streams
4. flatten to physical assets where anything trades, net, and charge the netted trades at its own rates
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metabt.portfolio.built_estimators import build_optimizer
from metabt.portfolio.sleeve import Meta
from metabt.values.lazy_property import lazy_property
from metabt.walk.block import Block, Decisions, MetaState, Shares
from metabt.walk.book import Opened, Start
from metabt.walk.concatenation import join_decisions
from metabt.walk.costs import AssetCosts, CostRates, Trades, charge, saved_by_netting
from metabt.walk.decision import NOTHING, Spared
from metabt.walk.meta.aggregation import Gathered, Streams, stretches
from metabt.walk.meta.book import MetaBook
from metabt.walk.meta.flattening import Layout, net_charges, net_fees, net_shorts, net_trades
from metabt.walk.meta.meta_holdings import MetaHoldings
from metabt.walk.meta.meta_partitions import Learnt, Left, cut
from metabt.walk.meta.optimize_meta import MetaDecisions, optimize_meta, warm_up_ends
from metabt.walk.path_dependent import Pending
from metabt.walk.stopwatch import AGGREGATION, FLATTENING, OPTIMIZE_META, Stopwatch
from metabt.walk.timing import begin_of, days_between, due_in, from_first, keep, schedule


@dataclass(frozen=True)
class MetaInputs:
    """The inputs of a meta sleeve for one partition: its children's blocks and its calendar."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D]"""
    common: np.ndarray
    """(n_sessions,) bool: sessions it decides and estimates on."""
    children: Sequence[Opened | None]
    """(n_children,) in the order of the spec; None where a child has no session in the partition."""
    starts: Sequence[Start]
    """(n_children,) their states before the partition."""
    ends: np.ndarray
    """(n_children,) datetime64[D] last session of a child whose data are closed, else NaT."""
    layout: Layout
    """Child, leaf and asset of each column of its own book."""
    idle: np.ndarray | None = None
    """(n_sessions,) simple returns of cash, each since its session before; None where it earns nothing."""
    rates: AssetCosts | None = None
    """Costs of each physical asset in each session, (n_sessions, n_symbols of the layout); None are the spec's."""
    opens: np.ndarray | None = None
    """(n_sessions,) bool: a day that the schedule decides on falls on the common session, or on a day since the one
    before; None where it counts sessions or periods."""

    @lazy_property
    def gathered(self) -> Gathered:
        """The children on its sessions: the same for every sleeve over them that shares these inputs."""
        return Gathered.of(self.dates, self.common, self.ends, self.children, self.starts, self.idle)

    def at(self, rows: Any) -> Any:
        """Return the rows of some common sessions among all of its sessions."""
        return np.flatnonzero(self.common)[rows]

    def among_common(self, rows: np.ndarray) -> np.ndarray:
        """Return where some of all sessions are among the common ones."""
        return np.searchsorted(np.flatnonzero(self.common), rows)

    def spread(self, due: np.ndarray) -> np.ndarray:
        """Return `due`, (n_common,), on all sessions, (n_sessions,): -1 where a session is not common."""
        spread = np.full(len(self.dates), -1, np.int64)
        spread[self.common] = due
        return spread

    def book(self, held: Shares) -> MetaBook:
        """Return the book of a sleeve that holds these shares in the children."""
        return MetaBook(held, self.layout, self.gathered)


def advance_meta(
    spec: Meta, state: MetaState, inputs: MetaInputs, watch: Stopwatch, spared: Spared = NOTHING
) -> tuple[MetaState, Block]:
    """Take a meta sleeve over one partition; see metabt.walk.walk_forward.advance."""
    _, (walked,) = meta_over(spec, state, inputs, [len(inputs.dates)], watch, spared)
    return walked


def meta_over(
    spec: Meta,
    state: MetaState,
    inputs: MetaInputs,
    stops: Sequence[int],
    watch: Stopwatch,
    spared: Spared = NOTHING,
) -> tuple[Block, list[tuple[MetaState, Block]]]:
    """Take a meta sleeve over the consecutive partitions that end before the rows `stops` of its inputs, in one walk.

    Returned are the block of all of them, and the state after each with the block of it, which lie in the same memory
    and have the bits of `advance_meta` from one partition to the next. A sleeve whose optimizer depends on what it
    holds is taken over one partition.
    """
    children, n_sessions = inputs.gathered, len(inputs.dates)
    hold = MetaHoldings(state, children, inputs.layout, spec.schedule.band)
    learnt: Learnt | None = None
    if spared.decisions is None:
        decisions, learnt = _decisions(spec, state, inputs, stops, hold, watch, measured=not spared.risk)
    else:
        decisions = replace(spared.decisions, rows=inputs.among_common(spared.decisions.rows))
    due, targets, _ = due_in(state.queue, decisions.rows, decisions.weights, spec.lag, int(inputs.common.sum()))
    due = inputs.spread(due)
    with watch.lap(FLATTENING, n_sessions):
        carried = hold.up_to_each(stops, due, targets)
        held, traded = hold.held(due), hold.traded
        if inputs.rates is None:
            trades, apart = _trades(held, traded, inputs, spec.costs.borrow_bp > 0, spec.is_drawn)
        else:
            trades, apart = _trades_at(inputs.rates.at(spec.costs), held, traded, inputs, spec.is_drawn)
        days = days_between(state.session, inputs.dates)
        cost, net, _ = charge(hold.gross, trades, days, spec.costs, state.unpaid)
        netting, saved = saved_by_netting(apart, trades, spec.costs, state.unpaid)
    whole = Block(
        dates=inputs.dates,
        begin=begin_of(state.started, trades.traded)[0],
        gross=hold.gross,
        cost=cost,
        net=net,
        turnover=trades.traded / 2,
        netting=netting,
        traded=traded,
        closed=np.zeros(n_sessions, np.int64),
        decisions=replace(decisions, rows=inputs.at(decisions.rows)),
        held=held,
        idle=inputs.idle,
        invested=None if inputs.idle is None else inputs.book(held).invested,
    )
    left = Left(learnt, decisions.rows, trades, saved, carried)
    return whole, cut(spec, state, children, whole, left, stops)


def _decisions(
    spec: Meta,
    state: MetaState,
    inputs: MetaInputs,
    stops: Sequence[int],
    hold: MetaHoldings,
    watch: Stopwatch,
    measured: bool,
) -> tuple[Decisions, Learnt]:
    """Return what is decided at the scheduled common sessions, and what the states after them have of streams."""
    children = inputs.gathered
    with watch.lap(AGGREGATION, len(inputs.dates)):
        streams = children.streams(state, max(spec.lookback, spec.history), spec.names)
    days = None if inputs.opens is None else inputs.opens[inputs.common]
    opens, _ = schedule(spec, state, inputs.dates[inputs.common], days)
    rows = np.flatnonzero(opens)
    live = children.live[inputs.at(rows)]
    rows, live = rows[live.any(axis=1)], live[live.any(axis=1)]
    path_dependent = build_optimizer(spec.optimizer).path_dependent
    assert len(stops) == 1 or not path_dependent  # what is held at a decision is followed up to there
    with watch.lap(OPTIMIZE_META, len(rows)):
        done = warm_up_ends(spec, streams, rows, live, state.warm)
        if path_dependent:
            decisions = _decide_in_turn(spec, state, inputs, streams, rows, hold, done, measured)
        else:
            decisions = _decide(spec, state, inputs, streams, rows, measured)
    return decisions, Learnt(streams, rows[done])


def _decide(
    spec: Meta,
    state: MetaState,
    inputs: MetaInputs,
    streams: Streams,
    rows: np.ndarray,
    measured: bool,
) -> Decisions:
    """Decide at all common sessions `rows` from streams alone."""
    live = inputs.gathered.live[inputs.at(rows)]
    decided = optimize_meta(spec, streams, rows, live, state.warm, measured=measured)
    return _meta_decisions(spec, decided, rows, state.live)


def _decide_in_turn(
    spec: Meta,
    state: MetaState,
    inputs: MetaInputs,
    streams: Streams,
    rows: np.ndarray,
    hold: MetaHoldings,
    done: np.ndarray,
    measured: bool,
) -> Decisions:
    """Do the same, after the warm-up, where `done`, one after another, from what is held by then as well."""
    early = _decide(spec, state, inputs, streams, rows[~done], measured)
    if not done.any():
        return early
    pending = Pending(spec, state, hold, inputs.common, len(rows))
    for row, weights in zip(early.rows.tolist(), early.weights, strict=True):
        pending.add(row, weights)
    live = inputs.gathered.live[inputs.at(rows[done])]
    late = optimize_meta(spec, streams, rows[done], live, state.warm, pending, measured)
    begun = state.live or bool(len(early.rows))
    return join_decisions([early, _meta_decisions(spec, late, rows[done], begun)])


def _meta_decisions(spec: Meta, decided: MetaDecisions, rows: np.ndarray, live: bool) -> Decisions:
    held = decided.weights * (1.0 - spec.cash.reserve)
    decisions = Decisions(rows, held, decided.risk, tuple(decided.status), decided.reasons)
    return from_first(keep(decisions, decided.kept), live)


def _trades(
    held: Shares, traded: np.ndarray, inputs: MetaInputs, borrows: bool, ordered: bool
) -> tuple[Trades, Trades]:
    """Return the trades of the netted book, and those of the children were each to trade for itself.

    Short positions are added up only where they cost anything.
    """
    layout, book, n_sessions = inputs.layout, inputs.book(held), len(traded)
    netted, apart, short = np.zeros(n_sessions), np.zeros(n_sessions), np.zeros(n_sessions)
    for rows in stretches(np.flatnonzero(traded), layout.n_columns):
        before, after = book.around(rows)
        netted[rows] = net_trades(before, after, layout.asset_of, len(layout.symbols), ordered=ordered)
        if layout.n_apart != len(layout.symbols):  # else no asset is in two children: nothing can cancel
            apart[rows] = net_trades(before, after, layout.child_asset_of, layout.n_apart, ordered=ordered)
    for rows in stretches(np.arange(n_sessions), layout.n_columns) if borrows and book.has_shorts else []:
        short[rows] = net_shorts(book.around(rows)[1], layout.asset_of, len(layout.symbols))
    cancels = layout.n_apart != len(layout.symbols)
    return Trades(netted, short), Trades(apart if cancels else netted, np.zeros(n_sessions))


def _trades_at(
    rates: CostRates, held: Shares, traded: np.ndarray, inputs: MetaInputs, ordered: bool
) -> tuple[Trades, Trades]:
    """Return the same where assets have rates of their own, with what they cost."""
    layout, book, n_sessions = inputs.layout, inputs.book(held), len(traded)
    netted, owed, apart, fee = (np.zeros(n_sessions) for _ in range(4))
    cancels = layout.n_apart != len(layout.symbols)
    for rows in stretches(np.flatnonzero(traded), layout.n_columns):
        before, after = book.around(rows)
        netted[rows] = net_trades(before, after, layout.asset_of, len(layout.symbols), ordered=ordered)
        owed[rows] = net_charges(before, after, layout.asset_of, rates.trade_in(rows))
        if cancels:
            each = rates.trade_in(rows)[:, layout.asset_of_apart]
            apart[rows] = net_charges(before, after, layout.child_asset_of, each)
    for rows in stretches(np.arange(n_sessions), layout.n_columns) if rates.borrow.any() and book.has_shorts else []:
        fee[rows] = net_fees(book.around(rows)[1], layout.asset_of, rates.borrow_in(rows))
    nothing = np.zeros(n_sessions)
    return Trades(netted, nothing, owed, fee), Trades(netted, nothing, apart if cancels else owed, fee)
