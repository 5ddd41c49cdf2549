"""Orphans: data files that a killed writer left, which no catalogue names; the next writer removes them.

1. A writer leaves a mark in the folder of the lakehouse while it writes, and takes it away at its end; after an error
   it removes first what was rolled back.
2. Who finds a mark while holding the writer lock knows that its writer is gone: files that were written since then, and
   that the catalogue does not name, are nobody's.
3. Where the lock is a server's, a writer may have lost it and not know: there a mark counts after a day.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.lakehouse.folder.lost_catalogue import DATA

if TYPE_CHECKING:
    import duckdb

MARK = "writer.began"
"""File inside a lakehouse while somebody writes."""
NAME = "ducklake-"
"""How the names of data files begin, which are random beyond it."""
META = "__ducklake_metadata_lake"
"""DuckLake's own tables, as a database of DuckDB."""
DAY = 86_400.0
"""Seconds after which a mark counts where the lock may be lost."""
SLACK = 2.0
"""Seconds by which clocks of a file system may be apart."""


@contextmanager
def marked(con: duckdb.DuckDBPyConnection, root: Path, *, certain: bool) -> Iterator[None]:
    """Remove what a writer before left, and mark the lakehouse within the block; the writer lock is held.

    `certain` says that whoever held the lock before is gone.
    """
    mark = root / MARK
    began = _began(mark)
    if began is not None and (certain or time.time() - began > DAY):
        remove(con, root, began)
        began = None
    if began is None:
        mark.touch()
    try:
        yield
    except Exception:  # whatever ended the writing: what was rolled back is nobody's, and the error is raised again
        with suppress(Exception):  # where the catalogue cannot be asked the mark stays, for the next writer
            remove(con, root, _began(mark) or time.time())
            mark.unlink(missing_ok=True)
        raise
    mark.unlink(missing_ok=True)


def remove(con: duckdb.DuckDBPyConnection, root: Path, since: float) -> list[Path]:
    """Remove the data files of a time (seconds since 1970) that the catalogue does not name, and return them."""
    named = _named(con)
    gone = [path for path in _written(root / DATA, since) if path.name not in named]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _began(mark: Path) -> float | None:
    try:
        return mark.stat().st_mtime
    except OSError:
        return None


def _named(con: duckdb.DuckDBPyConnection) -> set[str]:
    tables = ("ducklake_data_file", "ducklake_delete_file", "ducklake_files_scheduled_for_deletion")
    sql = " UNION ALL ".join(f"SELECT path FROM {META}.{table}" for table in tables)
    return {path.rpartition("/")[2] for (path,) in con.execute(sql).fetchall()}


def _written(folder: Path, since: float) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            if name.startswith(NAME) and path.stat().st_mtime >= since - SLACK:
                yield path
