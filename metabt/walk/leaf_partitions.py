"""Leaf partitions: hold and charge a leaf over several partitions at once, cut into the blocks and states of each.

1. Hold up to each partition's end, where what is held is taken note of.
2. Charge all sessions together: each is charged by itself, with what the session before has left.
3. Cut out each partition's rows, and the state after it: what is queued, unpaid and held there.

A walk from one partition to the next makes the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from metabt.portfolio.sleeve import Leaf
from metabt.walk.block import Assets, Block, Decisions, LeafState, part
from metabt.walk.costs import CostRates, charge
from metabt.walk.leaf_holdings import LeafHoldings
from metabt.walk.meta.flattening import added_across
from metabt.walk.timing import begin_of, clock, days_between, due_in


def cut(
    spec: Leaf,
    state: LeafState,
    hold: LeafHoldings,
    decisions: Decisions,
    stops: Sequence[int],
    rates: CostRates | None = None,
    seen: Sequence[np.ndarray | None] | None = None,
) -> tuple[Block, list[tuple[LeafState, Block]]]:
    """Return the block of all partitions, and the state after each of them with its own.

    Parameters
    ----------
    spec : Leaf
    state : LeafState before the first of the partitions
    hold : LeafHoldings from there on
    decisions : Decisions of all partitions, by rows of the sessions that are held
    stops : rows before which the partitions end, ascending; the last is the number of sessions
    rates : costs of each asset and session; None are those of the spec
    seen : closes of each asset by the end of each partition; None where nothing asks for them
    """
    dates = hold.dates
    due, targets, _ = due_in(state.queue, decisions.rows, decisions.weights, spec.lag, len(dates))
    held_at = hold.up_to_each(stops, due, targets)
    trades = hold.trades(spec.costs.borrow_bp > 0, rates)
    days = days_between(state.session, dates)
    cost, net, _ = charge(hold.gross, trades, days, spec.costs, state.unpaid)
    whole = Block(
        dates=dates,
        begin=begin_of(state.started, trades.traded)[0],
        gross=hold.gross,
        cost=cost,
        net=net,
        turnover=trades.traded / 2,
        netting=_nothing(len(dates)),
        traded=hold.traded,
        closed=hold.n_closed,
        decisions=decisions,
        held=Assets(hold.after, hold.before, hold.gaps(state, slice(0, len(dates)), slice(0, len(hold.before)))),
        idle=hold.idle,
        endings=hold.endings,
        invested=None if hold.idle is None else added_across(hold.after),
    )
    queue = state.queue.extend(decisions.rows, decisions.weights, spec.lag)
    n_queued = len(state.queue.due)
    decided = [0, *np.searchsorted(decisions.rows, stops).tolist()]
    traded = [0, *np.cumsum(hold.traded)[np.array(stops) - 1].tolist()]
    found: list[tuple[LeafState, Block]] = []
    before = state
    for k, (start, stop) in enumerate(pairwise([0, *stops])):
        rows, at = slice(start, stop), slice(traded[k], traded[k + 1])
        begin, started = begin_of(before.started, trades.traded[rows])
        held = Assets(hold.after[rows], hold.before[at], hold.gaps(before, rows, at))
        block = part(whole, rows, slice(decided[k], decided[k + 1]), begin, held)
        before = LeafState(
            **clock(spec, state, dates[:stop]),
            **held_at[k],
            queue=hold.left_of(queue.after(n_queued + decided[k + 1], stop), stop),
            unpaid=trades.unpaid(stop - 1),
            live=state.live or decided[k + 1] > 0,
            started=started,
            seen=None if seen is None else seen[k],
        )
        found.append((before, block))
    return whole, found


@lru_cache(maxsize=16)
def _nothing(n_sessions: int) -> np.ndarray:
    """Return zeros, (n_sessions,), read-only: as many leaves as there are share them."""
    zeros = np.zeros(n_sessions)
    zeros.flags.writeable = False
    return zeros
