"""Askings: who asked for which run, and when; rows are only ever added.

1. A run that is computed is asked for in the transaction that stores it (metabt.lakehouse.runs.commits); one that is
   found, or a sweep that computes nothing, in a transaction of its own: `record`.
2. `at` is when the asking began. Those of one instant come a microsecond after each other, in the order in which they
   are recorded, so that one of them is always the last.
3. What is stored is compared with its seal before anything is added (metabt.lakehouse.runs.run_seals). Where it
   differs, the damaged files are taken out, a warning says so, and what is left goes on.
4. A lakehouse that cannot be written keeps no askings, and says nothing: what was asked for is found all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np
import pyarrow as pa

from metabt.errors import StoreError
from metabt.lakehouse.catalog.attachment import check_writable
from metabt.lakehouse.catalog.damage import Damaged
from metabt.lakehouse.catalog.retirement import retire
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.ledger.chain import DamagedLedger
from metabt.lakehouse.ledger.noting import note
from metabt.lakehouse.ledger.trial import Trial
from metabt.lakehouse.runs.run_seals import add_askings, check_askings, seal_askings
from metabt.values.buffers import from_numpy, from_texts

LOG = logging.getLogger("metabt.lakehouse")
TICK = timedelta(microseconds=1)
"""What lies between two askings of one instant."""


Answer = TypeVar("Answer")
Asked = tuple[str, str | None, datetime, str]
"""A row of `asked`: run_id, sweep_id, at and overrides."""


class DamagedAskings(Damaged):
    """The rows of `asked` are not those that were stored."""


def record(
    path: str | Path,
    asked: Sequence[Asked],
    reader: duckdb.DuckDBPyConnection | None = None,
    *,
    is_writable: bool | None = None,
    trials: Sequence[Trial] = (),
) -> bool:
    """Add askings for runs that are stored, in one transaction; return whether it could be done.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    asked : sequence of (run_id, sweep_id, at, overrides)
        In the order in which they count as asked for.
    reader : connection, optional
        One that has read the lakehouse and is no longer needed; it is used for writing and closed. None opens one.
    is_writable : bool, optional
        Whether the lakehouse can be written, where that is known; None looks.
    trials : sequence of Trial
        What is to be noted in the ledger: runs that are part of a study, and what failed and left no run.

    Returns
    -------
    bool
        False where the lakehouse cannot be written; then nothing is done.

    Raises
    ------
    StoreError
        When it can be written, and the transaction fails all the same.
    """
    if not (can_be_written(path) if is_writable is None else is_writable):
        return False

    def work(con: duckdb.DuckDBPyConnection) -> None:
        note(con, trials, {})
        append(con, asked)

    write(path, work, reader)
    return True


def write(
    path: str | Path, work: Callable[[duckdb.DuckDBPyConnection], Answer], reader: duckdb.DuckDBPyConnection | None
) -> Answer:
    """Return what `transact` returns for work that appends askings or trials; where stored ones are damaged, mend them.

    Raises
    ------
    StoreError
        When the lakehouse cannot be written.
    """
    for con in (reader, None):  # of both there may be damaged files
        try:
            return transact(path, work, reader=con)
        except (DamagedAskings, DamagedLedger) as error:
            _mend(path, error)
    return transact(path, work)


def _mend(path: str | Path, error: StoreError) -> None:
    """Take out what is damaged of the askings, or of the ledger, whose chain then says for ever what is missing."""
    LOG.warning("%s (done now)", error)
    if isinstance(error, DamagedAskings):
        files = retire(path, ["asked"])
        transact(path, lambda con: _keep_what_is_left(con, files))
    elif not retire(path, ["ledger", "trial_returns", "trial_cash"]):
        raise error  # it is the catalogue that is damaged


def can_be_written(path: str | Path) -> bool:
    """Return whether a lakehouse can be written, or made where there is none; nothing is left behind.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.

    Returns
    -------
    bool
    """
    try:
        check_writable(path)
    except StoreError:
        return False
    return True


def append(con: duckdb.DuckDBPyConnection, asked: Sequence[Asked]) -> None:
    """Add askings within a transaction."""
    if not asked:
        return
    try:
        before = check_askings(con)
    except Damaged as error:
        raise DamagedAskings(str(error)) from error
    run_ids, sweep_ids, wanted, overrides = zip(*asked, strict=True)
    times = _apart(wanted, _taken(con, min(wanted)))
    rows = {
        "run_id": from_texts(run_ids),
        "sweep_id": from_texts(sweep_ids),
        "at": from_numpy(np.array(times, "datetime64[us]")),
        "overrides": from_texts(overrides),
    }
    add_askings(con, pa.table(rows), before)


def _keep_what_is_left(con: duckdb.DuckDBPyConnection, files: int) -> None:
    if not files:  # it is the catalogue that is damaged: no row can be told from a changed one
        con.execute("DELETE FROM asked")
    seal_askings(con)


def _taken(con: duckdb.DuckDBPyConnection, first: datetime) -> set[datetime]:
    return {row[0] for row in execute(con, 'SELECT "at" FROM asked WHERE "at" >= $1', first).fetchall()}


def _apart(times: Iterable[datetime], taken: set[datetime]) -> list[datetime]:
    """Return times, those that are taken moved on to the next that is free."""
    found = []
    for time in times:
        while time in taken:
            time += TICK
        taken.add(time)
        found.append(time)
    return found
