"""Orphans: data files that a killed writer left, which no catalogue names; the next writer removes them.

1. A writer leaves a mark of its own in the folder of the lakehouse while it writes, and takes it away at its end; after
   an error it removes first what was rolled back.
2. Who finds the mark of another while holding the writer lock knows that its writer is gone: files that were written
   since then, and that the catalogue does not name, are nobody's.
3. Where the lock is a server's, a writer may have lost it, not know, and still commit what it wrote: there a file is
   nobody's when a day has passed, a mark after two, and who fails removes nothing.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from metabt.lakehouse.folder.lost_catalogue import DATA
from metabt.lakehouse.storage.place import storage_of
from metabt.lakehouse.storage.port import Root, Storage

if TYPE_CHECKING:
    import duckdb

MARK = "writer.began-"
"""How the name of a file begins that lies in a lakehouse while somebody writes."""
NAME = "ducklake-"
"""How the names of data files begin, which are random beyond it."""
META = "__ducklake_metadata_lake"
"""DuckLake's own tables, as a database of DuckDB."""
DAY = 86_400.0
"""Seconds after which a file counts where the lock may be lost; a mark counts after twice as many."""
SLACK = 2.0
"""Seconds by which clocks of a file system may be apart."""


@contextmanager
def marked(con: duckdb.DuckDBPyConnection, root: Root, *, certain: bool) -> Iterator[None]:
    """Remove what writers before left, and mark the lakehouse within the block; the writer lock is held.

    `certain` says that whoever held the lock before is gone, and that this writer cannot lose it.
    """
    last = math.inf if certain else time.time() - DAY
    storage = storage_of(root)
    left = {mark.name: mark.changed for mark in storage.files(MARK) if mark.changed < last - DAY}
    if left:
        _remove(con, storage, min(left.values()), last)
        for name in left:
            storage.remove(name)
    mark = f"{MARK}{secrets.token_hex(8)}"
    storage.write(mark, b"")
    try:
        yield
    except Exception:  # whatever ended the writing: what was rolled back is nobody's, and the error is raised again
        with suppress(Exception):  # where the catalogue cannot be asked the mark stays, for another writer
            if certain:
                _remove(con, storage, _began(storage, mark), math.inf)
            if not _unnamed(con, storage, _began(storage, mark), math.inf):
                storage.remove(mark)
        raise
    storage.remove(mark)


def _remove(con: duckdb.DuckDBPyConnection, storage: Storage, since: float, last: float) -> None:
    for name in _unnamed(con, storage, since, last):
        storage.remove(name)


def _unnamed(con: duckdb.DuckDBPyConnection, storage: Storage, since: float, last: float) -> list[str]:
    """Return the data files of a time (seconds since 1970) that the catalogue does not name."""
    found = list(_written(storage, since, last))
    named = _named(con)  # asked later, so that it has what was committed meanwhile
    return [name for name in found if name.rpartition("/")[2] not in named]


def _began(storage: Storage, mark: str) -> float:
    return next((file.changed for file in storage.files(mark)), math.inf)  # it may have been taken away meanwhile


def _named(con: duckdb.DuckDBPyConnection) -> set[str]:
    tables = ("ducklake_data_file", "ducklake_delete_file", "ducklake_files_scheduled_for_deletion")
    sql = " UNION ALL ".join(f"SELECT path FROM {META}.{table}" for table in tables)
    return {path.rpartition("/")[2] for (path,) in con.execute(sql).fetchall()}


def _written(storage: Storage, since: float, last: float) -> Iterator[str]:
    for file in storage.files(f"{DATA}/"):
        if file.name.rpartition("/")[2].startswith(NAME) and since - SLACK <= file.changed <= last:
            yield file.name
