"""Aggregation: the children's blocks on one calendar, and their net streams on its common sessions.

1. Each child's rows are laid on the parent's sessions; where a child has no session it earns nothing and holds what it
   held.
2. Net streams are compounded between common sessions: a weekend that only one child trades through accrues to the next
   common session. Nothing is zero-filled and nothing is dropped.
3. A child's history is counted in common sessions since its stream began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.block import Block, Gaps, MetaState
from metabt.kernels import kernel


@dataclass(frozen=True)
class Aligned:
    """One child's block on the sessions of its parent."""

    gross: np.ndarray
    """(n_sessions,) returns before costs, 0 where the child has no session."""
    net: np.ndarray
    """(n_sessions,) returns after costs."""
    alive: np.ndarray
    """(n_sessions,) bool: its stream has begun."""
    live: np.ndarray
    """(n_sessions,) bool: it has taken a non-empty decision, and its data have not ended."""
    traded: np.ndarray
    """(n_sessions,) bool: something beneath it traded."""
    before: np.ndarray
    """(n_sessions, n_columns) its book before trading."""
    after: np.ndarray
    """(n_sessions, n_columns) its book after trading."""
    earned_by_asset: np.ndarray
    """(n_sessions, n_assets) what each physical asset earned it."""
    gaps: Gaps | None
    """None where everything it held could be traded."""


def align(
    dates: np.ndarray, block: Block | None, book: np.ndarray, live: bool, begun: bool, n_assets: int, end: np.datetime64
) -> Aligned:
    """Lay one child's block on the parent's sessions.

    Parameters
    ----------
    dates : (n_sessions,) the parent's sessions
    block : the child's block of the same partition; None where it has no session in it
    book : (n_columns,) the child's book after its last session before
    live, begun : whether it had decided, and whether its stream had begun, before
    n_assets : physical assets beneath the child
    end : the last session the child will ever have; NaT while its data go on
    """
    open_ended = np.ones(len(dates), bool) if np.isnat(end) else dates <= end
    if block is None or not len(block.dates):
        nothing = np.zeros(len(dates))
        held = np.broadcast_to(book, (len(dates), len(book)))
        quiet = np.zeros(len(dates), bool)
        alive, still = np.full(len(dates), begun), live & open_ended
        return Aligned(nothing, nothing, alive, still, quiet, held, held, np.zeros((len(dates), n_assets)), None)
    rows = np.searchsorted(block.dates, dates, side="right") - 1
    fresh = (rows >= 0) & (block.dates[rows] == dates)
    first = block.decisions.rows[0] if len(block.decisions.rows) else len(block.dates)
    after = np.where((rows >= 0)[:, None], block.book.after[rows], book)
    return Aligned(
        gross=np.where(fresh, block.gross[rows], 0.0),
        net=np.where(fresh, block.net[rows], 0.0),
        alive=begun | (rows >= block.begin),
        live=(live | (rows >= first)) & open_ended,
        traded=fresh & block.book.traded[rows],
        before=np.where(fresh[:, None], block.book.before[rows], after),
        after=after,
        earned_by_asset=np.where(fresh[:, None], block.earned_by_asset[rows], 0.0),
        gaps=None if block.gaps is None else _align_gaps(block.gaps, rows, fresh, open_ended),
    )


def _align_gaps(gaps: Gaps, rows: np.ndarray, fresh: np.ndarray, open_ended: np.ndarray) -> Gaps:
    returns = np.where(fresh[:, None], gaps.returns[rows], 0.0)
    # what has ended for good is traded at its last price whenever the parent trades
    tradable = np.where(fresh[:, None], gaps.tradable[rows], ~open_ended[:, None])
    return Gaps(returns, tradable)


def join_gaps(children: Sequence[Aligned]) -> Gaps | None:
    """Return the gaps of all children side by side, None when none has any."""
    if all(child.gaps is None for child in children):
        return None
    returns = [c.gaps.returns if c.gaps else np.zeros_like(c.after) for c in children]
    tradable = [c.gaps.tradable if c.gaps else np.ones(c.after.shape, bool) for c in children]
    return Gaps(np.concatenate(returns, axis=1), np.concatenate(tradable, axis=1))


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


def aggregate(net: np.ndarray, alive: np.ndarray, common: np.ndarray, state: MetaState, cap: int) -> Streams:
    """Compound net streams between common sessions and append them to what the state remembers.

    Parameters
    ----------
    net, alive : (n_sessions, n_children)
    common : (n_sessions,) bool
    cap : sessions of history beyond which more makes no difference
    """
    accrued = state.accrued.copy()
    compounded = np.empty((int(common.sum()), net.shape[1]))
    _compound(np.ascontiguousarray(net), common, accrued, compounded)
    lengths = np.minimum(state.lengths + np.cumsum(alive[common], axis=0), cap)
    return Streams(np.concatenate([state.streams, compounded]), len(state.streams), lengths, accrued)


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


def varying(returns: np.ndarray, stops: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return which columns are not constant over their windows.

    Parameters
    ----------
    returns : (n_rows, n_children)
    stops : (n_decisions,) row after each window
    lengths : (n_decisions, n_children) rows of each column's window

    Returns
    -------
    (n_decisions, n_children) bool
    """
    changes = np.zeros(returns.shape, bool)
    changes[1:] = returns[1:] != returns[:-1]
    last = np.maximum.accumulate(np.where(changes, np.arange(len(returns))[:, None], -1), axis=0)
    return last[stops - 1] > stops[:, None] - lengths
