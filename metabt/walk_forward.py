"""Walk a sleeve over one partition: `advance(spec, state, inputs) -> (state, block)`, a pure function.

A leaf and a meta sleeve take the same steps; only where their columns come from differs.

1. columns: a leaf's are its assets' returns; a meta sleeve's are its children's realised net streams (meta.aggregation)
2. decide: on each scheduled session, from its lookback alone (selection and optimization; risk.optimize_meta)
3. hold: trade each decision `lag` sessions later, drift in between
4. flatten: look through to physical assets and net (meta.flattening)
5. charge: costs of the netted trades, on the session after
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metabt import holdings
from metabt.block import HELD, INELIGIBLE, UNSELECTED, Block, Book, Decisions, Gaps, LeafState, MetaState, State
from metabt.decision import build_selector, weigh
from metabt.errors import RunError
from metabt.holdings import ALIVE, Queue, charge
from metabt.meta.aggregation import Aligned, Streams, aggregate, align, join_gaps
from metabt.meta.flattening import Layout, net_by, net_trades
from metabt.risk.contribution import ex_ante
from metabt.risk.optimize_meta import MetaDecisions, optimize_meta
from metabt.sleeve import Leaf, Meta, Rules
from metabt.stopwatch import AGGREGATION, FLATTENING, HOLDING, OPTIMIZATION, OPTIMIZE_META, SELECTION, Stopwatch
from metabt.windows import Windows


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


def advance(
    spec: Leaf | Meta, state: Any, inputs: Any, stopwatch: Stopwatch | None = None
) -> tuple[LeafState | MetaState, Block]:
    """Take one sleeve over one partition.

    Parameters
    ----------
    spec : Leaf or Meta
    state : LeafState or MetaState, what the partition before left
    inputs : LeafInputs or MetaInputs of the partition, at least one session
    stopwatch : collects seconds per stage

    Raises
    ------
    RunError
        If the book is ruined (1 + R <= 0) in some session.
    """
    watch = stopwatch or Stopwatch()
    if isinstance(spec, Leaf):
        return _advance_leaf(spec, state, inputs, watch)
    return _advance_meta(spec, state, inputs, watch)


def _advance_leaf(spec: Leaf, state: LeafState, inputs: LeafInputs, watch: Stopwatch) -> tuple[LeafState, Block]:
    opens, clock = _schedule(spec, state, inputs.dates)
    decisions = _decide_assets(spec, inputs, np.flatnonzero(opens), state.live, watch)
    due, targets, queue = _due(state.queue, decisions.rows, decisions.weights, spec.lag, len(inputs.dates))
    with watch.lap(HOLDING, len(inputs.dates)):
        market = inputs.returns[inputs.before :]
        book, gross, carry = _hold_assets(spec, state, market, inputs, due, targets)
        identity = np.arange(market.shape[1], dtype=np.int64)
        trades = net_trades(book.before, book.after, book.traded, identity, len(identity))
        cost, net, unpaid = charge(gross, trades, _days(state.session, inputs.dates), spec.costs, state.unpaid)
        earned = np.concatenate([state.holdings[None], book.after[:-1]]) * market
    begin, started = _begin(state.started, due)
    block = Block(
        dates=inputs.dates,
        begin=begin,
        gross=gross,
        cost=cost,
        net=net,
        turnover=trades.traded / 2,
        decisions=decisions,
        book=book,
        earned=earned,
        earned_by_asset=earned,
        netting=np.zeros(len(gross)),
        gaps=_leaf_gaps(state, market, inputs.priced, book, carry.pop("closed")),
    )
    live = state.live or bool(len(decisions.rows))
    return replace(state, **clock, **carry, queue=queue, unpaid=unpaid, live=live, started=started), block


def _schedule(spec: Rules, state: State, dates: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return which of the schedule's sessions are scheduled, and the clock to take along."""
    first = 0 if spec.start is None else int(np.searchsorted(dates, np.datetime64(spec.start)))
    opens = np.zeros(len(dates), bool)
    scheduled = state.scheduled
    if first < len(dates):
        opens[first:] = spec.schedule.opens(dates[first:], state.scheduled, state.index)
        scheduled = dates[-1]
    return opens, {"index": state.index + len(dates) - first, "scheduled": scheduled}


def _decide_assets(spec: Leaf, inputs: LeafInputs, rows: np.ndarray, live: bool, watch: Stopwatch) -> Decisions:
    rows = rows[inputs.before + rows >= spec.lookback]
    stops = inputs.before + rows + 1
    seen = np.concatenate([np.zeros((1, inputs.observed.shape[1]), np.int64), np.cumsum(inputs.observed, axis=0)])
    coverage = seen[stops] - seen[stops - spec.lookback]
    eligible = inputs.priced[rows] & (coverage >= spec.min_coverage * spec.lookback - 1e-9)
    signed = inputs.returns * spec.signs if spec.holds_shorts else inputs.returns
    windows = Windows(signed, stops, np.full(len(rows), spec.lookback, np.int64), inputs.dollar_volume)
    with watch.lap(SELECTION, len(rows)):
        support = build_selector(spec.selector).select(windows, eligible)
    with watch.lap(OPTIMIZATION, len(rows)):
        weights, status = weigh(spec, windows, support)
        risk = ex_ante(windows.covariance, weights)
    reasons = np.where(support, HELD, np.where(eligible, UNSELECTED, INELIGIBLE)).astype(np.int8)
    # + 0.0 turns the -0.0 of an unheld short into 0.0
    return _from_first(Decisions(rows, weights * spec.signs + 0.0, risk, tuple(status), reasons), live)


def _from_first(decisions: Decisions, live: bool) -> Decisions:
    """Leave out the empty decisions before a sleeve's first non-empty one."""
    held = decisions.weights.any(axis=1)
    return _keep(decisions, live | np.maximum.accumulate(held))


def _keep(decisions: Decisions, rows: np.ndarray) -> Decisions:
    if rows.all():
        return decisions
    status = tuple(text for text, kept in zip(decisions.status, rows, strict=True) if kept)
    return Decisions(
        decisions.rows[rows], decisions.weights[rows], decisions.risk[rows], status, decisions.reasons[rows]
    )


def _due(
    queue: Queue, rows: np.ndarray, weights: np.ndarray, lag: int, n_sessions: int
) -> tuple[np.ndarray, np.ndarray, Queue]:
    """Return which decision each session trades, all decisions that may be traded, and what stays queued."""
    queue = queue.extend(rows, weights, lag)
    due, rest = queue.split(n_sessions)
    return due, np.ascontiguousarray(queue.weights), rest


def _hold_assets(
    spec: Leaf, state: LeafState, market: np.ndarray, inputs: LeafInputs, due: np.ndarray, targets: np.ndarray
) -> tuple[Book, np.ndarray, dict[str, Any]]:
    before, after, closed = np.empty_like(market), np.empty_like(market), np.zeros(market.shape, bool)
    gross, traded = np.empty(len(market)), np.zeros(len(market), bool)
    held, waiting, stale = state.holdings.copy(), state.waiting.copy(), state.stale.copy()
    market = np.ascontiguousarray(market)
    args = (market, inputs.priced, due, targets, held, waiting, stale, spec.stale_after)
    ruin = holdings.hold_assets(*args, before, after, gross, traded, closed)
    _check_alive(ruin, inputs.dates, gross)
    carry = {"holdings": held, "waiting": waiting, "stale": stale, "session": inputs.dates[-1], "closed": closed}
    return Book(before, after, traded, closed.sum(axis=1)), gross, carry


def _check_alive(ruin: int, dates: np.ndarray, gross: np.ndarray) -> None:
    if ruin != ALIVE:
        raise RunError(
            f"ruined on {dates[ruin]}: the book returned {gross[ruin]:.4g}, wanted more than -1; "
            "lower its leverage (bounds, short weights) or leave out what ruins it"
        )


def _leaf_gaps(
    state: LeafState, market: np.ndarray, priced: np.ndarray, book: Book, closed: np.ndarray
) -> Gaps | None:
    held = (book.before != 0) | (book.after != 0)
    if not (held & ~priced).any() and not ((state.stale > 0) & (state.holdings != 0)).any():
        return None
    return Gaps(market, priced | closed)


def _begin(started: bool, due: np.ndarray) -> tuple[int, bool]:
    """Return the first row of the stream, one after the first trade, and whether a trade has been made."""
    trades = np.flatnonzero(due >= 0)
    if started or not len(trades):
        return (0 if started else len(due)), started
    return int(trades[0]) + 1, True


def _days(previous: np.datetime64 | None, dates: np.ndarray) -> np.ndarray:
    first = dates[:1] if previous is None else np.array([previous])
    return np.diff(np.r_[first, dates]).astype("timedelta64[D]").astype(np.float64)


def _advance_meta(spec: Meta, state: MetaState, inputs: MetaInputs, watch: Stopwatch) -> tuple[MetaState, Block]:
    common = np.flatnonzero(inputs.common)
    n_sessions, n_children = len(inputs.dates), len(inputs.children)
    with watch.lap(AGGREGATION, n_sessions):
        children = _align_children(state, inputs)
        gross_of, net_of = (np.stack([getattr(c, name) for c in children], axis=1) for name in ("gross", "net"))
        alive, live = (np.stack([getattr(c, name) for c in children], axis=1) for name in ("alive", "live"))
        cap = max(spec.lookback, spec.history)
        streams = aggregate(net_of, alive, inputs.common, state, cap)
    opens, clock = _schedule(spec, state, inputs.dates[common])
    rows = np.flatnonzero(opens & live[common].any(axis=1))
    with watch.lap(OPTIMIZE_META, len(rows)):
        decided = optimize_meta(spec, streams, rows, live[common[rows]], state.warm)
        decisions = _meta_decisions(decided, rows, state.live)
    due, targets, queue = _due(state.queue, decisions.rows, decisions.weights, spec.lag, len(common))
    decisions = replace(decisions, rows=common[decisions.rows])
    due = _spread(due, common, n_sessions)
    with watch.lap(FLATTENING, n_sessions):
        book, gross, earned, by_asset, carry = _hold_shares(state, inputs, children, gross_of, due, targets)
        layout = inputs.layout
        trades = net_trades(book.before, book.after, book.traded, layout.asset_of, len(layout.symbols))
        apart = net_trades(book.before, book.after, book.traded, layout.child_asset_of, _n_child_assets(layout))
        cost, net, unpaid = charge(gross, trades, _days(state.session, inputs.dates), spec.costs, state.unpaid)
    begin, started = _begin(state.started, due)
    block = Block(
        dates=inputs.dates,
        begin=begin,
        gross=gross,
        cost=cost,
        net=net,
        turnover=trades.traded / 2,
        decisions=decisions,
        book=book,
        earned=earned,
        earned_by_asset=by_asset,
        # never negative but for rounding: |a + b| <= |a| + |b|
        netting=spec.costs.rate * np.maximum(apart.traded - trades.traded, 0.0),
        gaps=carry.pop("gaps"),
    )
    after = replace(
        state,
        **clock,
        **carry,
        queue=queue,
        unpaid=unpaid,
        live=state.live or bool(len(decisions.rows)),
        started=started,
        warm=decided.warm,
        lengths=streams.lengths[-1] if len(common) else state.lengths,
        streams=streams.returns[-cap:],
        accrued=streams.accrued,
        session=inputs.dates[-1],
        children_live=state.children_live | _have_decided(inputs),
    )
    return after, block


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
    return _from_first(_keep(decisions, decided.kept), live)


def _spread(due: np.ndarray, common: np.ndarray, n_sessions: int) -> np.ndarray:
    """Return what is due by session of the book, given by common session."""
    spread = np.full(n_sessions, -1, np.int64)
    spread[common] = due
    return spread


def _n_child_assets(layout: Layout) -> int:
    return int(layout.child_asset_of.max()) + 1


def _hold_shares(
    state: MetaState,
    inputs: MetaInputs,
    children: Sequence[Aligned],
    gross_of: np.ndarray,
    due: np.ndarray,
    targets: np.ndarray,
) -> tuple[Book, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    n_sessions, n_children = gross_of.shape
    before, after = np.empty_like(gross_of), np.empty_like(gross_of)
    gross, traded = np.empty(n_sessions), np.zeros(n_sessions, bool)
    shares, carried = state.holdings.copy(), state.carried.copy()
    books = np.concatenate([child.after for child in children], axis=1)
    gaps = join_gaps(children, inputs.layout)
    args = (np.ascontiguousarray(gross_of), due, targets, shares, before, after, gross, traded)
    if gaps is None:
        ruin = holdings.hold_shares(*args)
        beyond = beyond_before = None
    else:
        beyond_before, beyond = np.empty_like(books), np.empty_like(books)
        tail = (inputs.layout.child_of, books, gaps.returns, gaps.tradable, carried, beyond_before, beyond)
        ruin = holdings.hold_shares_with_gaps(*args, *tail)
    _check_alive(ruin, inputs.dates, gross)
    book = _flatten(inputs.layout, children, before, after, traded, books)
    held = np.concatenate([state.holdings[None], after[:-1]])
    earned = held * gross_of
    by_asset = np.zeros((n_sessions, len(inputs.layout.symbols)))
    for c, child in enumerate(children):
        by_asset[:, inputs.layout.assets_of_child[c]] += held[:, c : c + 1] * child.earned_by_asset
    if gaps is not None:
        book = replace(book, before=book.before + beyond_before, after=book.after + beyond)
        extra = np.concatenate([state.carried[None], beyond[:-1]]) * gaps.returns
        by_asset += inputs.layout.net(extra)
        earned = earned + net_by(extra, inputs.layout.child_of, n_children)
    return book, gross, earned, by_asset, {"holdings": shares, "carried": carried, "books": books[-1], "gaps": gaps}


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
        before=before[:, layout.child_of] * books_before,
        after=after[:, layout.child_of] * books,
        traded=traded | beneath.any(axis=1),
        closed=np.zeros(len(traded), np.int64),
    )
