"""Walk a leaf over one partition.

1. windows: the last `lookback` returns of the eligible assets, as of each scheduled session
2. select, then optimize on what was selected, each without what is constant over the window where it needs variance;
   a short leaf does both on -r and holds -w
3. hold: trade `lag` sessions later, drift in between, close what has gone stale
4. charge
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from metabt.estimators.windows import Windows
from metabt.portfolio.built_estimators import build_optimizer, build_selector
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import CONSTANT, HELD, INELIGIBLE, UNSELECTED, Assets, Block, Decisions, LeafState
from metabt.walk.candidates import Candidates
from metabt.walk.concatenation import join_decisions
from metabt.walk.costs import charge
from metabt.walk.decision import weigh
from metabt.walk.leaf_holdings import LeafHoldings
from metabt.walk.path_dependent import Pending
from metabt.walk.stopwatch import HOLDING, OPTIMIZATION, SELECTION, Stopwatch
from metabt.walk.timing import begin_of, days_between, due_in, from_first, schedule

CHUNK = 2**20
"""Bytes of covariances that are made at a time, about: they are read again while they are in the processor's cache."""


@dataclass(frozen=True)
class LeafInputs:
    """The inputs of a leaf for one partition: its sessions, and up to `lookback` sessions before them."""

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
    """Windows by their ends and signs, shared with leaves that read the same prices; None where no other leaf does."""
    decided: Decisions | None = None
    """What `decide` returned for these sessions, where it was made before; then no row ahead of them is needed."""

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
    """Take a leaf over one partition; see metabt.walk.walk_forward.advance."""
    opens, clock = schedule(spec, state, inputs.dates)
    hold = LeafHoldings(state, inputs.dates, inputs.returns[inputs.before :], inputs.priced, spec.stale_after)
    decisions = inputs.decided
    if decisions is None:
        pending: Pending | None = None
        rows = _rows(spec, inputs, opens)
        if build_optimizer(spec.optimizer).path_dependent:
            pending = Pending(spec, state, hold, np.ones(len(inputs.dates), bool), len(rows))
        decisions = _decide(spec, inputs, rows, pending, watch)
    decisions = from_first(decisions, state.live)
    due, targets, queue = due_in(state.queue, decisions.rows, decisions.weights, spec.lag, len(inputs.dates))
    with watch.lap(HOLDING, len(inputs.dates)):
        hold.until(len(inputs.dates), due, targets)
        trades = hold.trades(spec.costs.borrow_bp > 0)
        days = days_between(state.session, inputs.dates)
        cost, net, unpaid = charge(hold.gross, trades, days, spec.costs, state.unpaid)
        held = Assets(hold.after, hold.before, hold.gaps)
    begin, started = begin_of(state.started, trades.traded)
    block = Block(
        dates=inputs.dates,
        begin=begin,
        gross=hold.gross,
        cost=cost,
        net=net,
        turnover=trades.traded / 2,
        netting=_nothing(len(net)),
        traded=hold.traded,
        closed=hold.n_closed,
        decisions=decisions,
        held=held,
    )
    live = state.live or bool(len(decisions.rows))
    return replace(state, **clock, **hold.carry, queue=queue, unpaid=unpaid, live=live, started=started), block


@lru_cache(maxsize=4)
def _nothing(n_sessions: int) -> np.ndarray:
    """Return zeros, (n_sessions,), read-only: as many leaves as there are share them."""
    zeros = np.zeros(n_sessions)
    zeros.flags.writeable = False
    return zeros


def decide(spec: Leaf, state: LeafState, inputs: LeafInputs, watch: Stopwatch) -> Decisions:
    """Return the decisions of a leaf at all scheduled sessions, empty ones before its first included.

    The leaf's optimizer must not depend on what is held; `state` is what the partition before has left, of which the
    schedule reads where it is.
    """
    opens, _ = schedule(spec, state, inputs.dates)
    return _decide(spec, inputs, _rows(spec, inputs, opens), None, watch)


def _rows(spec: Leaf, inputs: LeafInputs, opens: np.ndarray) -> np.ndarray:
    """Return the scheduled sessions that have a lookback behind them."""
    rows = np.flatnonzero(opens)
    return rows[inputs.before + rows >= spec.lookback]


def _decide(spec: Leaf, inputs: LeafInputs, rows: np.ndarray, pending: Pending | None, watch: Stopwatch) -> Decisions:
    """Decide at all `rows` from prices alone or, one after another, from what is held by then as well."""
    whole, parts = _eligible(spec, inputs, rows), []
    n_parts = max(min(round(8 * whole.size * whole.shape[1] / CHUNK), len(rows)), 1)
    for part, eligible in zip(np.array_split(rows, n_parts), np.array_split(whole, n_parts), strict=True):
        windows = inputs.windows(spec, inputs.before + part + 1)
        with watch.lap(SELECTION, len(part)):
            support, constant = _select(spec, windows, eligible)
        with watch.lap(OPTIMIZATION, len(part)):
            candidates = Candidates.on(windows, support)
            found = pending.weigh(part, candidates) if pending else weigh(spec, candidates)
            risk = candidates.risk(found.weights, found.varied)
        left = np.where(constant | support, CONSTANT, np.where(eligible, UNSELECTED, INELIGIBLE))
        reasons = np.where(found.given, HELD, left).astype(np.int8)
        # + 0.0 turns the -0.0 of an unheld short into 0.0
        parts.append(Decisions(part, found.weights * spec.signs + 0.0, risk, tuple(found.status), reasons))
    return join_decisions(parts)


def _select(spec: Leaf, windows: Windows, eligible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what was selected, and what the selector was not given because it is constant, (n_decisions, n_assets)."""
    selector = build_selector(spec.selector)
    if not selector.needs_variance:
        return selector.select(windows, eligible), np.zeros(eligible.shape, bool)
    constant = eligible & windows.constant
    support = selector.select(windows, eligible & ~constant)
    still = np.flatnonzero(constant.any(axis=1) & (constant == eligible).all(axis=1))
    if len(still):
        support[still] = selector.unranked(windows.take(still), eligible[still])
    return support, constant


def _eligible(spec: Leaf, inputs: LeafInputs, rows: np.ndarray) -> np.ndarray:
    """Return which assets have a price and a history at each decision, (n_decisions, n_assets) bool."""
    stops = inputs.before + rows + 1
    if not len(rows) or inputs.observed[stops[0] - spec.lookback :].all():
        return inputs.priced[rows]
    seen = np.concatenate([np.zeros((1, inputs.observed.shape[1]), np.int64), np.cumsum(inputs.observed, axis=0)])
    coverage = seen[stops] - seen[stops - spec.lookback]
    return inputs.priced[rows] & (coverage >= spec.min_coverage * spec.lookback - 1e-9)
