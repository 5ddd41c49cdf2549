"""Timing: which sessions decide, when a decision is traded, and where a stream begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.errors import RunError
from metabt.portfolio.sleeve import Rules
from metabt.walk.block import Decisions, State
from metabt.walk.costs import ROUNDING
from metabt.walk.holdings import ALIVE, Queue


def schedule(
    spec: Rules, state: State, dates: np.ndarray, days: np.ndarray | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return which of `dates` are scheduled, (n_sessions,) bool, and the state's fields `index` and `scheduled`.

    `days`, (n_sessions,) bool, are those that an exchange or a table says, for a schedule that neither counts sessions
    nor periods.
    """
    first = _first(spec, dates)
    opens = np.zeros(len(dates), bool)
    if spec.schedule.is_dated:
        assert days is not None  # whoever makes the inputs knows them
        opens[first:] = days[first:]
    elif first < len(dates):
        opens[first:] = spec.schedule.opens(dates[first:], state.scheduled, state.index)
    return opens, clock(spec, state, dates)


def clock(spec: Rules, state: State, dates: np.ndarray) -> dict[str, Any]:
    """Return the state's fields `index` and `scheduled` after the sessions `dates`."""
    first = _first(spec, dates)
    scheduled = dates[-1] if first < len(dates) else state.scheduled
    return {"index": state.index + len(dates) - first, "scheduled": scheduled}


def _first(spec: Rules, dates: np.ndarray) -> int:
    """Return the first of `dates` that belongs to the schedule."""
    return 0 if spec.start is None else int(np.searchsorted(dates, np.datetime64(spec.start)))


def from_first(decisions: Decisions, live: bool) -> Decisions:
    """Return decisions without the empty ones before a sleeve's first; with `live` it was taken earlier."""
    held = decisions.weights.any(axis=1)
    return keep(decisions, live | np.maximum.accumulate(held))


def keep(decisions: Decisions, rows: np.ndarray) -> Decisions:
    """Return the decisions at `rows`, (n_decisions,) bool."""
    if rows.all():
        return decisions
    status = tuple(text for text, kept in zip(decisions.status, rows, strict=True) if kept)
    return Decisions(
        decisions.rows[rows], decisions.weights[rows], decisions.risk[rows], status, decisions.reasons[rows]
    )


def due_in(
    queue: Queue, rows: np.ndarray, weights: np.ndarray, lag: int, n_sessions: int
) -> tuple[np.ndarray, np.ndarray, Queue]:
    """Return which decision each session trades, (n_sessions,), all decisions' weights, and the queue that is left.

    The decisions at `rows`, (n_decisions,), with `weights`, (n_decisions, n_items), are queued for `lag` sessions.
    """
    queue = queue.extend(rows, weights, lag)
    due, rest = queue.split(n_sessions)
    return due, np.ascontiguousarray(queue.weights), rest


def check_alive(ruin: int, dates: np.ndarray, gross: np.ndarray) -> None:
    """Raise RunError, which names the session, unless `ruin` is ALIVE; else it is the row of the ruin."""
    if ruin != ALIVE:
        raise _ruined(dates[ruin], gross[ruin])


def check_gain(gain: float, session: np.datetime64) -> None:
    """Raise the same where what a book returned in a session, before costs, leaves nothing of it."""
    if not 1.0 + gain > 0.0:
        raise _ruined(session, gain)


def _ruined(session: np.datetime64, gain: float) -> RunError:
    return RunError(
        f"ruined on {session}: the book returned {gain:.4g}, wanted more than -1; "
        "lower its leverage (bounds, short weights) or leave out what ruins it"
    )


def begin_of(started: bool, traded: np.ndarray) -> tuple[int, bool]:
    """Return the first row of the stream, one after the first trade, and whether a trade has been made.

    `traded` (n_sessions,) is the sum of absolute trades, fraction of NAV. What rounding leaves of trades that cancel (a
    long and a short child that hold the same) is no trade.
    """
    if started:
        return 0, True
    trades = np.flatnonzero(traded > ROUNDING)
    return (int(trades[0]) + 1, True) if len(trades) else (len(traded), False)


def days_between(previous: np.datetime64 | None, dates: np.ndarray) -> np.ndarray:
    """Return calendar days since the session before, (n_sessions,), 0 for the first of all."""
    first = dates[:1] if previous is None else np.array([previous])
    return np.diff(np.concatenate([first, dates])).astype("timedelta64[D]").astype(np.float64)
