"""Write whole or not at all.

1. Take the lakehouse's writer lock: a writer that reads, decides and then writes must not be overtaken in between.
2. Attach, remove the files that killed writers left (metabt.lakehouse.folder, `orphans` and `staging`), begin, do the
   work, record the digests of the files that it wrote.
3. Commit, and take over the files that were added (metabt.lakehouse.catalog.added_files); an error rolls back and is
   passed on. Where a server was lost meanwhile, nobody knows whether the commit was made: its files are kept
   (metabt.lakehouse.folder.in_doubt), and put back if it was.
4. Where another client was in the way (the catalogue says what that looks like), wait a little longer each time and try
   again, from the lock on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb

from metabt.errors import StoreError, passing
from metabt.lakehouse.catalog.added_files import take_over
from metabt.lakehouse.catalog.attachment import DATA, attach, attach_lake, check_folder
from metabt.lakehouse.catalog.catalog_location import Catalogue, require, settle
from metabt.lakehouse.catalog.connection_loss import (
    close,
    is_outage,
    is_store_outage,
    may_pass,
    store_lost,
    whole,
)
from metabt.lakehouse.catalog.connections import opened
from metabt.lakehouse.catalog.file_records import INTENDED, intend, measured, present, record, record_intended
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.folder.in_doubt import kept
from metabt.lakehouse.folder.orphans import marked
from metabt.lakehouse.folder.staging import remove_left
from metabt.lakehouse.storage.place import storage_of
from metabt.lakehouse.storage.port import Root
from metabt.values.bucket_address import Address

ATTEMPTS = 8
"""Number of times that a commit is tried while other clients are in the way."""

Answer = TypeVar("Answer")


def transact(
    path: str | Path | Address,
    work: Callable[[duckdb.DuckDBPyConnection], Answer],
    *,
    create: bool = False,
    catalog: str | None = None,
    reader: duckdb.DuckDBPyConnection | None = None,
    compacts: bool = False,
) -> Answer:
    """Return what `work(con)` returns, after all that it wrote on `con` was committed at once.

    `work` may be called again, on a rolled-back transaction, where another client was in the way. With `create` the
    lakehouse is made where there is none, its catalogue where `catalog` says. `reader`, a connection to the lakehouse
    that is no longer needed, saves attaching another one; it is closed. Where `work` compacts files, which DuckLake
    does in a transaction that changes nothing else, their digests are recorded in a second one, under the same lock.

    Raises
    ------
    StoreError
        When the lakehouse is missing (without `create`), cannot be written, or stays locked.
    """
    check_folder(path)
    where = settle(path, catalog) if create else require(path)
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(where, work, create, reader if attempt == 0 else None, compacts)
        except (duckdb.Error, StoreError) as error:
            reason = str(error.__cause__ or error)
            if is_outage(reason):
                with suppress(StoreError):
                    attach(path, read_only=True).close()  # which puts back what was committed
            if not _is_conflict(where, error):
                raise error if isinstance(error, StoreError) else _unwritten(where, reason) from error
            if attempt == ATTEMPTS - 1:
                raise passing(
                    StoreError(
                        f"lakehouse '{path}' stayed locked by another program through {ATTEMPTS} attempts "
                        f"({where.unwritten(reason)}): end that program, then try again"
                    )
                ) from error
            time.sleep(0.05 * 2**attempt * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _attempt(
    where: Catalogue,
    work: Callable[[duckdb.DuckDBPyConnection], Answer],
    create: bool,
    reader: duckdb.DuckDBPyConnection | None,
    compacts: bool,
) -> Answer:
    con = opened(where.extensions) if reader is None else reader
    try:
        with where.writer_lock(con):
            attach_lake(con, where, create=create)
            folder = where.root / DATA
            certain = isinstance(where, SqliteCatalogue)
            remove_left(where.root, certain=certain)
            with marked(con, where.root, certain=certain):
                _make_up(con, where.root)
                before = present(folder)  # nobody else writes meanwhile, unless a lock is lost
                with kept(where.root, partial(_is_conflict, where)) as second, whole(con):
                    answer = work(con)
                    added = measured(folder, present(folder) - before)
                    if compacts:
                        intend(where.root, added)
                    else:
                        record(con, added)
                    if not certain:
                        second.add(present(folder) - before)
                if compacts:
                    _make_up(con, where.root)
                with suppress(duckdb.Error):  # it was committed: what is left to do the next writer does
                    take_over(con, where.root)
                return answer
    finally:
        close(con)


def _make_up(con: duckdb.DuckDBPyConnection, root: Root) -> None:
    """Do what is noted to be done of files that were committed, if there is such a note."""
    storage = storage_of(root)
    if storage.holds(INTENDED):
        with whole(con):
            record_intended(con, root)
        storage.remove(INTENDED)
    take_over(con, root)


def _is_conflict(where: Catalogue, error: Exception) -> bool:
    """Return whether an error says that another client was in the way, and so that nothing was committed."""
    reason = str(error.__cause__ or error)
    return not is_outage(reason) and any(sign in reason.lower() for sign in where.conflicts)


def _unwritten(where: Catalogue, reason: str) -> StoreError:
    if is_store_outage(reason):
        said = f"lakehouse '{where.root}': nothing was written: {store_lost(reason)}"
        return passing(StoreError(said), may_pass(reason))
    return passing(StoreError(f"lakehouse '{where.root}': {where.unwritten(reason)}"), may_pass(reason))
