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
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Calendar:
    """The sessions of one sleeve."""

    sessions: np.ndarray
    """(n_sessions,) datetime64[D] dates of its book."""
    common: np.ndarray
    """(n_sessions,) bool: it decides and estimates on these."""
    ended: bool
    """Whether no session will ever follow the last one; sleeves above go on without it then."""


class Dated(Protocol):
    """Anything with a calendar: a dataset, or prices."""

    @property
    def dates(self) -> np.ndarray:
        """(n_sessions,) datetime64[D], strictly increasing."""

    @property
    def closed(self) -> bool:
        """Whether no more data will ever come."""


def calendar_of(datasets: Sequence[Dated]) -> Calendar:
    """Return the calendar of a sleeve over `datasets`: one for a leaf, all beneath it for a meta sleeve."""
    if len(datasets) == 1:  # all its dates are common ones
        return Calendar(datasets[0].dates, np.ones(len(datasets[0].dates), bool), datasets[0].closed)
    sessions = np.unique(np.concatenate([dataset.dates for dataset in datasets]))
    held = [dataset.dates[-1] for dataset in datasets if not dataset.closed]
    if held:
        sessions = sessions[sessions <= min(held)]
    common = np.ones(len(sessions), bool)
    for dataset in datasets:
        missing = ~np.isin(sessions, dataset.dates) & (sessions >= dataset.dates[0])
        if dataset.closed:
            missing &= sessions <= dataset.dates[-1]
        common &= ~missing
    return Calendar(sessions, common, ended=not held)
