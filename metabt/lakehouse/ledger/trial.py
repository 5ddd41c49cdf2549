"""Trial: one try as it is handed over to be noted, and as the ledger has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np

from metabt.values.digests import array_digest

KIND = "trial"
"""What rows of trials are."""


@dataclass(frozen=True, eq=False)
class Idle:
    """What cash earned in the sessions of a calendar; trials of one rate and one calendar share it."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D]."""
    returns: np.ndarray
    """(n_sessions,) simple returns."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of both."""
        return array_digest(self.dates.astype("datetime64[D]"), self.returns)


@dataclass(frozen=True)
class Trial:
    """One try."""

    base: str
    """Digest of all that is tried but rows that somebody wrote beside prices."""
    by: date | None
    """Day by which such rows are covered; None where there are none, and `base` is the key."""
    key_by: Callable[[date], str]
    """Returns the key by another day."""
    run_id: str
    """The run that it is the try of."""
    sweep_id: str | None
    """The sweep that asked; None for a run by itself."""
    at: datetime
    """When it was asked for, UTC."""
    portfolio: str
    """Name of its root."""
    datasets: tuple[str, ...]
    """The datasets that it reads, sorted."""
    status: str = "ok"
    """ok or failed."""
    sharpe: float | None = None
    """The root's Sharpe ratio; None where it is undefined."""
    error: str | None = None
    """Message of the error that ended it."""
    study: str | None = None
    """What it was said to be part of."""
    idle: Idle | None = None
    """What cash earned; None where the tree states no rate."""


@dataclass(frozen=True)
class NotedTrial:
    """One distinct trial as the ledger has it: of its rows the one with the longest stream."""

    key: str
    """Its key."""
    ordinal: int
    """Number of that row."""
    studies: frozenset[str]
    """The studies of all its rows."""
    content: dict[str, Any]
    """What that row says."""

    @property
    def sessions(self) -> int:
        """Sessions of its stream; 0 where it has none."""
        return int(self.content["sessions"] or 0)


def noted_trials(rows: Iterable[tuple[str, int, str]]) -> dict[str, NotedTrial]:
    """Return key -> trial, in the order in which they were first tried.

    `rows` are key, number and content of rows of trials, in order. One that was changed so that it says nothing is left
    out: the chain names it.
    """
    found: dict[str, NotedTrial] = {}
    for key, ordinal, text in rows:
        with suppress(ValueError, LookupError, TypeError):
            content = json.loads(text)
            new = NotedTrial(key, ordinal, frozenset({content["study"]} - {None}), content)
            found[key] = joined(found[key], new) if key in found else new
    return found


def joined(before: NotedTrial, new: NotedTrial) -> NotedTrial:
    """Return a trial with one row more: a longer stream is taken, else the earlier row stands."""
    longer = new if new.sessions > before.sessions else before
    return NotedTrial(longer.key, longer.ordinal, before.studies | new.studies, longer.content)
