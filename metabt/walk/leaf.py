"""Walk a leaf over one partition, or over several at once (metabt.walk.leaf_partitions).

1. windows: the last `lookback` returns of the eligible assets, as of each scheduled session: members of the universe
   that have a price and a history and do not end
2. select, then optimize on what was selected, each without what is constant over the window where it needs variance;
   a short leaf does both on -r and holds -w. A leaf with a signal takes its weights, on their dates, in place of both
3. hold: trade `lag` sessions later, drift in between, cash earning its rate; close what has ended or gone stale; set
   hedges of currencies by month (metabt.data.point_in_time.hedging)
4. charge
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.data.point_in_time.hedging import Hedges
from metabt.estimators.windows import Windows
from metabt.portfolio.built_estimators import build_optimizer, build_selector
from metabt.portfolio.drawn_assets import Levels, counted, drawn_assets
from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import CONSTANT, HELD, INELIGIBLE, NOT_MEMBER, UNSELECTED, Block, Decisions, LeafState
from metabt.walk.candidates import Candidates
from metabt.walk.concatenation import join_decisions
from metabt.walk.costs import AssetCosts
from metabt.walk.decision import NOTHING, Outside, Spared, weigh
from metabt.walk.leaf_holdings import LeafHoldings
from metabt.walk.leaf_partitions import cut
from metabt.walk.path_dependent import Pending
from metabt.walk.stopwatch import HOLDING, OPTIMIZATION, SELECTION, Stopwatch
from metabt.walk.timing import from_first, schedule

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
    member: np.ndarray | None = None
    """(n_sessions, n_assets) bool: belongs to the universe as of the session; None where all always do."""
    ended: np.ndarray | None = None
    """(n_sessions, n_assets) bool: the asset ends in the session (a delisting, a merger), its holding being closed at
    the session's close after it has earned the session's return; None where none ends."""
    idle: np.ndarray | None = None
    """(before + n_sessions,) simple returns of cash, each since the session before; None where it earns nothing."""
    levels: Levels | None = None
    """What the rule by which the universe is drawn reads, (before + n_sessions, n_assets); None without such a rule."""
    rates: AssetCosts | None = None
    """Costs of each asset in each session, (n_sessions, n_assets), those of its hedges after them; None are those of
    the spec."""
    hedges: Hedges | None = None
    """Forwards that are held beside the assets, in columns after theirs; None where there are none."""
    opens: np.ndarray | None = None
    """(n_sessions,) bool: a day that the schedule decides on falls on the session, or on a day since the one before;
    None where it counts sessions or periods."""
    signal: Outside | None = None
    """Weights from outside, by the sessions that decide them; None where the leaf decides itself."""

    def windows(self, spec: Leaf, stops: np.ndarray) -> Windows:
        """Return the windows of a leaf that end before the rows `stops`."""
        key = stops.tobytes(), spec.signs.tobytes()
        if self.shared is not None and key in self.shared:
            return self.shared[key]
        signed = self.returns * spec.signs if spec.holds_shorts else self.returns
        lengths, sessions = np.full(len(stops), spec.lookback, np.int64), self.dates[stops - self.before - 1]
        windows = Windows(signed, stops, lengths, self.dollar_volume, spec.universe, sessions, self.idle, spec.signs)
        if self.shared is not None:
            self.shared[key] = windows
        return windows


def advance_leaf(
    spec: Leaf, state: LeafState, inputs: LeafInputs, watch: Stopwatch, spared: Spared = NOTHING
) -> tuple[LeafState, Block]:
    """Take a leaf over one partition; see metabt.walk.walk_forward.advance."""
    _, (walked,) = leaf_over(spec, state, inputs, [len(inputs.dates)], watch, spared)
    return walked


def leaf_over(
    spec: Leaf,
    state: LeafState,
    inputs: LeafInputs,
    stops: Sequence[int],
    watch: Stopwatch,
    spared: Spared = NOTHING,
) -> tuple[Block, list[tuple[LeafState, Block]]]:
    """Take a leaf over the consecutive partitions that end before the rows `stops` of its inputs, all in one walk.

    Returned are the block of all of them, and the state after each with the block of it, which lie in the same memory
    and have the bits of `advance_leaf` from one partition to the next. A sleeve whose optimizer depends on what it
    holds is taken over one partition.
    """
    idle = None if inputs.idle is None else inputs.idle[inputs.before :]
    hold = LeafHoldings(
        state,
        inputs.dates,
        inputs.returns[inputs.before :],
        inputs.priced,
        spec.stale_after,
        idle,
        inputs.ended,
        spec.lag,
        ordered=spec.is_drawn,
        band=spec.schedule.band,
        hedges=inputs.hedges,
    )
    decisions = spared.decisions or _decisions(spec, state, inputs, stops, hold, watch, measured=not spared.risk)
    with watch.lap(HOLDING, len(inputs.dates)):
        rates = None if inputs.rates is None else inputs.rates.at(spec.costs)
        return cut(spec, state, hold, decisions, stops, rates, _seen_at(spec, state, inputs, stops))


def _decisions(
    spec: Leaf,
    state: LeafState,
    inputs: LeafInputs,
    stops: Sequence[int],
    hold: LeafHoldings,
    watch: Stopwatch,
    measured: bool,
) -> Decisions:
    """Return what is decided at the scheduled sessions, from the first that holds anything."""
    if inputs.signal is not None:
        return from_first(inputs.signal.decided(spec), state.live)
    opens, _ = schedule(spec, state, inputs.dates, inputs.opens)
    pending: Pending | None = None
    rows = _rows(spec, inputs, opens)
    if build_optimizer(spec.optimizer).path_dependent:
        assert len(stops) == 1  # what is held at a decision is followed up to there
        pending = Pending(spec, state, hold, np.ones(len(inputs.dates), bool), len(rows))
    within = _within(spec, state, inputs, rows)
    return from_first(_decide(spec, inputs, rows, within, pending, watch, measured), state.live)


def _rows(spec: Leaf, inputs: LeafInputs, opens: np.ndarray) -> np.ndarray:
    """Return the scheduled sessions that have a lookback behind them."""
    rows = np.flatnonzero(opens)
    return rows[inputs.before + rows >= spec.lookback]


def _decide(
    spec: Leaf,
    inputs: LeafInputs,
    rows: np.ndarray,
    within: np.ndarray | None,
    pending: Pending | None,
    watch: Stopwatch,
    measured: bool,
) -> Decisions:
    """Decide at all `rows` from prices alone or, one after another, from what is held by then as well."""
    whole, parts, decided = _eligible(spec, inputs, rows, within), [], 0
    n_parts = max(min(round(8 * whole.size * whole.shape[1] / CHUNK), len(rows)), 1)
    for part, eligible in zip(np.array_split(rows, n_parts), np.array_split(whole, n_parts), strict=True):
        windows = inputs.windows(spec, inputs.before + part + 1)
        with watch.lap(SELECTION, len(part)):
            support, constant = _select(spec, windows, eligible)
        with watch.lap(OPTIMIZATION, len(part)):
            candidates = Candidates.on(windows, support)
            found = pending.weigh(part, candidates) if pending else weigh(spec, candidates)
            risk = candidates.risk(found.weights, found.varied) if measured else np.broadcast_to(np.nan, support.shape)
        left = np.where(constant | support, CONSTANT, np.where(eligible, UNSELECTED, INELIGIBLE))
        if within is not None:
            left = np.where(within[decided : decided + len(part)], left, NOT_MEMBER)
        decided += len(part)
        reasons = np.where(found.given, HELD, left).astype(np.int8)
        # + 0.0 turns the -0.0 of an unheld short into 0.0; what is reserved scales all, and no share of risk
        held = found.weights * (1.0 - spec.cash.reserve) * spec.signs + 0.0
        parts.append(Decisions(part, held, risk, tuple(found.status), reasons))
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


def _within(spec: Leaf, state: LeafState, inputs: LeafInputs, rows: np.ndarray) -> np.ndarray | None:
    """Return what is in the universe as it is drawn at each decision, (n_decisions, n_assets) bool; None is all."""
    if inputs.levels is None or spec.drawn is None:
        return None if inputs.member is None else inputs.member[rows]
    allowed = np.ones((len(rows), len(spec.universe)), bool) if inputs.member is None else inputs.member[rows]
    return drawn_assets(spec.drawn, inputs.levels, inputs.before, rows, allowed, _seen(spec, state))


def _seen(spec: Leaf, state: LeafState) -> np.ndarray:
    return np.zeros(len(spec.universe), np.int64) if state.seen is None else state.seen


def _seen_at(spec: Leaf, state: LeafState, inputs: LeafInputs, stops: Sequence[int]) -> Sequence[np.ndarray | None]:
    """Return how many closes each asset has had by the end of each partition, where the universe's rule asks."""
    if spec.drawn is None or spec.drawn.min_prices is None or inputs.levels is None:
        return [None] * len(stops)
    close = inputs.levels.close[inputs.before :]
    return [counted(spec.drawn, close[:stop], _seen(spec, state)) for stop in stops]


def _eligible(spec: Leaf, inputs: LeafInputs, rows: np.ndarray, within: np.ndarray | None) -> np.ndarray:
    """Return which assets may be held at each decision, (n_decisions, n_assets) bool.

    That are those with a price and a history which are `within` the universe and do not end in that very session.
    """
    eligible = _covered(spec, inputs, rows)
    if within is not None:
        eligible = eligible & within
    if inputs.ended is not None:
        eligible = eligible & ~inputs.ended[rows]
    return eligible


def _covered(spec: Leaf, inputs: LeafInputs, rows: np.ndarray) -> np.ndarray:
    """Return which assets have a price and a history at each decision, (n_decisions, n_assets) bool."""
    stops = inputs.before + rows + 1
    if not len(rows) or inputs.observed[stops[0] - spec.lookback :].all():
        return inputs.priced[rows]
    seen = np.concatenate([np.zeros((1, inputs.observed.shape[1]), np.int64), np.cumsum(inputs.observed, axis=0)])
    coverage = seen[stops] - seen[stops - spec.lookback]
    return inputs.priced[rows] & (coverage >= spec.min_coverage * spec.lookback - 1e-9)
