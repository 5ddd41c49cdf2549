"""Leaf holdings: a leaf's assets over one partition, all at once or decision by decision (metabt.walk.holdings)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from metabt.data.point_in_time.hedging import Hedges
from metabt.values.lazy_property import lazy_property
from metabt.walk import holdings
from metabt.walk.block import Endings, Gaps, LeafState
from metabt.walk.costs import CostRates, Trades
from metabt.walk.drift import drift, gained
from metabt.walk.holdings import NO_IDLE, Queue
from metabt.walk.meta.flattening import net_charges, net_fees, net_shorts, net_trades
from metabt.walk.timing import check_alive, check_gain
from metabt.walk.trading.bands import traded_to


@lru_cache(maxsize=4)
def _none(n_sessions: int) -> np.ndarray:
    """Return counts of nothing, (n_sessions,) int64, read-only: as many leaves as there are share them."""
    counts = np.zeros(n_sessions, np.int64)
    counts.flags.writeable = False
    return counts


@lru_cache(maxsize=4)
def _still(n_assets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return that no trade waits, and that all prices are new, (n_assets,) each, read-only."""
    waiting, stale = np.full(n_assets, np.nan), np.zeros(n_assets, np.int64)
    waiting.flags.writeable = stale.flags.writeable = False
    return waiting, stale


class LeafHoldings:
    """A leaf's holdings, fractions of its NAV, filled session by session; (n_sessions, n_assets) unless said otherwise.

    Where it hedges currencies, a forward on each has a column after those of the assets.

    `until` fills in the next sessions, in order. Attributes that need the whole partition are read at its end.
    """

    def __init__(
        self,
        state: LeafState,
        dates: np.ndarray,
        market: np.ndarray,
        priced: np.ndarray,
        stale_after: int,
        idle: np.ndarray | None = None,
        ended: np.ndarray | None = None,
        lag: int = 0,
        *,
        ordered: bool = False,
        band: float = 0.0,
        hedges: Hedges | None = None,
    ) -> None:
        """Begin before the first session with what the partition before left; the state is not changed.

        Parameters
        ----------
        state : state after the partition before
        dates : (n_sessions,) datetime64[D]
        market : (n_sessions, n_assets) simple returns, 0 in gaps
        priced : (n_sessions, n_assets) bool
        stale_after : sessions without a price after which a holding is closed
        idle : (n_sessions,) simple returns of cash; None for nothing
        ended : (n_sessions, n_assets) bool, the asset ends in the session; None where none does
        lag : sessions from a decision to its trade: what was decided before an asset ended is not bought after it
        ordered : sums over assets are taken one after another, so that assets which nothing is held of change no bit
        band : difference of weights within which what is held is left alone at a trade
        hedges : forwards that are held in columns after the assets'; None where there are none
        """
        self._hedges, self._n_assets = hedges, market.shape[1]
        if hedges is not None:
            every = np.ones(hedges.returns.shape, bool)
            market, priced = np.hstack([market, hedges.returns]), np.hstack([priced, every])
            ended = None if ended is None else np.hstack([ended, ~every])
        self._ordered, self._band = ordered, float(band)
        self.dates, self._stale_after, self._lag = dates, stale_after, lag
        self.idle, self._idle = idle, NO_IDLE if idle is None else np.array(idle)
        self._ended = np.zeros((0, market.shape[1]), bool) if ended is None else np.array(ended)
        self._barred = _within(self._ended, lag)
        self.market, self.priced = np.ascontiguousarray(market), priced
        self.after, self._before = np.empty(market.shape), np.empty(market.shape)
        self.closed = np.zeros(market.shape, bool)
        self.gross, self.traded = np.empty(len(dates)), np.zeros(len(dates), bool)
        self._held, self._waiting, self._stale = state.holdings.copy(), state.waiting.copy(), state.stale.copy()
        self._stop = 0

    def until(self, stop: int, due: np.ndarray, targets: np.ndarray) -> None:
        """Fill in the sessions up to the one before `stop`, which trade the rows of `targets` that are due.

        Parameters
        ----------
        stop : int
            The first session that is not filled in; never less than in the call before.
        due : (n_sessions,) int64
            Row of `targets` that each session of the partition trades, -1 for none.
        targets : (n_decisions, n_assets)
            Decided weights.

        Raises
        ------
        RunError
            If the book is ruined on the way.
        """
        if self._hedges is None:
            self._hold(stop, due, targets)
            return
        # nothing is decided of hedges: what they are set to follows from what is held
        wide = np.hstack([targets, np.full((len(targets), self._hedges.returns.shape[1]), np.nan)])
        for row in (self._stop + np.flatnonzero(self._hedges.resets[self._stop : stop])).tolist():
            self._hold(row + 1, due, wide)
            self._hedge(row, self._hedges)
        self._hold(stop, due, wide)

    def _hedge(self, row: int, hedges: Hedges) -> None:
        """Set hedges at the close of a session, the last that is filled in, to minus what is held of each currency."""
        wanted = 0.0 - hedges.notional(self._held[: self._n_assets])
        if (wanted != self._held[self._n_assets :]).any():
            # what was held before is the next row of `_before`, whether anything was traded then or not
            self.traded[row] = True
            self._held[self._n_assets :] = self.after[row, self._n_assets :] = wanted

    def _hold(self, stop: int, due: np.ndarray, targets: np.ndarray) -> None:
        """Fill in the sessions up to the one before `stop`, hedges drifting; `targets` has a column for each column."""
        rows = slice(self._stop, stop)
        before = self._before[np.count_nonzero(self.traded[: self._stop]) :]
        made = (before, self.after[rows], self.gross[rows], self.traded[rows], self.closed[rows])
        state = (self._held, self._waiting, self._stale)
        ruin = holdings.hold_assets(
            self.market[rows],
            self.priced[rows],
            due[rows],
            targets,
            *state,
            self._stale_after,
            *made,
            self._idle[rows],
            self._ended[rows],
            self._barred[rows],
            self._ordered,
            self._band,
        )
        check_alive(ruin, self.dates[rows], self.gross[rows])
        self._stop = stop

    def ahead(self) -> np.ndarray:
        """Return the holdings at the close of the next session before anything is traded, (n_assets,).

        Raises
        ------
        RunError
            If the book is ruined in it: nothing is left that could be decided on.
        """
        market = self.market[self._stop]
        gain = self._sum(self._held * market)
        if len(self._idle):
            gain = gained(gain, self._sum(self._held), self._idle[self._stop])
        check_gain(gain, self.dates[self._stop])
        held = drift(self._held, market, gain)
        if len(self._ended):
            held[self._ended[self._stop]] = 0.0
        return held[: self._n_assets]

    def _sum(self, amounts: np.ndarray) -> float:
        return float(np.add.accumulate(amounts)[-1] if self._ordered else amounts.sum())

    def aimed(self, targets: np.ndarray, decided: int) -> np.ndarray:
        """Return what is held once a decision of weights `targets`, which is under way, is traded, (n_items,).

        What ended in the next session, or since the session in which it was `decided`, is not bought; what is within
        the band at the close of the next session is left alone.
        """
        ended = self._ended[max(decided, 0) : self._stop + 1, : self._n_assets].any(axis=0)
        if self._band:
            targets = traded_to(self.ahead(), np.where(ended, np.nan, targets), self._band)
        return np.where(np.isnan(targets) | ended, 0.0, targets)

    def left_of(self, queue: Queue, stop: int) -> Queue:
        """Return a queue as it is after the sessions up to the one before `stop`: without what ended since (NaN)."""
        if not len(self._ended) or not len(queue.due):
            return queue
        weights = queue.weights.copy()
        for k, due in enumerate(queue.due.tolist()):
            weights[k, self._ended[max(stop + due - self._lag, 0) : stop, : self._n_assets].any(axis=0)] = np.nan
        return Queue(queue.due, weights)

    def up_to_each(self, stops: Sequence[int], due: np.ndarray, targets: np.ndarray) -> list[dict[str, Any]]:
        """Fill in the sessions up to each of `stops`; return the fields of the state there, by name."""
        if not self._complete:
            return [self._up_to(stop, due, targets) for stop in stops]
        self.until(stops[-1], due, targets)
        nothing, new = _still(len(self._held))  # as after any session in which all can be traded
        return [
            {"holdings": self.after[stop - 1].copy(), "waiting": nothing, "stale": new, "session": self.dates[stop - 1]}
            for stop in stops
        ]

    def _up_to(self, stop: int, due: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        self.until(stop, due, targets)
        held, waiting, stale = self._held.copy(), self._waiting.copy(), self._stale.copy()
        return {"holdings": held, "waiting": waiting, "stale": stale, "session": self.dates[stop - 1]}

    @lazy_property
    def endings(self) -> Endings | None:
        """Holdings that were closed for good; at the end. None where there are none."""
        rows, assets = np.nonzero(self._ended)
        rows, assets = rows[self.traded[rows]], assets[self.traded[rows]]  # what closes a holding is a trade
        held = self.before[(np.cumsum(self.traded) - 1)[rows], assets]
        kept = held != 0.0
        return Endings(rows[kept], assets[kept], held[kept]) if kept.any() else None

    @lazy_property
    def n_closed(self) -> np.ndarray:
        """(n_sessions,) int64 holdings closed at their last price."""
        if self._complete:
            return _none(len(self.gross))
        return self.closed.sum(axis=1)

    @lazy_property
    def before(self) -> np.ndarray:
        """(n_traded, n_assets) holdings just before trading, in sessions in which anything traded; at the end."""
        return self._before[: np.count_nonzero(self.traded)].copy()

    def trades(self, borrows: bool, rates: CostRates | None = None) -> Trades:
        """Return the sums of absolute trades and, where it `borrows` at a cost, of short positions; at the end.

        With `rates` of each asset and session they are charged by them.
        """
        traded, short = np.zeros(len(self.gross)), np.zeros(len(self.gross))
        identity = np.arange(len(self._held), dtype=np.int64)
        traded[self.traded] = net_trades(
            self.before, self.after[self.traded], identity, len(identity), ordered=self._ordered
        )
        if rates is not None:
            owed = np.zeros(len(self.gross))
            at = self.before, self.after[self.traded]
            owed[self.traded] = net_charges(*at, identity, rates.trade_in(self.traded))
            return Trades(traded, short, owed, self._fees(rates, identity))
        if borrows:
            short = net_shorts(self.after, identity, len(identity))
        return Trades(traded, short)

    def _fees(self, rates: CostRates, identity: np.ndarray) -> np.ndarray:
        """Return what short positions cost a calendar day, (n_sessions,)."""
        fees = np.zeros(len(self.gross))
        if not np.min(self.after, initial=0.0) < 0:
            return fees
        short = np.flatnonzero((self.after < 0).any(axis=1))
        fees[short] = net_fees(self.after[short], identity, rates.borrow_in(short))
        return fees

    def gaps(self, state: LeafState, rows: slice, traded: slice) -> Gaps | None:
        """Return what a parent needs of a partition in which some holding could not be traded, else None; at the end.

        Parameters
        ----------
        state : state before the partition
        rows : its sessions
        traded : its rows of `before`

        Returns
        -------
        returns and tradability of its assets
        """
        if not (state.stale.any() and ((state.stale > 0) & (state.holdings != 0)).any()):
            if self._complete or self.priced[rows].all() or not self._held_unpriced(rows, traded):
                return None
        tradable = self.priced[rows] | self.closed[rows]
        return Gaps(self.market[rows], tradable | self._ended[rows] if len(self._ended) else tradable)

    @lazy_property
    def _complete(self) -> bool:
        return bool(self.priced.all())

    def _held_unpriced(self, rows: slice, traded: slice) -> bool:
        """Return whether anything without a price was held just before or just after trading."""
        priced = self.priced[rows]
        held = (self.after[rows] != 0) & ~priced  # what does not trade is the same before and after
        return bool(held.any() or ((self.before[traded] != 0) & ~priced[self.traded[rows]]).any())


def _within(ended: np.ndarray, lag: int) -> np.ndarray:
    """Return whether an asset ended in a session or in one of the `lag` before it, (n_sessions, n_assets) bool."""
    rows = np.arange(len(ended))[:, None]
    newest = np.maximum.accumulate(np.where(ended, rows, -1), axis=0)
    return (newest >= 0) & (rows - newest <= lag)
