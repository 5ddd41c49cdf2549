"""Trial streams: the root's net returns of every trial, and what cash earned beside them, whatever becomes of runs.

1. A row of `trial_returns` is a session of a trial: `ordinal` is the row of the ledger that it belongs to. Streams of a
   sweep are added at once, one after the other, and lie in one file: 8 bytes of a return and next to nothing else.
2. They are taken from the tables of runs as they are handed over: from memory, or from the files of a sweep.
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
from metabt.lakehouse.catalog.schema import lend
from metabt.lakehouse.catalog.statements import literal
from metabt.lakehouse.ledger.trial import Idle, NotedTrial, Trial
from metabt.lakehouse.runs.run_digests import root_stream, stream_digest
from metabt.lakehouse.runs.run_files import Staged
from metabt.values.buffers import from_numpy, from_texts, to_numpy
from metabt.values.digests import array_digest
from metabt.values.tables import Table

Streamed = Mapping[str, Table] | Staged
"""Tables of a run in memory, or where they lie as files."""
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


def idle_digest(idle: Idle | None, first: str, last: str) -> str | None:
    """Return the digest of what cash earned from a first to a last session; None where the tree states no rate."""
    if idle is None:
        return None
    rows = slice(*np.searchsorted(idle.dates, np.array([first, last], "datetime64[D]")) + [0, 1])
    return array_digest(idle.returns[rows])


def add_streams(con: duckdb.DuckDBPyConnection, wanted: Sequence[tuple[int, Trial, Streamed]]) -> None:
    """Add the streams of some trials, each the row of the ledger, the trial and its run's tables; in a transaction."""
    idles = {id(trial.idle): trial.idle for _, trial, _ in wanted}
    numbers = {key: place for place, key in enumerate(idles)}
    cash = _idles([(numbers[key], idle) for key, idle in idles.items() if idle is not None])
    staged = [(ordinal, t, numbers[id(t.idle)]) for ordinal, t, it in wanted if isinstance(it, Staged)]
    if staged:
        files = {str(it.files.files["returns"]): None for _, _, it in wanted if isinstance(it, Staged)}
        read = f"(SELECT run_id, path, date, net FROM read_parquet({literal(list(files))})) r"
        _insert(con, f"{read} JOIN new_trials t ON r.run_id = t.run_id AND r.path = t.portfolio", _trials(staged), cash)
    held = [
        (ordinal, *root_stream(t.portfolio, it), numbers[id(t.idle)])
        for ordinal, t, it in wanted
        if not isinstance(it, Staged)
    ]
    if held:
        _insert(con, "new_trials", _rows(held), cash)


def _insert(con: duckdb.DuckDBPyConnection, rows: str, trials: pa.Table, cash: pa.Table | None) -> None:
    """Add rows that are made of the table `new_trials`, with what cash earned beside them."""
    lend(con, "new_trials", trials)
    beside = "NULL"
    if cash is not None:
        lend(con, "new_cash", cash)
        rows, beside = f"{rows} LEFT JOIN new_cash USING (cash, date)", "idle"
    con.execute(f"INSERT INTO trial_returns (ordinal, date, net, idle) SELECT ordinal, date, net, {beside} FROM {rows}")
    con.unregister("new_trials")
    if cash is not None:
        con.unregister("new_cash")


def _idles(wanted: Sequence[tuple[int, Idle]]) -> pa.Table | None:
    """Return what cash earned by session, for each of several rates and calendars; None where none earns anything."""
    if not wanted:
        return None
    return pa.table(
        {
            "cash": from_numpy(np.repeat([number for number, _ in wanted], [len(it.dates) for _, it in wanted])),
            "date": from_numpy(np.concatenate([it.dates.astype("datetime64[D]") for _, it in wanted])),
            "idle": from_numpy(np.concatenate([it.returns for _, it in wanted])),
        }
    )


def _trials(wanted: Sequence[tuple[int, Trial, int]]) -> pa.Table:
    ordinals, trials, cash = zip(*wanted, strict=True)
    return pa.table(
        {
            "ordinal": from_numpy(np.array(ordinals)),
            "run_id": from_texts([trial.run_id for trial in trials]),
            "portfolio": from_texts([trial.portfolio for trial in trials]),
            "cash": from_numpy(np.array(cash)),
        }
    )


def _rows(wanted: Sequence[tuple[int, np.ndarray, np.ndarray, int]]) -> pa.Table:
    lengths = [len(dates) for _, dates, _, _ in wanted]
    return pa.table(
        {
            "ordinal": from_numpy(np.repeat([ordinal for ordinal, *_ in wanted], lengths)),
            "date": from_numpy(np.concatenate([dates for _, dates, _, _ in wanted])),
            "net": from_numpy(np.concatenate([net for _, _, net, _ in wanted])),
            "cash": from_numpy(np.repeat([cash for *_, cash in wanted], lengths)),
        }
    )


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
    due = {trial.ordinal: trial for trial in trials}
    for ordinal, rows in _whole(con, {trial.ordinal: trial.sessions for trial in trials}, at):
        yield _column(due.pop(ordinal), *rows)
    yield from due.values()  # of which there is no row


def _column(trial: NotedTrial, dates: np.ndarray, net: np.ndarray, idle: np.ndarray) -> Column | NotedTrial:
    has_idle = trial.content["idle"] is not None
    is_sound = stream_digest(dates, net) == trial.content["stream"] and (
        array_digest(idle) == trial.content["idle"] if has_idle else bool(np.isnan(idle).all())
    )
    return Column(trial, dates, net - idle if has_idle else net) if is_sound else trial


def _whole(
    con: duckdb.DuckDBPyConnection, sessions: Mapping[int, int], at: int | None
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Yield number and dates, net returns and cash of each trial, once all its sessions were read; then what is left.

    Rows of a trial lie together, so that few trials are in memory at a time.
    """
    held: dict[int, list[tuple[np.ndarray, ...]]] = {}
    for ordinals, *columns in _batches(con, list(sessions), at):
        cuts = np.flatnonzero(np.diff(ordinals)) + 1
        for rows in map(slice, [0, *cuts.tolist()], [*cuts.tolist(), len(ordinals)]):
            if rows.stop > rows.start:
                ordinal = int(ordinals[rows.start])
                parts = held.setdefault(ordinal, [])
                parts.append(tuple(column[rows] for column in columns))
                if sum(len(part[0]) for part in parts) >= sessions[ordinal]:
                    yield ordinal, _joined(held.pop(ordinal))
    yield from ((ordinal, _joined(parts)) for ordinal, parts in held.items())


def _batches(con: duckdb.DuckDBPyConnection, ordinals: Sequence[int], at: int | None) -> Iterator[list[np.ndarray]]:
    version = "" if at is None else f" AT (VERSION => {at})"
    wanted = f"ordinal IN (SELECT unnest({literal(ordinals)}::BIGINT[]))"
    sql = f"SELECT ordinal, date, net, idle FROM trial_returns{version} WHERE {wanted}"
    try:
        for batch in con.execute(sql).to_arrow_reader(ROWS) if ordinals else ():
            yield [to_numpy(column) for column in batch.columns]
    except (duckdb.Error, *UNREADABLE) as error:
        if is_outage(str(error)):
            raise
        raise unreadable(con, error, "streams of trials") from error


def _joined(parts: Sequence[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of a trial in order of their dates."""
    dates, net, idle = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(dates, kind="stable")
    return dates[order].astype("datetime64[D]"), net[order], idle[order]
