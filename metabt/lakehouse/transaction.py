"""Write whole or not at all.

1. Take the lakehouse's writer lock: who reads, decides and then writes must not be overtaken in between.
2. Attach, begin, do the work.
3. Commit; an error rolls back and is passed on.
4. Where another client holds the catalogue ("database is locked"), wait a little longer each time and try again.

The lock is a SQLite file of its own: it works on every platform and dies with the process that holds it.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.catalog import attach, check_writable, located, reattach, require

LOCK = "writer.lock"
"""File name of the writer lock inside a lakehouse."""
LOCK_SECONDS = 120.0
"""How long a writer waits for the writers before it."""
ATTEMPTS = 8
"""How often a commit is tried while other clients keep the catalogue busy."""
BUSY = ("database is locked", "conflict")
"""What the message of an error contains that is worth another attempt."""

Answer = TypeVar("Answer")


def transact(
    path: str | Path,
    work: Callable[[duckdb.DuckDBPyConnection], Answer],
    *,
    create: bool = False,
    reader: duckdb.DuckDBPyConnection | None = None,
) -> Answer:
    """Return what `work` returns, after all that it wrote was committed at once.

    A `reader`, a connection to the lakehouse that is no longer needed, saves attaching another one; it is closed.

    Raises
    ------
    StoreError
        When the lakehouse is missing (without `create`), cannot be written, or stays locked.
    """
    check_writable(path)
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(path, work, create, reader if attempt == 0 else None)
        except (duckdb.Error, StoreError) as error:
            if not _is_busy(error):
                raise error if isinstance(error, StoreError) else _unwritten(path, error) from error
            if attempt == ATTEMPTS - 1:
                raise StoreError(
                    f"lakehouse '{path}' stayed locked by another program through {ATTEMPTS} attempts ({error}); "
                    "nothing was written: end that program, then try again"
                ) from error
            time.sleep(0.05 * 2**attempt * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _attempt(
    path: str | Path,
    work: Callable[[duckdb.DuckDBPyConnection], Answer],
    create: bool,
    reader: duckdb.DuckDBPyConnection | None,
) -> Answer:
    root = located(path)
    if create:
        root.mkdir(parents=True, exist_ok=True)
    else:
        require(root)
    with _writer_lock(root / LOCK), attach(root, create=create) if reader is None else reattach(reader, root) as con:
        con.execute("BEGIN")
        answer = work(con)
        con.execute("COMMIT")
    # where `work` or the commit raises, closing the connection rolls everything back
    return answer


@contextmanager
def _writer_lock(file: Path) -> Iterator[None]:
    lock = sqlite3.connect(file, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"'{file}' cannot be locked for writing: {error}; wait for the other writer, or end it"
        ) from error
    finally:
        lock.close()


def _is_busy(error: Exception) -> bool:
    return any(sign in str(error).lower() for sign in BUSY)


def _unwritten(path: str | Path, error: duckdb.Error) -> StoreError:
    return StoreError(f"lakehouse '{path}': nothing was written: {error}")
