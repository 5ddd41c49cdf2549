"""Connection loss: the server of a catalogue is gone; the message says so, and what to do.

1. `said` finds in DuckDB's message what the server or libpq said.
2. `is_outage` recognises an outage by its message.
3. `reported` makes a function that reads raise StoreError for it, and for what cannot be read (catalog/damage).
4. `whole` is a transaction and `close` the end of a connection that an outage does not make the end of the process.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import duckdb

from metabt.errors import MetabtError, StoreError, passing
from metabt.lakehouse.catalog.damage import unreadable

OUTAGES = (
    "unable to connect to postgres",
    "server closed the connection",
    "terminating connection",
    "connection timed out",
    "could not receive data from server",
    "could not send data to server",
    "no connection to the server",
    "ssl connection has been closed",
    'failed to execute query "rollback"',
    "attempting to fetch from an unsuccessful",
    "attempted to access index 0 within vector of size 0",
)
"""Parts of messages of an outage, in lower case; the last three come where it happens in the middle of a statement."""
REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")
"""Parts of messages of a server that is there and will not let anybody in so."""
SAID = re.compile(r'": +(\S.*)')
"""What the server said, which DuckDB puts behind the quoted statement or connection string."""
LOST = "server closed the connection"
"""Words for an outage whose message has none of the server's."""

UNREADABLE = (ValueError, LookupError, ArithmeticError, TypeError)
"""What Arrow, NumPy and Python raise over values that no writer wrote."""

P = ParamSpec("P")
Answer = TypeVar("Answer")
Con = duckdb.DuckDBPyConnection


def said(reason: str) -> str:
    """Return what the server or libpq said, or the message's first line where it is from neither."""
    found = SAID.findall(reason)
    if found:
        return " ".join(found[-1].split())
    return LOST if is_outage(reason) else reason.partition("\n")[0]


def is_outage(reason: str) -> bool:
    """Return whether an error's message says that a server is gone, or was never there."""
    return any(sign in reason.lower() for sign in OUTAGES)


def may_pass(reason: str) -> bool:
    """Return whether an error's message says that a server is out of reach, not that it refuses."""
    return is_outage(reason) and not any(sign in reason.lower() for sign in REFUSALS)


def reported(read: Callable[Concatenate[Con, P], Answer]) -> Callable[Concatenate[Con, P], Answer]:
    """Return `read` so that it raises StoreError, with the cure, where the server is gone or a file is damaged."""

    @wraps(read)
    def reading(con: Con, *args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return read(con, *args, **kwargs)
        except MetabtError:
            raise
        except (duckdb.Error, *UNREADABLE) as error:
            if is_outage(str(error)):
                raise passing(StoreError(lost(str(error))), may_pass(str(error))) from error
            raise unreadable(con, error) from error

    return reading


@contextmanager
def whole(con: Con) -> Iterator[None]:
    """Run the block in one transaction: commit at its end, roll back and raise where it raises.

    Rolling back is not left to closing the connection: where a server is gone, DuckDB aborts the process that closes
    one with an open transaction.
    """
    con.execute("BEGIN")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")
        raise


def close(con: Con) -> None:
    """Close a connection, except one on which DuckDB could not even roll back: closing it would abort the process."""
    try:
        con.execute("SELECT 1")
    except duckdb.FatalException:  # the database in memory was invalidated by an outage in the middle of a statement
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(con))  # never collected either
        return
    except duckdb.Error:
        pass
    con.close()


def lost(reason: str) -> str:
    """Return the message for a reader that has lost its server: what the server said, and what to do."""
    return (
        f"the connection to the lakehouse's catalogue was lost: {said(reason)}; see that the server runs and can be "
        "reached, then give the same command again: nothing is stored in part"
    )
