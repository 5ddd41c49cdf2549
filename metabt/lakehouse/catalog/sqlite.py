"""A catalogue in a SQLite file inside the lakehouse: what drivers on one machine need, and no server.

1. WAL mode lets readers see whole commits while another process writes.
2. WAL shares memory, so it ends at a machine: on a network file system a writer is warned.
3. The writer lock is a SQLite file of its own: it works on every platform and dies with the process that holds it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from metabt.errors import StoreError, passing
from metabt.lakehouse.catalog.catalog_copy import copied
from metabt.lakehouse.folder.file_system import shared_file_system
from metabt.lakehouse.folder.lost_catalogue import ABSENT, lost, remains

LOG = logging.getLogger("metabt.lakehouse")
_WARNED: set[Path] = set()

FILE = "catalog.sqlite"
"""File name of the catalogue inside a lakehouse."""
LOCK = "writer.lock"
"""File name of the writer lock inside a lakehouse."""
LOCK_SECONDS = 120.0
"""Seconds that a writer waits for the writers before it."""
UNLOCKABLE = "readonly database"
"""What SQLite says where not even its lock file can be made."""
BUSY_TIMEOUT = 10_000
"""Milliseconds that SQLite waits for another process's lock before it gives up."""


@dataclass(frozen=True)
class SqliteCatalogue:
    """The catalogue of one lakehouse, in a SQLite file."""

    root: Path
    """Directory of the lakehouse."""

    extensions = ("ducklake", "sqlite_scanner")
    """DuckDB extensions that it needs."""
    conflicts = ("database is locked", "conflict")
    """Parts of the message of an error that is worth another attempt."""
    options = ("META_JOURNAL_MODE 'WAL'", f"META_BUSY_TIMEOUT {BUSY_TIMEOUT}")
    """Options of the ATTACH statement."""

    @property
    def file(self) -> Path:
        """Path of the file."""
        return self.root / FILE

    @property
    def target(self) -> str:
        """The catalogue as DuckLake's ATTACH names it."""
        return _target(self.file)

    def target_of(self, file: Path) -> str:
        """Return another file as `target` does."""
        return _target(file)

    @staticmethod
    def draft(token: str) -> str:
        """Return the name that a catalogue has while it is made."""
        return f".{FILE}.{token}.tmp"

    def put(self, draft: Path) -> None:
        """Put a catalogue in its place, unless there is one by now."""
        if not self.is_there():
            self.file.unlink(missing_ok=True)  # it holds nothing
        try:
            os.link(draft, self.file)
        except FileExistsError:  # another one was first
            pass
        except OSError:  # a file system without hard links; the writer lock is held
            draft.replace(self.file)

    def copy_for(self, connection: object) -> str:
        """Return a copy of the catalogue as `target` does, which is there for as long as `connection` lives."""
        return _target(copied(self.file, connection))

    def __str__(self) -> str:
        """Return its name in messages."""
        return f"'{self.file}'"

    def is_there(self) -> bool:
        """Return whether the file holds anything."""
        # only its size is asked: opening the file here and closing it would drop the POSIX locks that
        # another connection of this very process holds on it
        return self.file.is_file() and self.file.stat().st_size > 0

    def check_writable(self) -> None:
        """Raise StoreError unless the file can be written or made."""
        if self.file.is_dir() or (self.file.exists() and not os.access(self.file, os.W_OK)):
            raise StoreError(
                f"lakehouse '{self.root}' cannot be written: '{self.file}' is not a writable file; "
                "restore write permission, or name another path"
            )
        self._warn_if_shared()

    def _warn_if_shared(self) -> None:
        """Say once in a process that machines which share the folder cannot share its catalogue."""
        kind = None if self.root in _WARNED else shared_file_system(self.root)
        if kind is not None:
            _WARNED.add(self.root)
            LOG.warning(
                "lakehouse '%s' is on a file system that machines share (%s), and its catalogue is a SQLite file in "
                "WAL mode, which only processes of one machine may use at a time; for several machines make one with a "
                "PostgreSQL catalogue: metabt ingest ... --catalog 'postgres:host=HOST dbname=NAME'",
                self.root,
                kind,
            )

    def unreadable(self, reason: str) -> str:
        """Return the message for a catalogue that cannot be attached, from DuckDB's reason."""
        first = reason.partition("\n")[0]
        place = remains(self.root) if ABSENT in reason else None
        if place is not None:
            return str(lost(self.root, place, str(self)))
        if UNLOCKABLE in reason:
            return (
                f"lakehouse '{self.root}' cannot be opened: {first}; SQLite keeps a lock file beside the catalogue "
                "even for readers: restore write permission on the directory, or copy the lakehouse to one of your own"
            )
        return (
            f"{self} cannot be opened as a lakehouse's catalogue: {first}; "
            "name another path, or restore the file from a copy"
        )

    def unwritten(self, reason: str) -> str:
        """Return the message for a failed commit, from DuckDB's reason."""
        return f"nothing was written: {reason}"

    @contextmanager
    def writer_lock(self, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Hold the writer lock of the lakehouse within the block; `con` is not used.

        Raises
        ------
        StoreError
            If another writer holds the lock for LOCK_SECONDS.
        """
        self._warn_if_shared()
        file = self.root / LOCK
        lock = sqlite3.connect(file, timeout=LOCK_SECONDS, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
            yield
        except sqlite3.Error as error:
            raise passing(
                StoreError(f"'{file}' cannot be locked for writing: {error}; wait for the other writer, or end it"),
                "locked" in str(error),
            ) from error
        finally:
            lock.close()


def _target(file: Path) -> str:
    return f"sqlite:{file}"
