"""Connections of DuckDB in memory, with the extensions loaded that a catalogue needs, and no lakehouse attached yet.

1. `opened` returns one.
2. `begin` makes one on a thread, and the next call of `opened` returns it: DuckDB checks the signatures of extensions,
   which takes longer than most of what a command does, while another processor imports the rest.
3. The extension that every catalogue needs is loaded first, then those that the catalogue probably needs; `opened`
   loads what is still missing.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from metabt.errors import MetabtError
from metabt.lakehouse.catalog.extensions import connect, load_extensions

if TYPE_CHECKING:
    import duckdb

COMMON = ("ducklake",)
"""Extensions that every catalogue needs."""

_begun: list[Future[duckdb.DuckDBPyConnection]] = []
"""At most one connection that is being made, until `opened` takes it."""


def begin(likely: Callable[[], Iterable[str]]) -> None:
    """Make a connection on a thread for the next call of `opened`; `likely()`, called there, names extensions."""
    if not _begun:
        pool = ThreadPoolExecutor(1)
        _begun.append(pool.submit(lambda: _equipped(_made(COMMON), likely())))
        pool.shutdown(wait=False)


def opened(names: Iterable[str]) -> duckdb.DuckDBPyConnection:
    """Return a connection with these extensions loaded.

    Raises
    ------
    StoreError
        If they are not installed, or DuckDB refuses them.
    """
    begun = _taken()
    return _made(names) if begun is None else _equipped(begun, names)


def _taken() -> duckdb.DuckDBPyConnection | None:
    """Return the connection that was begun, once; None where none was, or it failed: a fresh one may not."""
    try:
        return _begun.pop().result() if _begun else None
    except (MetabtError, OSError):
        return None


def _made(names: Iterable[str]) -> duckdb.DuckDBPyConnection:
    # a statement costs dozens of tiny ones on the catalogue: further threads would only wait, and cost half again;
    # secrets that DuckDB has stored on this machine have no say in who connects to a server
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "secret_directory": os.devnull,
        "threads": 1,
        **_spill(),
    }
    con = connect(names, config)
    con.execute("SET enable_progress_bar = false")  # it would go to standard output, among the results
    return con


def _equipped(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> duckdb.DuckDBPyConnection:
    try:
        load_extensions(con, names)  # those that it has are loaded by doing nothing
    except BaseException:
        con.close()
        raise
    return con


def _spill() -> dict[str, str]:
    """Return the setting of DuckDB's folder for what memory has no room for: never the working directory."""
    # each connection has a folder of its own, made when it is needed: two would write to the same files in it
    return {"temp_directory": os.path.join(tempfile.gettempdir(), f"metabt-duckdb-{secrets.token_hex(8)}")}
