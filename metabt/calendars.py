"""Calendars: on which dates a sleeve has a book, and on which it decides.

1. A leaf lives on its dataset's dates.
2. A meta sleeve has a row for every date of any dataset beneath it, up to the earliest last date of those that are not
   declared closed: they hold the tree there.
3. It decides and estimates on the *common* sessions: the dates on which every dataset beneath it that has begun, and
   has not been closed, has a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.panel import Panel


@dataclass(frozen=True)
class Calendar:
    """The sessions of one sleeve."""

    sessions: np.ndarray
    """(n_sessions,) datetime64[D] dates of its book."""
    common: np.ndarray
    """(n_sessions,) bool: it decides and estimates on these."""
    ended: bool
    """Nothing will follow the last session, and what lies above goes on without it."""


def calendar_of(panels: Sequence[Panel]) -> Calendar:
    """Return the calendar of a sleeve over the datasets `panels`: one for a leaf, all beneath it for a meta sleeve."""
    sessions = np.unique(np.concatenate([panel.dates for panel in panels]))
    held = [panel.dates[-1] for panel in panels if not panel.closed]
    if held:
        sessions = sessions[sessions <= min(held)]
    common = np.ones(len(sessions), bool)
    for panel in panels:
        missing = ~np.isin(sessions, panel.dates) & (sessions >= panel.dates[0])
        if panel.closed:
            missing &= sessions <= panel.dates[-1]
        common &= ~missing
    return Calendar(sessions, common, ended=not held)
