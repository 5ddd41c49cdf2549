"""Family: all trials that a ranking's best was chosen from, as a matrix of excess returns.

1. A trial belongs to it that shares a dataset with the ranking, and has a stream with at least SESSIONS sessions within
   the ranking's span. A study narrows it, where that is asked for.
2. The others are left out, each for the first reason that holds, counted and named.
3. `blocks` yields the matrix some trials at a time: a row for every session of any of them, NaN where a trial has none.
   Streams are whole, so that each mean is over a trial's own sessions.

A stream that is not what was stored is left out as damaged; a broken chain is said, and refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import duckdb
import numpy as np

from metabt.errors import StoreError
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.statements import literal
from metabt.lakehouse.ledger.chain import fetched, read_chain
from metabt.lakehouse.ledger.noting import NOTED
from metabt.lakehouse.ledger.trial import KIND, NotedTrial, noted_trials
from metabt.lakehouse.ledger.trial_streams import Column, columns
from metabt.lakehouse.prices.snapshots import snapshot

SESSIONS = 252
"""Sessions that a trial must have within the span of a ranking."""
FAILED, ELSEWHERE, STUDY, SHORT, DAMAGED = (
    "failed",
    "of other datasets",
    "of no such study",
    f"fewer than {SESSIONS} sessions in the span",
    "damaged",
)
"""Reasons for which trials are left out."""
REASONS = (FAILED, ELSEWHERE, STUDY, SHORT, DAMAGED)
"""All of them, in the order in which they are asked for."""
WIDTH = 256
"""Trials of a block."""


@dataclass(frozen=True)
class Family:
    """The trials that compete with each other."""

    keys: tuple[str, ...]
    """(n_trials,) keys, in the order of the columns of `blocks`, which is that in which their streams lie."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D] every session of any of them, ascending."""
    left_out: Mapping[str, tuple[str, ...]]
    """Reason -> keys of the trials that are left out for it; reasons without trials are left out."""
    study: str | None
    """The study that it was narrowed to; None where it has all that was tried."""
    chain: str | None
    """What is wrong with the ledger; None where it is sound."""
    _trials: tuple[NotedTrial, ...] = field(repr=False, default=())
    """Their rows of the ledger."""
    _read: Callable[[Sequence[NotedTrial]], Iterator[Column | NotedTrial]] = field(repr=False, default=iter)
    """Reads their streams, of the snapshot that the family is of."""

    def blocks(self, width: int = WIDTH) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
        """Yield keys, and their excess returns, (n_sessions, n_keys) float64, of `width` trials at a time.

        Parameters
        ----------
        width : int
            Trials of a block; the last one may have fewer.

        Yields
        ------
        keys : tuple of str
            Those of `keys`, in that order.
        excess : (n_sessions, n_keys) float64
            Net simple returns less what cash earned; NaN where a trial has no session.

        Raises
        ------
        StoreError
            When a stream cannot be read, or has changed since.
        """
        held: list[Column] = []
        for column in self._read(self._trials):
            if not isinstance(column, Column):
                raise StoreError(f"the stream of trial {column.key[:12]} has changed since the family was read")
            held.append(column)
            if len(held) == width:
                yield self._block(held)
                held = []
        if held:
            yield self._block(held)

    @property
    def sessions_per_year(self) -> float:
        """What turns sessions into years: the median over its trials, each by its own first and last session."""
        days = [
            (date.fromisoformat(it.content["last_date"]) - date.fromisoformat(it.content["first_date"])).days
            for it in self._trials
        ]
        return float(np.median([it.sessions * 365.25 / max(n, 1) for it, n in zip(self._trials, days, strict=True)]))

    def matrix(self) -> np.ndarray:
        """Return all excess returns at once.

        Returns
        -------
        (n_sessions, n_trials) float64
            Columns in the order of `keys`; NaN where a trial has no session.
        """
        return np.concatenate([np.empty((len(self.dates), 0)), *(block for _, block in self.blocks())], axis=1)

    def _block(self, held: Sequence[Column]) -> tuple[tuple[str, ...], np.ndarray]:
        found = np.full((len(self.dates), len(held)), np.nan, order="F")
        for place, column in enumerate(held):
            found[np.searchsorted(self.dates, column.dates), place] = column.excess
        return tuple(column.trial.key for column in held), found


@reported
def family(
    con: duckdb.DuckDBPyConnection,
    datasets: Sequence[str],
    first: date | np.datetime64,
    last: date | np.datetime64,
    study: str | None = None,
) -> Family:
    """Return the family of a ranking.

    Parameters
    ----------
    con : connection
        An attached lakehouse; it must stay open while blocks are read.
    datasets : sequence of str
        Those that the runs of the ranking read.
    first, last : date or datetime64
        First and last session of any of them.
    study : str, optional
        Trials that were said to be of this study alone; None takes all.

    Returns
    -------
    Family
        Its streams were read once and compared with their digests; `blocks` reads them again.

    Raises
    ------
    StoreError
        When the ledger or a stream cannot be read.
    """
    chain = read_chain(con)
    trials = noted_trials((link.key, link.ordinal, link.content) for link in chain.links if link.kind == KIND)
    trial_of = {trial.ordinal: trial for trial in trials.values()}
    left: dict[str, list[str]] = {}
    kept = []
    for trial in trial_of.values():
        reason = _reason(trial, set(datasets), study)
        kept.append(trial) if reason is None else left.setdefault(reason, []).append(trial.key)
    at = snapshot(con)
    members, calendars = [], dict[bytes, np.ndarray]()
    for found in columns(con, kept, at):
        if not isinstance(found, Column):
            left.setdefault(DAMAGED, []).append(found.key)
        elif _shared(found.dates, first, last) < SESSIONS:
            left.setdefault(SHORT, []).append(found.trial.key)
        else:
            members.append(found.trial)
            calendars.setdefault(found.dates.tobytes(), found.dates)
    dates = np.unique(np.concatenate([np.empty(0, "datetime64[D]"), *calendars.values()]))
    told = {reason: tuple(left[reason]) for reason in REASONS if reason in left}
    keys = tuple(trial.key for trial in members)
    return Family(keys, dates, told, study, chain.fault, tuple(members), partial(columns, con, at=at))


@reported
def datasets_of(con: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> set[str]:
    """Return the datasets that some trials read."""
    rows = fetched(con, NOTED.format(literal(list(keys)))) if keys else ()
    return {name for trial in noted_trials(rows).values() for name in trial.content["datasets"]}


def _reason(trial: NotedTrial, datasets: set[str], study: str | None) -> str | None:
    """Return why a trial is left out, as far as its row tells; None where it is not."""
    if trial.content["stream"] is None:
        return FAILED
    if not datasets & set(trial.content["datasets"]):
        return ELSEWHERE
    if study is not None and study not in trial.studies:
        return STUDY
    return SHORT if trial.sessions < SESSIONS else None


def _shared(dates: np.ndarray, first: date | np.datetime64, last: date | np.datetime64) -> int:
    """Return the number of sessions within a span."""
    span = np.array([first, last], "datetime64[D]")
    return int(np.count_nonzero((dates >= span[0]) & (dates <= span[1])))
