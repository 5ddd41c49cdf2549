"""Trial streams: net returns of the root of every trial, and what cash earned meanwhile, whatever becomes of the run.

1. A row of `trial_returns` is a session of a stream, which goes by a number that follows from its run. Streams of a
   sweep lie in a file of their own, one after the other: 8 bytes a return and next to nothing else. Where all of it is
   wanted, the file that the sweep has written becomes part of the lakehouse as it is (metabt.lakehouse.runs.run_files).
2. A row of `trial_cash` is a session of a calendar and a rate, which many trials share.
3. `columns` reads them again, each compared with the digests that its row of the ledger has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.connection_loss import UNREADABLE, is_outage
from metabt.lakehouse.catalog.damage import unreadable
from metabt.lakehouse.catalog.schema import insert
from metabt.lakehouse.catalog.statements import literal
from metabt.lakehouse.ledger.chain import fetched
from metabt.lakehouse.ledger.stream_rows import stream_digest, stream_number
from metabt.lakehouse.ledger.trial import Idle, NotedTrial
from metabt.values.buffers import from_numpy, to_numpy
from metabt.values.digests import array_digest

Cash = Mapping[int, tuple[np.ndarray, np.ndarray]]
"""Number -> dates and what cash earned."""
ROWS = 2**20
"""Rows that are read at a time."""


@dataclass(frozen=True)
class Column:
    """The stream of one trial."""

    trial: NotedTrial
    """Whose it is."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D], strictly increasing."""
    excess: np.ndarray
    """(n_sessions,) net simple returns less what cash earned."""


def cash_number(idle: Idle) -> int:
    """Return the number, 63 bits, that what cash earned goes by in `trial_cash`."""
    return stream_number(idle.digest)


def idle_digest(idle: Idle, first: str, last: str) -> str:
    """Return the digest of what cash earned from a first to a last session."""
    begin, end = np.searchsorted(idle.dates, np.array([first, last], "datetime64[D]")).tolist()
    return array_digest(idle.returns[begin : end + 1])


def add_cash(con: duckdb.DuckDBPyConnection, idles: Sequence[Idle]) -> None:
    """Add what cash earned beside some streams, unless it is there, within a transaction."""
    new = {cash_number(idle): idle for idle in {id(it): it for it in idles}.values()}
    if not new:
        return
    asked = f"SELECT DISTINCT cash FROM trial_cash WHERE cash IN (SELECT unnest({literal(list(new))}::BIGINT[]))"
    for (number,) in fetched(con, asked):
        del new[number]
    for number, idle in new.items():
        rows = {
            "cash": from_numpy(np.full(len(idle.dates), number)),
            "date": from_numpy(idle.dates.astype("datetime64[D]")),
            "idle": from_numpy(idle.returns),
        }
        insert(con, "trial_cash", pa.table(rows))


def columns(
    con: duckdb.DuckDBPyConnection, trials: Sequence[NotedTrial], at: int | None = None
) -> Iterator[Column | NotedTrial]:
    """Yield the streams of some trials as they lie; the trial itself where its stream is not what was stored.

    `at` is the number of the snapshot that is read; None is the current one.

    Raises
    ------
    StoreError
        When they cannot be read.
    """
    due = {int(trial.content["stream"]): trial for trial in trials}
    cash = _cash(con, sorted({trial.content["cash"] for trial in trials} - {None}), at)
    for number, dates, net in _whole(con, {number: trial.sessions for number, trial in due.items()}, at):
        yield _column(due.pop(number), dates, net, cash)
    yield from due.values()  # of which there is no row


def _column(trial: NotedTrial, dates: np.ndarray, net: np.ndarray, cash: Cash) -> Column | NotedTrial:
    if stream_digest(dates, net) != trial.content["net"]:
        return trial
    if trial.content["cash"] is None:
        return Column(trial, dates, net)
    days, idle = cash.get(trial.content["cash"], (dates[:0], net[:0]))
    rows = np.isin(days, dates)
    is_sound = array_digest(idle[rows]) == trial.content["idle"]
    return Column(trial, dates, net - idle[rows]) if is_sound else trial


def _cash(con: duckdb.DuckDBPyConnection, numbers: Sequence[int], at: int | None) -> Cash:
    held: dict[int, list[tuple[np.ndarray, ...]]] = {}
    for keys, *rows in _batches(con, "trial_cash", numbers, at):
        for number in np.unique(keys).tolist():
            held.setdefault(number, []).append(tuple(column[keys == number] for column in rows))
    return {number: _joined(parts) for number, parts in held.items()}


def _whole(
    con: duckdb.DuckDBPyConnection, sessions: Mapping[int, int], at: int | None
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield number, dates and net returns of each stream, once all its sessions were read; then what is left.

    Rows of a stream lie together, so that few streams are in memory at a time.
    """
    held: dict[int, list[tuple[np.ndarray, ...]]] = {}
    done: set[int] = set()
    for numbers, *columns in _batches(con, "trial_returns", list(sessions), at):
        cuts = np.flatnonzero(np.diff(numbers)) + 1
        for rows in map(slice, [0, *cuts.tolist()], [*cuts.tolist(), len(numbers)]):
            number = int(numbers[rows.start]) if rows.stop > rows.start else None
            if number is not None and number not in done:
                held.setdefault(number, []).append(tuple(column[rows] for column in columns))
                if sum(len(part[0]) for part in held[number]) >= sessions[number]:
                    done.add(number)
                    yield number, *_joined(held.pop(number))
    for number, parts in held.items():
        yield number, *_joined(parts)


def _batches(
    con: duckdb.DuckDBPyConnection, table: str, numbers: Sequence[int], at: int | None
) -> Iterator[list[np.ndarray]]:
    """Yield the columns of those rows of a table whose first column is one of some numbers, some rows at a time."""
    version = "" if at is None else f" AT (VERSION => {at})"
    names = {"trial_returns": ("stream", "date", "net"), "trial_cash": ("cash", "date", "idle")}[table]
    sql = f"SELECT {', '.join(names)} FROM {table}{version} WHERE {names[0]} IN (SELECT unnest($1::BIGINT[]))"
    try:
        for batch in con.execute(sql.replace("$1", literal(numbers))).to_arrow_reader(ROWS) if numbers else ():
            yield [to_numpy(column) for column in batch.columns]
    except (duckdb.Error, *UNREADABLE) as error:
        if is_outage(str(error)):
            raise
        raise unreadable(con, error, "streams of trials") from error


def _joined(parts: Sequence[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Return dates and values of one number, in order of the dates."""
    dates, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(dates, kind="stable")
    return dates[order].astype("datetime64[D]"), values[order]
