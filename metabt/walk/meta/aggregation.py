"""Aggregation: the children's blocks on one calendar, and their net streams on its common sessions.

1. Each child's rows are laid on the parent's sessions; where a child has no session it earns nothing and holds what it
   held.
2. Net streams are compounded between common sessions: a weekend that only one child trades through accrues to the next
   common session. Nothing is zero-filled and nothing is dropped.
3. A child's history is counted in common sessions since its stream began.
4. Where cash earns, a child's gross return has cash that accrued from one of *its* sessions to the next. In a session
   of the parent a unit of the child makes `y_c = R_c + (1 - inv_c) (f - f_c)`: with inv_c the sum of its flattened
   holdings as of the parent's session before, and f_c what its own session paid (R_c and f_c are 0 where it has none),
   its assets earn what they do and all its cash earns f. That is R_c, to the bit, where sessions are the same.

None of this depends on the parent but for its calendar: sleeves over the same children share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from metabt.estimators.windows import Windows
from metabt.numerics.kernels import kernel
from metabt.values.lazy_property import lazy_property
from metabt.walk.block import Gaps, MetaState
from metabt.walk.book import Opened, Start
from metabt.walk.candidates import Candidates

KEPT_BOOKS = 2
"""Number of sets of sessions for which the children's books are kept side by side."""
KEPT_WINDOWS = 64
"""Number of lookbacks, or of other windows, of which sleeves over the same children share what they have computed."""
FORMED = 2**26
"""Bytes of a book, or of covariances, that are formed at a time and kept for other sleeves, about."""


def stretches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Return rows, (n_rows,), in stretches of about FORMED bytes: for each row, `size` numbers are formed."""
    n_parts = -(-8 * len(rows) * size // FORMED)
    return np.array_split(rows, max(n_parts, 1))


@dataclass(frozen=True)
class Aligned:
    """One child laid on the sessions of its parent."""

    child: Opened | None
    """None where it has no session in the partition."""
    start: Start
    """Its state before the partition."""
    rows: np.ndarray
    """(n_sessions,) int64 the child's newest session as of each of the parent's; -1 before its first."""
    fresh: np.ndarray
    """(n_sessions,) bool: the child has a session."""
    open_ended: np.ndarray
    """(n_sessions,) bool: its data have not ended for good."""
    in_step: bool = False
    """Whether its sessions are the parent's, one for one."""

    def stream(self, name: str) -> np.ndarray:
        """Return a stream of its block, (n_sessions,), 0 where it has no session."""
        if self.child is None:
            return np.zeros(len(self.rows))
        if self.in_step:
            return getattr(self.child.block, name)
        return np.where(self.fresh, getattr(self.child.block, name)[self.rows], 0.0)

    @property
    def net(self) -> np.ndarray:
        """(n_sessions,) its net stream; 0 where it has no session, and before it begins, when its cash may earn."""
        if self.child is None or self.child.block.idle is None:
            return self.stream("net")
        return np.where(self.alive, self.stream("net"), 0.0)

    @property
    def invested(self) -> np.ndarray:
        """(n_sessions,) sum of its flattened holdings as of each session; where cash earns."""
        if self.child is None:
            return np.full(len(self.rows), self.start.invested)
        held = self.child.block.invested
        assert held is not None  # a tree has one rate: it is stated here as well
        return held if self.in_step else np.where(self.rows < 0, self.start.invested, held[self.rows])

    def earned_by_unit(self, idle: np.ndarray) -> np.ndarray:
        """Return what a unit of it makes in each session of the parent, whose cash earns `idle`; (n_sessions,) each."""
        beyond = idle - self.stream("idle")
        gross = self.stream("gross")
        if not beyond.any():
            return gross
        over = np.concatenate([[self.start.invested], self.invested[:-1]])
        return gross + (1.0 - over) * beyond

    @property
    def alive(self) -> np.ndarray:
        """(n_sessions,) bool: its stream has begun."""
        begin = np.iinfo(np.int64).max if self.child is None else self.child.block.begin
        return self.start.begun | (self.rows >= begin)

    @property
    def live(self) -> np.ndarray:
        """(n_sessions,) bool: it has taken a non-empty decision, and its data have not ended."""
        made = self.child.block.decisions.rows if self.child else np.empty(0, np.int64)
        return (self.start.live | (self.rows >= made[0] if len(made) else False)) & self.open_ended

    @property
    def traded(self) -> np.ndarray:
        """(n_sessions,) bool: something in it or beneath it traded."""
        if self.child is None:
            return np.zeros(len(self.rows), bool)
        return self.child.block.traded if self.in_step else self.fresh & self.child.block.traded[self.rows]

    def around(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return its book just before and just after trading at the parent's sessions `at`, (n_rows, n_columns)."""
        if self.child is None:
            book = np.tile(self.start.book, (len(at), 1))
            return book, book
        if self.in_step:
            return self.child.book.around(at)
        rows, stays = self.rows[at], ~self.fresh[at]
        before, after = self.child.book.around(np.maximum(rows, 0))
        after[rows < 0] = self.start.book
        before[stays] = after[stays]
        return before, after

    @property
    def has_shorts(self) -> bool:
        """Whether anything in its book may be held short after the trades of one of these sessions."""
        before = bool(np.min(self.start.book, initial=0.0) < 0)  # it stays until the first of its own sessions
        return before or (self.child is not None and self.child.book.has_shorts)

    def earned(self, weights: np.ndarray) -> np.ndarray | float:
        """Return contributions of physical assets to its gross returns, (n_assets,), a weight per parent's session."""
        if self.child is None:
            return 0.0
        if self.in_step:
            return self.child.book.earned(weights)
        own = np.zeros(len(self.child.block.dates))
        own[self.rows[self.fresh]] = weights[self.fresh]
        return self.child.book.earned(own)

    def full_gaps(self, n_columns: int) -> Gaps:
        """Return where its assets could be traded, on the parent's sessions."""
        # what has ended for good is traded at its last price whenever the parent trades
        between = np.repeat(~self.open_ended[:, None], n_columns, axis=1)
        if self.child is None:
            return Gaps(np.zeros(between.shape), between)
        gaps, fresh = self.child.book.full_gaps, self.fresh[:, None]
        return Gaps(np.where(fresh, gaps.returns[self.rows], 0.0), np.where(fresh, gaps.tradable[self.rows], between))


def align(dates: np.ndarray, child: Opened | None, start: Start, end: np.datetime64) -> Aligned:
    """Lay one child on the parent's sessions.

    Parameters
    ----------
    dates : (n_sessions,) the parent's sessions
    child : its block of the same partition; None where it has no session in it
    start : its state before the partition
    end : the last session it will ever have; NaT while its data go on
    """
    open_ended = np.ones(len(dates), bool) if np.isnat(end) else dates <= end
    if child is None or not len(child.block.dates):
        return Aligned(None, start, np.full(len(dates), -1), np.zeros(len(dates), bool), open_ended)
    own = child.block.dates
    if own is dates or np.array_equal(own, dates):
        return Aligned(child, start, *_one_for_one(len(dates)), open_ended, in_step=True)
    rows = np.searchsorted(own, dates, side="right") - 1
    return Aligned(child, start, rows, (rows >= 0) & (own[rows] == dates), open_ended)


@lru_cache(maxsize=4)
def _one_for_one(n_sessions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `rows` and `fresh` of a child in step, read-only: as many children as there are share them."""
    rows, fresh = np.arange(n_sessions), np.ones(n_sessions, bool)
    rows.flags.writeable = fresh.flags.writeable = False
    return rows, fresh


@dataclass(frozen=True)
class Gathered:
    """All children on the sessions of their parent; (n_sessions, n_children) unless said otherwise."""

    dates: np.ndarray
    """(n_sessions,) the parent's sessions."""
    common: np.ndarray
    """(n_sessions,) bool: sessions it decides and estimates on."""
    ends: np.ndarray
    """(n_children,) last session of a child whose data have ended for good, else NaT."""
    children: tuple[Aligned, ...]
    """The children, in the order of the parent's spec."""
    idle: np.ndarray | None = None
    """(n_sessions,) simple returns of cash, each since the parent's session before; None where it earns nothing."""
    _shared: Shared = field(default_factory=lambda: Shared())
    _books: dict[bytes, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        dates: np.ndarray,
        common: np.ndarray,
        ends: np.ndarray,
        children: Sequence[Opened | None],
        starts: Sequence[Start],
        idle: np.ndarray | None = None,
    ) -> Gathered:
        """Lay the children on the parent's sessions."""
        laid = [align(dates, *pair) for pair in zip(children, starts, ends, strict=True)]
        return cls(dates, common, ends, tuple(laid), idle)

    @lazy_property
    def gross(self) -> np.ndarray:
        """Gross returns, before costs; 0 where the child has no session."""
        return np.stack([child.stream("gross") for child in self.children], axis=1)

    @lazy_property
    def earned(self) -> np.ndarray:
        """What a unit of the child makes in the parent's session: its gross return, but for cash (4 above)."""
        if self.idle is None:
            return self.gross
        return np.stack([child.earned_by_unit(self.idle) for child in self.children], axis=1)

    @lazy_property
    def invested(self) -> np.ndarray:
        """Sums of the child's flattened holdings as of the session; where cash earns."""
        return np.stack([child.invested for child in self.children], axis=1)

    @lazy_property
    def net(self) -> np.ndarray:
        """Net returns, after costs; 0 where the child has no session, and before its stream."""
        return np.stack([child.net for child in self.children], axis=1)

    @lazy_property
    def alive(self) -> np.ndarray:
        """Whether the stream has begun."""
        return np.stack([child.alive for child in self.children], axis=1)

    @lazy_property
    def live(self) -> np.ndarray:
        """Whether the child has taken a non-empty decision, and its data have not ended."""
        return np.stack([child.live for child in self.children], axis=1)

    @lazy_property
    def traded(self) -> np.ndarray:
        """Whether something in the child or beneath it traded."""
        return np.stack([child.traded for child in self.children], axis=1)

    @lazy_property
    def rows_traded(self) -> np.ndarray:
        """(n_rows,) int64 sessions in which anything in any child trades."""
        return np.flatnonzero(self.traded.any(axis=1))

    def around(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the children's books side by side just before and just after trading, each (n_rows, n_columns).

        Sleeves over the same children mostly trade in the same sessions, so the last few are kept: not to be changed.
        """
        key = rows.tobytes()
        if key not in self._books:
            while len(self._books) >= KEPT_BOOKS:
                self._books.pop(next(iter(self._books)))
            self._books[key] = self._side_by_side(rows)
        return self._books[key]

    def _side_by_side(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n_columns = sum(len(child.start.book) for child in self.children)
        before, after = np.empty((len(rows), n_columns)), np.empty((len(rows), n_columns))
        first = 0
        for child in self.children:
            columns = slice(first, first + len(child.start.book))
            before[:, columns], after[:, columns] = child.around(rows)
            first = columns.stop
        return before, after

    def forget_books(self) -> None:
        """Let go of the books that are kept."""
        self._books.clear()

    @lazy_property
    def gaps(self) -> Gaps | None:
        """The gaps of all children side by side, (n_sessions, n_columns); None when none has any."""
        if all(child.child is None or child.child.book.gaps is None for child in self.children):
            return None
        return self.full_gaps

    @lazy_property
    def full_gaps(self) -> Gaps:
        """The same, also where no child has any."""
        gaps = [child.full_gaps(len(child.start.book)) for child in self.children]
        return Gaps(
            np.concatenate([gap.returns for gap in gaps], axis=1),
            np.concatenate([gap.tradable for gap in gaps], axis=1),
        )

    def streams(self, state: MetaState, cap: int, names: tuple[str, ...]) -> Streams:
        """Return net streams, compounded between common sessions, behind those that the state remembers.

        `cap` is the number of sessions of history beyond which more makes no difference, `names` (n_children,) what
        estimators know the children by.
        """
        fresh = not len(state.streams) and np.isnan(state.accrued).all() and not state.lengths.any()
        returns, accrued, begun = self._from_start if fresh else self._compounded(state.accrued)
        if len(state.streams):
            returns = np.concatenate([state.streams, returns])
        shared = self._shared if fresh else Shared()
        lengths = shared.lengths.get(cap)
        if lengths is None:
            lengths = np.minimum(state.lengths + begun, cap)
            shared.keep_lengths(cap, lengths)
        sessions = self.dates[self.common]
        cash = self._cash(state)
        return Streams(returns, len(state.streams), lengths, accrued, sessions, names, shared, *cash)

    def accrued_up_to(self, stop: int, accrued: np.ndarray) -> np.ndarray:
        """Return what accrues between the last common session before the row `stop` and there, (n_children,).

        `accrued`, (n_children,), is what had before the first row.
        """
        return self._accrued(self.net, stop, accrued)

    def idle_accrued_up_to(self, stop: int, accrued: np.ndarray | None) -> np.ndarray | None:
        """Return the same of cash, (1,); None where it earns nothing."""
        if self.idle is None:
            return None
        return self._accrued(self.idle[:, None], stop, np.full(1, np.nan) if accrued is None else accrued)

    def _accrued(self, net: np.ndarray, stop: int, accrued: np.ndarray) -> np.ndarray:
        common = np.flatnonzero(self.common[:stop])
        begin = int(common[-1]) + 1 if len(common) else 0
        after = np.full(len(accrued), np.nan) if len(common) else accrued.copy()
        rows = slice(begin, stop)
        _compound(np.ascontiguousarray(net[rows]), self.common[rows], after, np.empty((0, len(after))))
        return after

    def _cash(self, state: MetaState) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return what cash earned on common sessions, (n_before + n_common,), and since the last one, (1,)."""
        if self.idle is None:
            return None, None
        accrued = np.full(1, np.nan) if state.idle_accrued is None else state.idle_accrued.copy()
        earned = np.empty((int(self.common.sum()), 1))
        _compound(np.ascontiguousarray(self.idle[:, None]), self.common, accrued, earned)
        before = np.empty(0) if state.idle is None else state.idle
        return np.concatenate([before, earned[:, 0]]), accrued

    @lazy_property
    def _from_start(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._compounded(np.full(len(self.children), np.nan))

    def _compounded(self, accrued: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return compounded returns (n_common, n_children), what accrued since, and sessions of stream so far."""
        accrued, compounded = accrued.copy(), np.empty((int(self.common.sum()), len(self.children)))
        _compound(np.ascontiguousarray(self.net), self.common, accrued, compounded)
        return compounded, accrued, np.cumsum(self.alive[self.common], axis=0)


@dataclass
class Shared:
    """Values that sleeves over the same streams, from their start on, compute once."""

    windows: dict[bytes, Windows] = field(default_factory=dict)
    """Windows, and with them their covariances, by where they begin and end."""
    lengths: dict[int, np.ndarray] = field(default_factory=dict)
    """Sessions of stream, (n_common, n_children), by what they are capped at."""

    def keep(self, key: bytes, windows: Windows) -> None:
        """Keep windows, and let go of the oldest: of more than KEPT_WINDOWS, or of covariances beyond FORMED bytes."""
        self.windows[key] = windows
        while len(self.windows) > 1 and (
            len(self.windows) > KEPT_WINDOWS or sum(map(_covariances, self.windows.values())) > FORMED
        ):
            del self.windows[next(iter(self.windows))]

    def keep_lengths(self, cap: int, lengths: np.ndarray) -> None:
        """Keep the lengths of streams, and let go of the oldest: of more than KEPT_WINDOWS, or beyond FORMED bytes."""
        self.lengths[cap] = lengths
        most = min(KEPT_WINDOWS, FORMED // max(lengths.nbytes, 1))
        while len(self.lengths) > max(most, 1):
            del self.lengths[next(iter(self.lengths))]


def _covariances(windows: Windows) -> int:
    """Return the bytes that the covariances of some windows take, once they are asked for."""
    return 8 * len(windows) * windows.returns.shape[1] ** 2


@dataclass(frozen=True)
class Streams:
    """The children's net streams on common sessions, as far back as a decision can look."""

    returns: np.ndarray
    """(n_before + n_common, n_children) compounded net returns, oldest first."""
    before: int
    """Rows that belong to earlier partitions."""
    lengths: np.ndarray
    """(n_common, n_children) sessions of stream up to each common session, capped."""
    accrued: np.ndarray
    """(n_children,) since the last common session, NaN where there was no session."""
    sessions: np.ndarray
    """(n_common,) datetime64[D] common sessions of the partition."""
    names: tuple[str, ...]
    """(n_children,) what estimators know the children by: the digests of their specs."""
    shared: Shared
    """Values that sleeves over the same streams have computed already."""
    idle: np.ndarray | None = None
    """(n_before + n_common,) what cash earned, compounded in the same way; None where it earns nothing."""
    idle_accrued: np.ndarray | None = None
    """(1,) the same since the last common session, NaN where there was no session."""

    def windows(self, stops: np.ndarray, lengths: np.ndarray) -> Windows:
        """Return the windows that end before the rows `stops` and are `lengths` long."""
        key = stops.tobytes() + lengths.tobytes()
        if key not in self.shared.windows:
            sessions = self.sessions[stops - self.before - 1]
            windows = Windows(self.returns, stops, lengths, names=self.names, sessions=sessions, idle=self.idle)
            self.shared.keep(key, windows)
        return self.shared.windows[key]

    def candidates(self, rows: np.ndarray, support: np.ndarray, least: int, most: int) -> Candidates:
        """Return what may have weight at the common sessions `rows`, (n_decisions,).

        Parameters
        ----------
        support : (n_decisions, n_children) bool, which children may have weight
        least : sessions of history that a child needs for anything to be estimated of it
        most : rows of a window, which are also no more than the shortest such history of who is in it
        """
        stops, lengths = self.before + rows + 1, self.lengths[rows]

        def window(support: np.ndarray) -> Windows:
            shortest = np.where(support & (lengths >= least), lengths, most).min(axis=1)
            return self.windows(stops, np.minimum(np.minimum(shortest, most), stops))

        return Candidates(support, window)


@kernel()
def _compound(net, common, accrued, compounded):
    """Write net returns compounded to each common session, (n_common, n_children); `accrued` is updated in place."""
    row = 0
    for t in range(net.shape[0]):
        for c in range(net.shape[1]):
            # a single return passes unrounded: (1 + 0)(1 + r) - 1 is not r
            if np.isnan(accrued[c]) or accrued[c] == 0.0:
                accrued[c] = net[t, c]
            elif net[t, c] != 0.0:
                accrued[c] = (1.0 + accrued[c]) * (1.0 + net[t, c]) - 1.0
        if common[t]:
            for c in range(net.shape[1]):
                compounded[row, c] = accrued[c]
                accrued[c] = np.nan
            row += 1
