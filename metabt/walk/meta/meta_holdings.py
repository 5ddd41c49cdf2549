"""Meta holdings: shares in a meta sleeve's children over one partition, all at once or decision by decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metabt.values.lazy_property import lazy_property
from metabt.walk import holdings
from metabt.walk.block import Carried, Gaps, MetaState, Shares
from metabt.walk.drift import drift, gained
from metabt.walk.holdings import NO_IDLE
from metabt.walk.meta.aggregation import Gathered
from metabt.walk.meta.flattening import Layout
from metabt.walk.timing import check_alive, check_gain
from metabt.walk.trading.bands import traded_to


class MetaHoldings:
    """Shares in children, fractions of NAV, filled session by session; (n_sessions, n_children) unless said otherwise.

    `until` fills in the next sessions, in order. Attributes that need the whole partition are read at its end.
    """

    def __init__(self, state: MetaState, children: Gathered, layout: Layout, band: float = 0.0) -> None:
        """Begin before the first session with what the partition before left; the state is not changed.

        With a `band` shares within it of their targets are left alone at a trade.
        """
        self._band = float(band)
        self._state, self._children, self._layout = state, children, layout
        n_sessions = len(children.dates)
        self._before, self.after = np.empty_like(children.gross), np.empty_like(children.gross)
        self.gross, self._dealt = np.empty(n_sessions), np.zeros(n_sessions, bool)
        self._shares, self.carried = state.holdings.copy(), state.carried.copy()
        self._idle = NO_IDLE if children.idle is None else np.array(children.idle)
        self._stop = 0

    def until(self, stop: int, due: np.ndarray, targets: np.ndarray) -> None:
        """Fill in the sessions up to the one before `stop`, which trade the rows of `targets` that are due.

        Parameters
        ----------
        stop : int
            The first session that is not filled in; never less than in the call before.
        due : (n_sessions,) int64
            Row of `targets` that each session of the partition trades, -1 for none.
        targets : (n_decisions, n_children)
            Decided weights.

        Raises
        ------
        RunError
            If the book is ruined on the way.
        """
        rows = slice(self._stop, stop)
        made = (self._before[rows], self.after[rows], self.gross[rows], self._dealt[rows], self._idle[rows])
        market = self._children.gross[rows], self._children.earned[rows]
        args = (*market, due[rows], targets, self._shares, *made)
        if self._gaps is None:
            ruin = holdings.hold_shares(*args, self._band)
        else:
            books, returns, tradable = (matrix[rows] for matrix in self._beneath)
            if self._ended.any():
                tradable = tradable & ((due[rows] >= 0)[:, None] | ~self._ended[rows])
            beyond = (made[rows] for made in self._beyond)
            ruin = holdings.hold_shares_with_gaps(
                *args, self._layout.child_of, books, returns, tradable, self.carried, *beyond, self._band
            )
        check_alive(ruin, self._children.dates[rows], self.gross[rows])
        self._stop = stop

    def up_to_each(self, stops: Sequence[int], due: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """Fill in the sessions up to each of `stops`; return what is carried beside the shares there, (n_columns,)."""
        if self._gaps is None:
            self.until(stops[-1], due, targets)
            return [self.carried] * len(stops)
        return [self._up_to(stop, due, targets) for stop in stops]

    def _up_to(self, stop: int, due: np.ndarray, targets: np.ndarray) -> np.ndarray:
        self.until(stop, due, targets)
        return self.carried.copy()

    def ahead(self) -> np.ndarray:
        """Return the shares at the close of the next session before anything is traded, (n_children,).

        Raises
        ------
        RunError
            If the book is ruined in it: nothing is left that could be decided on.
        """
        market = self._children.gross[self._stop]
        gain = float((self._shares * self._children.earned[self._stop]).sum())
        if self._gaps is not None:
            gain += _in_order(self.carried * self._gaps.returns[self._stop])
        if len(self._idle):
            gain = gained(gain, float(self._shares.sum()) + _in_order(self.carried), self._idle[self._stop])
        check_gain(gain, self._children.dates[self._stop])
        return drift(self._shares, market, gain)

    def aimed(self, targets: np.ndarray, decided: int) -> np.ndarray:
        """Return what is held once a decision of weights `targets`, which is under way, is traded, (n_children,).

        What is within the band at the close of the next session is left alone.
        """
        return traded_to(self.ahead(), targets, self._band) if self._band else targets

    @lazy_property
    def _gaps(self) -> Gaps | None:
        # what is still carried from before is traded, or drifts on, in a partition without gaps too
        children = self._children
        return children.full_gaps if children.gaps is not None or self._state.carried.any() else None

    @lazy_property
    def _beneath(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The children's books after trading, their assets' returns, and whether they could be traded."""
        assert self._gaps is not None
        _, books = self._children.around(np.arange(len(self.gross)))
        return books, np.ascontiguousarray(self._gaps.returns), np.ascontiguousarray(self._gaps.tradable)

    @lazy_property
    def _ended(self) -> np.ndarray:
        """(n_sessions, n_columns) bool: of data that have ended for good, which trade only when shares are traded."""
        children = self._children
        return np.take(children.dates[:, None] > children.ends, self._layout.child_of, axis=1)  # NaT is never over

    @lazy_property
    def _beyond(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions carried beside the shares, just before and just after trading, each (n_sessions, n_columns)."""
        return np.empty_like(self._beneath[0]), np.empty_like(self._beneath[0])

    @property
    def traded(self) -> np.ndarray:
        """(n_sessions,) bool: something in it or beneath it traded."""
        rows = self._children.rows_traded
        dealt_in = (self._before[rows] != 0) | (self.after[rows] != 0)
        traded = self._dealt.copy()
        traded[rows] |= (self._children.traded[rows] & dealt_in).any(axis=1)
        return traded

    def held(self, due: np.ndarray) -> Shares:
        """Return the holdings of the whole partition, at its end.

        `due`, (n_sessions,), is the decision that each session traded, -1 for none.
        """
        dealt = due >= 0  # not what a carried position alone has traded
        if self._band:
            dealt = dealt & (self._before != self.after).any(axis=1)
        carried = None if self._gaps is None else _sparse(self._state.carried, *self._beyond)
        return Shares(self.after, self._before[dealt], dealt, carried)


def _in_order(amounts: np.ndarray) -> float:
    """Return a sum to which a column that is 0 adds nothing, wherever it stands."""
    return float(np.add.accumulate(amounts)[-1])


def _sparse(start: np.ndarray, before: np.ndarray, after: np.ndarray) -> Carried | None:
    rows, columns = np.nonzero((before != 0) | (after != 0))
    if not len(rows) and not start.any():
        return None
    return Carried(rows, columns, before[rows, columns], after[rows, columns], start)
