"""Noting: trials go into the ledger within the transaction of their runs.

1. The key of a trial is that of an earlier one with the same base, if the rows that somebody wrote were the same by the
   day of that one; else it is its own.
2. A trial that is not there yet gets a row. One that is there gets another row when its stream is longer than any
   before, whose stream goes then, or when it is said to be of a study that it was not of. Else nothing is noted.
3. A row has the digests of its stream and of what cash earned, so that the chain speaks for them as well.

What removes runs removes no row of the ledger and no stream of a trial.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import duckdb

from metabt.lakehouse.catalog.statements import literal
from metabt.lakehouse.ledger.chain import Entry, append, fetched
from metabt.lakehouse.ledger.stream_rows import StreamFacts, stream_number
from metabt.lakehouse.ledger.trial import KIND, NotedTrial, Trial, joined, noted_trials
from metabt.lakehouse.ledger.trial_streams import add_cash, cash_number, idle_digest

NOTED = (
    f"SELECT \"key\", ordinal, content FROM ledger WHERE kind = '{KIND}' "
    'AND "key" IN (SELECT unnest({}::VARCHAR[])) ORDER BY ordinal'
)
BY_BASE = (
    f"SELECT DISTINCT content->>'$.base', content->>'$.by', \"key\" FROM ledger WHERE kind = '{KIND}' "
    "AND (content->>'$.base') IN (SELECT unnest({}::VARCHAR[])) ORDER BY ALL"
)


def note(
    con: duckdb.DuckDBPyConnection,
    trials: Sequence[Trial],
    streams: Mapping[str, StreamFacts],
    keep: Callable[[Sequence[str]], None] = lambda run_ids: None,
) -> dict[str, str]:
    """Add what is new of some trials to the ledger, and return run_id -> key of the trial that it is a try of.

    Parameters
    ----------
    con : connection
        Within a transaction.
    trials : sequence of Trial
        In the order in which they count as tried.
    streams : mapping
        run_id -> what is said of its root's stream, of runs that have one.
    keep : callable
        Adds the streams of some of these to `trial_returns`, by run_id, in the same transaction.

    Raises
    ------
    DamagedLedger
        When rows of the ledger cannot be read.
    """
    keys = _keys(con, trials)
    noted = noted_trials(fetched(con, NOTED.format(literal(sorted(set(keys))))) if keys else ())
    new: list[tuple[str, Trial, dict[str, Any]]] = []
    gone: list[int] = []
    for key, trial in zip(keys, trials, strict=True):
        content = _content(trial, streams.get(trial.run_id))
        before = noted.get(key)
        now = NotedTrial(key, -len(new), frozenset({trial.study} - {None}), content)  # type: ignore[arg-type]
        if before is not None and now.sessions <= before.sessions:
            if now.studies <= before.studies:
                continue
            now = NotedTrial(key, now.ordinal, now.studies, {**content, **NO_STREAM})
        elif before is not None and before.sessions and before.ordinal > 0:
            gone.append(before.content["stream"])
        noted[key] = now if before is None else joined(before, now)
        new.append((key, trial, now.content))
    append(con, [Entry(KIND, key, content, trial.at) for key, trial, content in new])
    if gone:
        fetched(con, f"DELETE FROM trial_returns WHERE stream IN (SELECT unnest({literal(gone)}::BIGINT[]))")
    longest = [
        trial
        for place, (key, trial, content) in enumerate(new)
        if noted[key].ordinal == -place and content["stream"] is not None
    ]
    keep([trial.run_id for trial in longest])
    add_cash(con, [trial.idle for trial in longest if trial.idle is not None])
    return {trial.run_id: key for key, trial in zip(keys, trials, strict=True)}


def _keys(con: duckdb.DuckDBPyConnection, trials: Sequence[Trial]) -> list[str]:
    """Return the key of every trial: that of an earlier one that was the same by its day, else its own."""
    dated = sorted({trial.base for trial in trials if trial.by is not None})
    rows = fetched(con, BY_BASE.format(literal(dated))) if dated else []
    days: dict[str, set[date]] = {}
    for base, day, _ in rows:
        days.setdefault(base, set()).add(date.fromisoformat(day))
    known = {key for _, _, key in rows}
    return [_key(trial, sorted(days.get(trial.base, ())), known) for trial in trials]


def _key(trial: Trial, days: Sequence[date], known: set[str]) -> str:
    if trial.by is None:
        return trial.base
    earlier = (key for day in days if day <= trial.by and (key := trial.key_by(day)) in known)
    return next(earlier, trial.key_by(trial.by))


def _content(trial: Trial, found: StreamFacts | None) -> dict[str, Any]:
    """Return what a row says of a trial."""
    return {
        "run_id": trial.run_id,
        "sweep_id": trial.sweep_id,
        "study": trial.study,
        "status": trial.status,
        "portfolio": trial.portfolio,
        "datasets": list(trial.datasets),
        "sharpe": trial.sharpe,
        "error": trial.error,
        "base": None if trial.by is None else trial.base,
        "by": None if trial.by is None else trial.by.isoformat(),
        **(NO_STREAM if found is None or trial.status != "ok" else _of_stream(trial, found)),
    }


def _of_stream(trial: Trial, found: StreamFacts) -> dict[str, Any]:
    return {
        "first_date": found.first,
        "last_date": found.last,
        "sessions": found.sessions,
        "stream": stream_number(trial.run_id),
        "net": found.digest,
        "cash": None if trial.idle is None else cash_number(trial.idle),
        "idle": None if trial.idle is None else idle_digest(trial.idle, found.first, found.last),
    }


NO_STREAM = dict.fromkeys(("first_date", "last_date", "sessions", "stream", "net", "cash", "idle"))
"""What a row says of a trial that has none."""
