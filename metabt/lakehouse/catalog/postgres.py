"""A catalogue in a PostgreSQL database: for drivers on several machines, over a folder that all of them see.

1. One writer at a time: a writer holds an advisory lock, in a transaction of its own, which the server ends when its
   connection does. The server drops a client that no longer answers within half a minute.
2. A fence behind the lock: DuckLake's own retries are off, so that a commit fails where any other was made since it
   began to read. A writer that checks what is stored and then appends is never overtaken, even if it lost the lock.
3. The whole of a commit is one transaction of PostgreSQL: readers see it or they do not.
4. Errors carry what the server said, without the statements that DuckLake had sent.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from metabt.errors import StoreError, passing
from metabt.lakehouse.catalog.connection_loss import is_outage, may_pass, said
from metabt.lakehouse.catalog.connection_string import ConnectionString
from metabt.lakehouse.catalog.extensions import connect
from metabt.lakehouse.catalog.statements import quoted
from metabt.lakehouse.folder.lost_catalogue import ABSENT

CONNECTION = {
    "connect_timeout": "10",
    "fallback_application_name": "metabt",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""Keywords for libpq where the catalogue's text has none: notice soon that a server is gone."""
LOCK_SECONDS = 120.0
"""Seconds that a writer waits for the writers before it."""
POLL_SECONDS = 0.02
"""Seconds between two attempts to take the lock, on average."""
KEEPALIVE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""Settings of the server for the connection that holds the lock: notice soon that a writer's machine is gone."""
CURES = (
    ("no password supplied", "give the password in PGPASSWORD, or in the file that PGPASSFILE names (~/.pgpass)"),
    ("authentication failed", "see to the user, and to the password in PGPASSWORD or the file that PGPASSFILE names"),
    ("does not exist", "make it on the server, or name another lakehouse"),
    (
        "permission denied",
        "GRANT this user what it lacks: CREATE on the database, the tables of the catalogue's schema",
    ),
    ("definition of service", "add it to the file that PGSERVICEFILE names (~/.pg_service.conf)"),
    ("ssl", "see to sslmode, PGSSLMODE and PGSSLROOTCERT"),
    ("too many", "raise max_connections on the server, or run fewer drivers and workers at once"),
)
"""Signs in what the server or libpq says -> what to do about it."""


@dataclass(frozen=True)
class PostgresCatalogue:
    """The catalogue of one lakehouse, in a schema of a PostgreSQL database."""

    root: Path
    """Directory of the lakehouse."""
    place: ConnectionString
    """Where the server, the database and the schema are."""

    extensions = ("ducklake", "postgres_scanner")
    """DuckDB extensions that it needs."""
    conflicts = ("transaction conflict", "could not serialize access", "deadlock detected", "duplicate key value")
    """Parts of the message of an error that is worth another attempt."""

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the ATTACH statement; nothing of the database but its schema becomes reachable."""
        name = quoted(str(self.place.schema))
        return (f"METADATA_SCHEMA {name}", f"META_SCHEMA {name}")

    @property
    def connection(self) -> str:
        """The connection string, for libpq."""
        words = dict(self.place.words)
        return ConnectionString(tuple(sorted({**CONNECTION, **words}.items())), None).libpq

    @property
    def target(self) -> str:
        """The catalogue as DuckLake's ATTACH names it."""
        return f"postgres:{self.connection}"

    def __str__(self) -> str:
        """Return its name in messages."""
        return f"'{self.place}'"

    def check_writable(self) -> None:
        """Raise StoreError unless this user may commit; where the schema has no catalogue yet, nothing is checked."""
        table = f"to_regclass('\"{self.place.schema}\".ducklake_snapshot')"
        sql = f"SELECT pg_is_in_recovery() AS standby, coalesce(has_table_privilege({table}, 'INSERT'), true) AS may"
        with self._server() as con:
            ((standby, may),) = self._ask(con, sql)
        if standby or not may:
            why = "the server is a standby" if standby else "permission denied for its tables"
            raise StoreError(
                f"lakehouse '{self.root}' cannot be written: its catalogue {self}: {why}; name the primary server, or "
                "GRANT this user SELECT, INSERT, UPDATE and DELETE on all tables of the schema and CREATE on it"
            )

    def unreadable(self, reason: str) -> str:
        """Return the message for a catalogue that cannot be attached, from DuckDB's reason."""
        if ABSENT in reason:
            return (
                f"the catalogue of lakehouse '{self.root}' is not in {self}; restore that schema from a backup, "
                "or name another lakehouse"
            )
        return f"the catalogue of lakehouse '{self.root}', {self}, cannot be opened: {said(reason)}{_cure(reason)}"

    def unwritten(self, reason: str) -> str:
        """Return the message for a failed commit, from DuckDB's reason; it says if the commit may have been made."""
        if is_outage(reason):
            return (
                f"the connection to its catalogue, {self}, was lost: {said(reason)}; see that the server runs, then "
                "give the same command again: it finds what was written, which is all or nothing, or writes it"
            )
        return f"nothing was written: {said(reason)}{_cure(reason)}"

    @contextmanager
    def writer_lock(self, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Hold the writer lock of the lakehouse within the block.

        A commit of `con` fails where another came before it.

        Raises
        ------
        StoreError
            If another writer holds the lock for LOCK_SECONDS.
        """
        con.execute("SET ducklake_max_retry_count = 0")
        with self._locked(f"metabt writer {self.place.schema}"):
            yield

    @contextmanager
    def founding(self) -> Iterator[bool]:
        """Hold the database's lock on founding lakehouses within the block; yield whether the schema has none yet."""
        sql = f"SELECT to_regclass('\"{self.place.schema}\".ducklake_metadata') IS NULL AS free"
        with self._locked("metabt founding") as holder:
            ((free,),) = self._ask(holder, sql)
            yield free

    @contextmanager
    def _locked(self, name: str) -> Iterator[duckdb.DuckDBPyConnection]:
        # a DuckDB of its own: an outage may invalidate the writer's, which could then not even roll back
        with self._server() as holder:
            try:
                self._take_lock(holder, name)
                yield holder
            finally:
                # not left to closing, see `whole`; a connection that was lost holds no lock any more
                with suppress(duckdb.Error):
                    holder.execute("ROLLBACK")

    def _take_lock(self, holder: duckdb.DuckDBPyConnection, name: str) -> None:
        alive = ", ".join(f"set_config('{key}', '{value}', true) AS {key}" for key, value in KEEPALIVE.items())
        attempt = f"SELECT pg_try_advisory_xact_lock(hashtextextended('{name}', 0)) AS got"
        until = time.monotonic() + LOCK_SECONDS
        holder.execute("BEGIN")
        self._ask(holder, f"SELECT {alive}")
        while self._ask(holder, attempt) != [(True,)]:
            if time.monotonic() > until:
                raise passing(
                    StoreError(
                        f"lakehouse '{self.root}': another driver has held the writer lock of {self} for "
                        f"{LOCK_SECONDS:.0f} s; wait for it, or end it: pg_stat_activity lists it as metabt"
                    )
                )
            time.sleep(POLL_SECONDS * random.uniform(0.5, 1.5))

    @contextmanager
    def _server(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection to the database itself, without the lakehouse; it is closed after the block."""
        with connect(("postgres_scanner",), {"secret_directory": os.devnull}) as con:
            try:
                con.execute(f"ATTACH {quoted(self.connection)} AS server (TYPE postgres, READ_ONLY)")
            except duckdb.Error as error:
                raise passing(StoreError(self.unreadable(str(error))), may_pass(str(error))) from error
            yield con

    def _ask(self, con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
        """Return the rows with which the server answers one statement."""
        try:
            return con.execute(f"FROM postgres_query('server', {quoted(sql)})").fetchall()
        except duckdb.Error as error:
            raise passing(StoreError(self.unreadable(str(error))), may_pass(str(error))) from error


def _cure(reason: str) -> str:
    text = said(reason).lower()
    cures = [cure for sign, cure in CURES if sign in text]
    if not cures and is_outage(reason):
        cures = ["see that the server runs and can be reached from this machine"]
    return "".join(f"; {cure}" for cure in cures[:1])
