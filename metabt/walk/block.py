"""Blocks and states: what one sleeve leaves behind after one partition, and what it takes into the next.

A state holds exactly what a later partition may depend on. Nothing in it is cumulative (NAV and metrics are folded when
a run is assembled), so a state can become again what it was before a correction. Of its children a meta sleeve
remembers nothing but the tail of their streams: what they hold and whether they live is in their own states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.walk.costs import Unpaid
from metabt.walk.followed_rows import FollowedRows
from metabt.walk.holdings import Queue
from metabt.walk.stacked_arrays import StackedArrays

Rows = np.ndarray | StackedArrays | FollowedRows
"""A matrix of which rows are read: all of it, what lies in several partitions, or what is followed when it is read."""


def stretch(rows: Rows, first: int, stop: int) -> np.ndarray:
    """Return consecutive rows of a matrix, (stop - first, n_columns), to be read only."""
    return rows[first:stop] if isinstance(rows, np.ndarray) else rows.stretch(first, stop)


HELD, INELIGIBLE, UNSELECTED, WAITING, NOT_LIVE, CONSTANT, NOT_MEMBER = range(7)
"""Why an item of a decision has no weight."""
REASONS = ("", "ineligible", "unselected", "waiting", "not live", "constant", "not a member")
"""Texts of those reasons, as stored; codes are positions, so that new ones come last."""


@dataclass(frozen=True)
class Decisions:
    """The decisions of one sleeve in one partition."""

    rows: np.ndarray
    """(n_decisions,) int64 rows of the block's sessions."""
    weights: np.ndarray
    """(n_decisions, n_items) as held: negative for shorts."""
    risk: np.ndarray
    """(n_decisions, n_items) ex-ante shares of variance; NaN in warm-up, in cash and at zero variance."""
    status: tuple[str, ...]
    """(n_decisions,) ok, warmup, fallback:NAME or cash."""
    reasons: np.ndarray
    """(n_decisions, n_items) int8 positions in REASONS."""


@dataclass(frozen=True)
class Gaps:
    """Returns and tradability of a book's assets, which a parent needs where some could not always be traded."""

    returns: np.ndarray
    """(n_sessions, n_columns) the assets' returns."""
    tradable: np.ndarray
    """(n_sessions, n_columns) bool: a price, a closing at the last one, or a closing for good."""


@dataclass(frozen=True)
class Assets:
    """Holdings of a leaf, fractions of its NAV; what they earned follows from them (metabt.walk.earned)."""

    after: Rows
    """(n_sessions, n_assets) just after trading at the session's close."""
    before: Rows
    """(n_traded, n_assets) just before trading, for the sessions in which anything traded."""
    gaps: Gaps | None
    """None where every holding could be traded in every session."""


@dataclass(frozen=True)
class Endings:
    """Holdings of a leaf that were closed for good because their asset ended: a delisting, a merger."""

    rows: np.ndarray
    """(n_endings,) int64 sessions, in order."""
    assets: np.ndarray
    """(n_endings,) int64 columns of the universe."""
    held: np.ndarray
    """(n_endings,) what was held just before the closing, fractions of NAV; never 0."""


@dataclass(frozen=True)
class Carried:
    """Positions of a meta sleeve that could not be traded, beyond share x child holding; most are 0 and left out."""

    rows: np.ndarray
    """(n_entries,) int64 sessions."""
    columns: np.ndarray
    """(n_entries,) int64 columns of the book."""
    before: np.ndarray
    """(n_entries,) just before trading."""
    after: np.ndarray
    """(n_entries,) just after."""
    start: np.ndarray
    """(n_columns,) before the partition's first session."""


@dataclass(frozen=True)
class Shares:
    """A meta sleeve's holdings of its children, fractions of its NAV; what they earned follows from their streams."""

    after: np.ndarray
    """(n_sessions, n_children) just after trading at the session's close."""
    before: np.ndarray
    """(n_dealt, n_children) just before trading, for the sessions in which a decision of its own was traded."""
    dealt: np.ndarray
    """(n_sessions,) bool: a decision of its own was traded."""
    carried: Carried | None
    """None where every trade could be made."""


@dataclass(frozen=True)
class Block:
    """One sleeve over one partition, or over several end to end. A meta sleeve's book is looked through on demand."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D] sessions of the sleeve's book."""
    begin: int
    """First row of the sleeve's stream; n_sessions before it has begun."""
    gross: np.ndarray
    """(n_sessions,) returns before costs."""
    cost: np.ndarray
    """(n_sessions,) costs that the session is charged, fraction of NAV."""
    net: np.ndarray
    """(n_sessions,) returns after costs."""
    turnover: np.ndarray
    """(n_sessions,) half the sum of absolute trades, netted."""
    netting: np.ndarray
    """(n_sessions,) cost not charged because trades of the children cancel, fraction of NAV; 0 for a leaf."""
    traded: np.ndarray
    """(n_sessions,) bool: something in it or beneath it traded."""
    closed: np.ndarray
    """(n_sessions,) int64 holdings of a leaf closed at their last price because they had none for too long."""
    decisions: Decisions
    """Its decisions in these sessions."""
    held: Assets | Shares
    """Its holdings: Assets of a leaf, Shares of a meta sleeve."""
    idle: np.ndarray | None = None
    """(n_sessions,) simple returns of cash, which `gross` has on what is not invested; None where it earns nothing."""
    endings: Endings | None = None
    """None where no holding was closed for good; they are not among `closed`."""
    invested: np.ndarray | None = None
    """(n_sessions,) sum of its holdings after trading, looked through to assets, shorts negative: the rest of 1 is
    cash, its own and that of all beneath it, which earns by a parent's sessions there. None where cash earns nothing.
    """


def part(whole: Block, rows: slice, made: slice, begin: int, held: Assets | Shares) -> Block:
    """Return the block of some rows and decisions, which holds `held`; its stream begins at the row `begin` of it."""
    decisions = whole.decisions
    return Block(
        dates=whole.dates[rows],
        begin=begin,
        gross=whole.gross[rows],
        cost=whole.cost[rows],
        net=whole.net[rows],
        turnover=whole.turnover[rows],
        netting=whole.netting[rows],
        traded=whole.traded[rows],
        closed=whole.closed[rows],
        decisions=Decisions(
            decisions.rows[made] - rows.start,
            decisions.weights[made],
            decisions.risk[made],
            decisions.status[made],
            decisions.reasons[made],
        ),
        held=held,
        idle=None if whole.idle is None else whole.idle[rows],
        endings=_endings(whole.endings, rows),
        invested=None if whole.invested is None else whole.invested[rows],
    )


def _endings(whole: Endings | None, rows: slice) -> Endings | None:
    """Return those of some rows, from the first of them on; None where there are none."""
    if whole is None:
        return None
    at = slice(*np.searchsorted(whole.rows, [rows.start, rows.stop]))
    if at.start == at.stop:
        return None
    return Endings(whole.rows[at] - rows.start, whole.assets[at], whole.held[at])


@dataclass(frozen=True, kw_only=True)
class State:
    """State that both kinds of sleeve take into the next partition."""

    index: int = 0
    """Index of the next session of the schedule's calendar, counted from `start`."""
    scheduled: np.datetime64 | None = None
    """Last session of the schedule's calendar on or after `start`."""
    session: np.datetime64 | None = None
    """Last session of the book."""
    holdings: np.ndarray
    """(n_items,) drifted weights of assets, or shares of children."""
    queue: Queue
    """Decisions that are not traded yet."""
    unpaid: Unpaid = Unpaid()
    """Costs that are not charged yet."""
    live: bool = False
    """Whether it has taken a non-empty decision."""
    started: bool = False
    """Whether it has traded, so that its next session belongs to its stream."""


@dataclass(frozen=True, kw_only=True)
class LeafState(State):
    """State that a leaf takes along besides."""

    waiting: np.ndarray
    """(n_assets,) targets of trades that wait for a price, NaN where none does."""
    stale: np.ndarray
    """(n_assets,) int64 sessions since the last price, at most `stale_after`."""
    seen: np.ndarray | None = None
    """(n_assets,) int64 closes so far, at most `min_prices`; None where no rule draws the universe by them."""

    @classmethod
    def initial(cls, n_assets: int, n_hedges: int = 0) -> LeafState:
        """Return the state before the first session; what is decided, and queued, is of assets alone."""
        n_held = n_assets + n_hedges
        nothing = np.full(n_held, np.nan)
        stale = np.zeros(n_held, np.int64)
        return cls(holdings=np.zeros(n_held), queue=Queue.empty(n_assets), waiting=nothing, stale=stale)


@dataclass(frozen=True, kw_only=True)
class MetaState(State):
    """State that a meta sleeve takes along besides."""

    warm: bool = False
    """Whether warm-up is over."""
    lengths: np.ndarray
    """(n_children,) int64 common sessions of stream, at most what a decision can use."""
    streams: np.ndarray
    """(n_rows, n_children) newest net streams compounded to common sessions, as many as a decision can use."""
    accrued: np.ndarray
    """(n_children,) net return since the last common session; NaN where there was no session."""
    carried: np.ndarray
    """(n_columns,) positions that could not be traded, beyond share x child holding."""
    idle: np.ndarray | None = None
    """(n_rows,) what cash earned, compounded as `streams` are; None where it earns nothing."""
    idle_accrued: np.ndarray | None = None
    """(1,) the same since the last common session; NaN where there was no session."""

    @classmethod
    def initial(cls, n_children: int, n_columns: int) -> MetaState:
        """Return the state before the first session."""
        return cls(
            holdings=np.zeros(n_children),
            queue=Queue.empty(n_children),
            lengths=np.zeros(n_children, np.int64),
            streams=np.empty((0, n_children)),
            accrued=np.full(n_children, np.nan),
            carried=np.zeros(n_columns),
        )
