"""Allocation path: what a root held of its children in every session, from its decisions and their streams.

1. A decision is traded `lag` sessions of the root's calendar later; its weights are the shares at that close.
2. In between, shares drift: `s_c <- s_c (1 + r_c) / (1 + R)`, with gross returns r of the child and R of the root.
3. A child earns `s_c r_c` in a session, with the share of the close before; what is missing to R is cash, that of
   children between their own sessions included, or positions that could not be traded when they should have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.report.decisions import decided
from metabt.report.streams import Streams
from metabt.values.tables import Table
from metabt.walk.drift import drift

MONDAY = np.datetime64("1970-01-05")
"""A Monday."""


@dataclass(frozen=True)
class Shares:
    """The root's holdings of its children, fractions of its NAV."""

    after: np.ndarray
    """(n_sessions, n_children) at the close, after trading."""
    earned: np.ndarray
    """(n_sessions, n_children) what each contributed to the root's gross return."""


def held_shares(streams: Streams, decisions: Table, children: Sequence[str], leaves: Sequence[str], lag: int) -> Shares:
    """Return the shares of `children` in the root; the paths of its `leaves` decide which sessions are common."""
    made = decided(decisions, streams.root)
    names = [path.rpartition("/")[2] for path in children]
    targets = np.zeros((len(made.dates), len(children)))
    for column, item in enumerate(made.items):
        targets[:, names.index(item)] = made.weights[:, column]
    gross = np.column_stack([streams.on_root(path, "gross") for path in children])
    return _drifted(gross, streams.own(streams.root, "gross"), traded_at(streams, made.dates, leaves, lag), targets)


def traded_at(streams: Streams, decided_on: np.ndarray, leaves: Sequence[str], lag: int) -> np.ndarray:
    """Return the row of the root's stream at whose close each decision was traded; n_sessions for one that was not.

    A stream begins in the session after its first trade, which is row -1. What else was decided before the stream
    began is placed by counting days of the week on which the root has sessions.
    """
    dates = streams.dates
    rows = np.flatnonzero(common_sessions(streams, leaves))
    common = dates[rows]
    place = np.searchsorted(common, decided_on) + lag
    early = decided_on < common[0]
    week = np.isin(MONDAY + np.arange(7), MONDAY + (common - MONDAY) % np.timedelta64(7, "D"))
    place[early] = lag - np.busday_count(decided_on[early], common[0], weekmask=week)
    place[:1] = np.minimum(place[:1], -1)
    return np.append(rows, [len(dates), -1])[np.clip(place, -1, len(rows))]


def common_sessions(streams: Streams, leaves: Sequence[str]) -> np.ndarray:
    """Return whether every leaf that has begun has a row, for each session of the root's stream."""
    dates = streams.dates
    begun, rows = (np.zeros(len(dates), np.int64) for _ in range(2))
    for leaf in leaves:
        own = streams.own(leaf, "date")
        if len(own):
            first = int(np.searchsorted(dates, own[0]))
            begun[first:] += 1
            if np.array_equal(own, dates[first:]):  # as most are
                rows[first:] += 1
            else:
                rows += np.isin(dates, own, assume_unique=True)
    return rows == begun


def _drifted(gross: np.ndarray, root: np.ndarray, rows: np.ndarray, targets: np.ndarray) -> Shares:
    after, earned = np.empty_like(gross), np.empty_like(gross)
    traded = dict(zip(rows.tolist(), targets, strict=True))  # of several traded at one close the newest counts
    held = traded.get(-1, np.zeros(gross.shape[1]))
    for t in range(len(gross)):
        earned[t] = held * gross[t]
        held = traded[t] if t in traded else drift(held, gross[t], root[t])
        after[t] = held
    return Shares(after, earned)
