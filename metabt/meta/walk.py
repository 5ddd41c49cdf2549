"""Walk a meta sleeve over one partition.

1. aggregate: the children's realised net streams on its own calendar
2. decide on them (metabt.risk.optimize_meta)
3. hold shares in the children, drifting with their gross streams
4. flatten to physical assets, net, and charge the netted trades at its own rates
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metabt import holdings
from metabt.block import Block, Book, Decisions, Gaps, MetaState
from metabt.holdings import Trades, charge, saved_by_netting
from metabt.meta.aggregation import Aligned, Streams, aggregate, align, join_gaps
from metabt.meta.flattening import Layout, net_by, net_trades
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
    children: Sequence[Block | None]
    """(n_children,) in the order of the spec; None where a child has no session in the partition."""
    begun: Sequence[bool]
    """(n_children,) the child's stream had begun before the partition."""
    ends: np.ndarray
    """(n_children,) datetime64[D] last session of a child whose data are closed, else NaT."""
    layouts: Sequence[Layout]
    """(n_children,) what the columns of the children's books stand for."""
    layout: Layout
    """What the columns of its own book stand for."""


def advance_meta(spec: Meta, state: MetaState, inputs: MetaInputs, watch: Stopwatch) -> tuple[MetaState, Block]:
    """Take a meta sleeve over one partition; see metabt.walk_forward.advance."""
    n_sessions = len(inputs.dates)
    with watch.lap(AGGREGATION, n_sessions):
        children = _align_children(state, inputs)
        cap = max(spec.lookback, spec.history)
        streams = aggregate(_columns(children, "net"), _columns(children, "alive"), inputs.common, state, cap)
    decisions, due, targets, clock = _decide(spec, state, inputs, _columns(children, "live"), streams, watch)
    with watch.lap(FLATTENING, n_sessions):
        held = _hold_shares(state, inputs, children, due, targets)
        trades, apart = _trades(held.book, inputs.layout)
        cost, net, unpaid = charge(
            held.gross, trades, days_between(state.session, inputs.dates), spec.costs, state.unpaid
        )
        netting, saved = saved_by_netting(apart, trades, spec.costs, state.unpaid)
    begin, started = begin_of(state.started, trades.traded)
    block = Block(
        dates=inputs.dates,
        begin=begin,
        gross=held.gross,
        cost=cost,
        net=net,
        turnover=trades.traded / 2,
        decisions=decisions,
        book=held.book,
        shares=held.shares,
        earned=held.earned,
        earned_by_asset=held.earned_by_asset,
        netting=netting,
        gaps=_gaps_above(held, inputs, due >= 0),
    )
    after = replace(
        state,
        **clock,
        holdings=held.shares[-1],
        carried=held.carried,
        books=held.books,
        unpaid=replace(unpaid, saved=saved),
        live=state.live or bool(len(decisions.rows)),
        started=started,
        lengths=streams.lengths[-1] if len(streams.lengths) else state.lengths,
        streams=streams.returns[-cap:],
        accrued=streams.accrued,
        session=inputs.dates[-1],
        children_live=state.children_live | _have_decided(inputs),
    )
    return after, block


def _columns(children: Sequence[Aligned], name: str) -> np.ndarray:
    """Return one array of every child side by side, (n_sessions, n_children)."""
    return np.stack([getattr(child, name) for child in children], axis=1)


def _decide(
    spec: Meta, state: MetaState, inputs: MetaInputs, live: np.ndarray, streams: Streams, watch: Stopwatch
) -> tuple[Decisions, np.ndarray, np.ndarray, dict[str, Any]]:
    """Return the decisions, which of `targets` each session trades, those targets, and what changes in the state."""
    common = np.flatnonzero(inputs.common)
    opens, clock = schedule(spec, state, inputs.dates[common])
    rows = np.flatnonzero(opens & live[common].any(axis=1))
    with watch.lap(OPTIMIZE_META, len(rows)):
        decided = optimize_meta(spec, streams, rows, live[common[rows]], state.warm)
        decisions = _meta_decisions(decided, rows, state.live)
    due, targets, queue = due_in(state.queue, decisions.rows, decisions.weights, spec.lag, len(common))
    spread = np.full(len(inputs.dates), -1, np.int64)
    spread[common] = due
    decisions = replace(decisions, rows=common[decisions.rows])
    return decisions, spread, targets, {**clock, "queue": queue, "warm": decided.warm}


def _align_children(state: MetaState, inputs: MetaInputs) -> list[Aligned]:
    children, first = [], 0
    for c, (block, layout) in enumerate(zip(inputs.children, inputs.layouts, strict=True)):
        book = state.books[first : first + layout.n_columns]
        live, begun, end = bool(state.children_live[c]), inputs.begun[c], inputs.ends[c]
        children.append(align(inputs.dates, block, book, live, begun, len(layout.symbols), end))
        first += layout.n_columns
    return children


def _have_decided(inputs: MetaInputs) -> np.ndarray:
    return np.array([block is not None and len(block.decisions.rows) > 0 for block in inputs.children])


def _meta_decisions(decided: MetaDecisions, rows: np.ndarray, live: bool) -> Decisions:
    decisions = Decisions(rows, decided.weights, decided.risk, tuple(decided.status), decided.reasons)
    return from_first(keep(decisions, decided.kept), live)


@dataclass(frozen=True)
class Held:
    """What a meta sleeve held and earned over a partition."""

    book: Book
    """Its flattened book."""
    gross: np.ndarray
    """(n_sessions,) returns before costs."""
    earned: np.ndarray
    """(n_sessions, n_children) by child."""
    earned_by_asset: np.ndarray
    """(n_sessions, n_assets) by physical asset."""
    gaps: Gaps | None
    """What its parent must know of assets that could not be traded."""
    shares: np.ndarray
    """(n_sessions, n_children) after trading."""
    carried: np.ndarray
    """(n_columns,) after the last session."""
    books: np.ndarray
    """(n_columns,) the children's books after the last session."""


def _hold_shares(
    state: MetaState, inputs: MetaInputs, children: Sequence[Aligned], due: np.ndarray, targets: np.ndarray
) -> Held:
    gross_of = _columns(children, "gross")
    before, after = np.empty_like(gross_of), np.empty_like(gross_of)
    gross, traded = np.empty(len(due)), np.zeros(len(due), bool)
    shares, carried = state.holdings.copy(), state.carried.copy()
    books = np.concatenate([child.after for child in children], axis=1)
    gaps = join_gaps(children)
    args = (gross_of, due, targets, shares, before, after, gross, traded)
    if gaps is None:
        ruin = holdings.hold_shares(*args)
    else:
        beyond = (np.empty_like(books), np.empty_like(books))
        layout = inputs.layout
        market = (np.ascontiguousarray(gaps.returns), np.ascontiguousarray(gaps.tradable))
        ruin = holdings.hold_shares_with_gaps(*args, layout.child_of, books, *market, carried, *beyond)
    check_alive(ruin, inputs.dates, gross)
    held = np.concatenate([state.holdings[None], after[:-1]])
    book = _flatten(inputs.layout, children, before, after, traded, books)
    plain = Held(
        book, gross, held * gross_of, _by_asset(inputs.layout, held, children), gaps, after, carried, books[-1]
    )
    return plain if gaps is None else _with_carried(plain, inputs.layout, state.carried, *beyond)


def _gaps_above(held: Held, inputs: MetaInputs, trades: np.ndarray) -> Gaps | None:
    """Return the gaps as a parent must see them.

    What a child holds in data that have ended for good is traded at its last price when *this* sleeve trades its share
    of the child, (n_sessions,) bool, and never because a sleeve above trades its share of this one.
    """
    over = inputs.dates[:, None] > inputs.ends  # NaT, data that go on, compares as False
    frozen = over[:, inputs.layout.child_of] & ((held.book.before != 0) | (held.book.after != 0))
    if not frozen.any():
        return held.gaps
    gaps = held.gaps or Gaps(np.zeros(frozen.shape), np.ones(frozen.shape, bool))
    return replace(gaps, tradable=np.where(frozen, trades[:, None], gaps.tradable))


def _by_asset(layout: Layout, held: np.ndarray, children: Sequence[Aligned]) -> np.ndarray:
    earned = np.zeros((len(held), len(layout.symbols)))
    for c, child in enumerate(children):
        earned[:, layout.assets_of_child[c]] += held[:, c : c + 1] * child.earned_by_asset
    return earned


def _with_carried(held: Held, layout: Layout, start: np.ndarray, before: np.ndarray, after: np.ndarray) -> Held:
    """Return `held` with the positions that could not be traded, (n_sessions, n_columns), beside the shares."""
    assert held.gaps is not None
    extra = np.concatenate([start[None], after[:-1]]) * held.gaps.returns
    return replace(
        held,
        book=replace(held.book, before=held.book.before + before, after=held.book.after + after),
        earned=held.earned + net_by(extra, layout.child_of, held.earned.shape[1]),
        earned_by_asset=held.earned_by_asset + layout.net(extra),
    )


def _trades(book: Book, layout: Layout) -> tuple[Trades, Trades]:
    """Return the trades of the netted book, and those of the children were each to trade for itself."""
    n_apart = int(layout.child_asset_of.max()) + 1
    netted = net_trades(book.before, book.after, book.traded, layout.asset_of, len(layout.symbols))
    return netted, net_trades(book.before, book.after, book.traded, layout.child_asset_of, n_apart)


def _flatten(
    layout: Layout,
    children: Sequence[Aligned],
    before: np.ndarray,
    after: np.ndarray,
    traded: np.ndarray,
    books: np.ndarray,
) -> Book:
    """Look shares through to the children's books."""
    beneath = np.stack([child.traded for child in children], axis=1) & ((before != 0) | (after != 0))
    books_before = np.concatenate([child.before for child in children], axis=1)
    return Book(
        # + 0.0: no share of a short is 0.0 and not -0.0, whether or not carried positions are added later
        before=before[:, layout.child_of] * books_before + 0.0,
        after=after[:, layout.child_of] * books + 0.0,
        traded=traded | beneath.any(axis=1),
        closed=np.zeros(len(traded), np.int64),
    )
