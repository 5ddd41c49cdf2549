"""A meta sleeve's walk over several partitions at once, cut into the blocks and states of each.

1. Its sessions, decisions and shares are what they are in one block over all partitions: each block has its rows.
2. The state after a partition has what a walk up to there leaves: what is queued, unpaid, held and carried, whether
   warm-up is over, and the tail of the children's streams with what has accrued since the last common session.

A walk from one partition to the next makes the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from metabt.portfolio.sleeve import Meta
from metabt.walk.block import Block, Carried, MetaState, Shares, part
from metabt.walk.costs import Trades, Unpaid
from metabt.walk.meta.aggregation import Gathered, Streams
from metabt.walk.timing import begin_of, clock


@dataclass(frozen=True)
class Learnt:
    """What decisions are taken from."""

    streams: Streams
    """The children's net streams, from as far back as the state before it has them."""
    warmed: np.ndarray
    """(n_warmed,) int64 common sessions at which it might decide once warm-up was over."""


@dataclass(frozen=True)
class Left:
    """What a walk over several partitions leaves beside its block."""

    learnt: Learnt | None
    """None where decisions were taken over as they are: nothing can be walked on from the states after them."""
    decided: np.ndarray
    """(n_decisions,) int64 common sessions of its decisions."""
    trades: Trades
    """What its book trades, netted."""
    saved: float
    """Cost that netting saves at its last session, charged in the next."""
    carried: Sequence[np.ndarray]
    """(n_partitions,) of (n_columns,) positions carried beside the shares, at the end of each partition."""


def cut(
    spec: Meta, state: MetaState, children: Gathered, whole: Block, left: Left, stops: Sequence[int]
) -> list[tuple[MetaState, Block]]:
    """Return the state after each partition and its block.

    Parameters
    ----------
    spec : Meta
    state : MetaState before the first of the partitions
    children : Gathered over all partitions
    whole : Block of all partitions
    left : Left beside it
    stops : rows before which the partitions end, ascending; the last is the number of sessions
    """
    shares, learnt = whole.held, left.learnt
    assert isinstance(shares, Shares)
    n_common = [int(children.common[:stop].sum()) for stop in stops]
    queue = state.queue.extend(left.decided, whole.decisions.weights, spec.lag)
    n_queued = len(state.queue.due)
    decided = [0, *np.searchsorted(whole.decisions.rows, stops).tolist()]
    dealt = [0, *np.cumsum(shares.dealt)[np.array(stops) - 1].tolist()]
    found: list[tuple[MetaState, Block]] = []
    before = state
    for k, (start, stop) in enumerate(pairwise([0, *stops])):
        begin, started = begin_of(before.started, left.trades.traded[start:stop])
        held = _shares(shares, slice(start, stop), slice(dealt[k], dealt[k + 1]), before.carried)
        block = part(whole, slice(start, stop), slice(decided[k], decided[k + 1]), begin, held)
        before = replace(
            state,
            **clock(spec, state, children.dates[children.common][: n_common[k]]),
            holdings=shares.after[stop - 1],
            carried=left.carried[k],
            queue=queue.after(n_queued + decided[k + 1], n_common[k]),
            unpaid=_unpaid(whole, left, stop),
            live=state.live or decided[k + 1] > 0,
            started=started,
            session=children.dates[stop - 1],
        )
        if learnt is not None:
            known = _known(spec, state, learnt, n_common[k])
            before = replace(before, **known, **_accrued(children, state, learnt.streams, stop, stop == stops[-1]))
        found.append((before, block))
    return found


def _known(spec: Meta, state: MetaState, learnt: Learnt, n_common: int) -> dict[str, Any]:
    """Return what the state after so many common sessions has of streams."""
    streams, rows, kept = learnt.streams, slice(0, learnt.streams.before + n_common), max(spec.lookback, spec.history)
    return {
        "warm": state.warm or bool((learnt.warmed < n_common).any()),
        "lengths": streams.lengths[n_common - 1] if n_common else state.lengths,
        "streams": streams.returns[rows][-kept:],
        "idle": None if streams.idle is None else streams.idle[rows][-kept:],
    }


def _accrued(children: Gathered, state: MetaState, streams: Streams, stop: int, last: bool) -> dict[str, Any]:
    """Return what a state has accrued since the last common session before the row `stop`, of all rows the `last`."""
    if last:
        return {"accrued": streams.accrued, "idle_accrued": streams.idle_accrued}
    idle = children.idle_accrued_up_to(stop, state.idle_accrued)
    return {"accrued": children.accrued_up_to(stop, state.accrued), "idle_accrued": idle}


def _shares(whole: Shares, rows: slice, dealt: slice, start: np.ndarray) -> Shares:
    """Return the shares of some rows, before which positions `start`, (n_columns,), are carried."""
    carried = whole.carried
    if carried is not None:
        entries = slice(*np.searchsorted(carried.rows, [rows.start, rows.stop]))
        places = carried.rows[entries] - rows.start
        carried = Carried(places, carried.columns[entries], carried.before[entries], carried.after[entries], start)
        if not len(places) and not start.any():
            carried = None
    return Shares(whole.after[rows], whole.before[dealt], whole.dealt[rows], carried)


def _unpaid(whole: Block, left: Left, stop: int) -> Unpaid:
    """Return what the session before the row `stop` leaves to be charged to the next."""
    saved = float(whole.netting[stop]) if stop < len(whole.netting) else left.saved
    return replace(left.trades.unpaid(stop - 1), saved=saved)
