"""Connections to nothing yet, with the extensions loaded that a catalogue needs.

1. `opened` returns one.
2. `begin` has one made in the background, for whoever needs one first: DuckDB checks the signatures of extensions,
   which takes longer than most of what a command does, while another processor imports the rest.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.extensions import load_extensions

LIKELY = ("ducklake", "sqlite_scanner")
"""Extensions that most lakehouses need; one that is loaded already is not loaded again."""

_begun: list[Future[duckdb.DuckDBPyConnection]] = []
"""A connection that is being made and that nobody has taken."""


def begin() -> None:
    """Have a connection made in the background."""
    if not _begun:
        pool = ThreadPoolExecutor(1)
        _begun.append(pool.submit(_made, LIKELY))
        pool.shutdown(wait=False)


def opened(extensions: Iterable[str]) -> duckdb.DuckDBPyConnection:
    """Return a connection with these extensions.

    Raises
    ------
    StoreError
        For one that is not installed and cannot be downloaded.
    """
    begun = _begun.pop() if _begun else None
    if begun is None or begun.exception() is not None:
        return _made(extensions)
    return _extended(begun.result(), extensions)


def _made(extensions: Iterable[str]) -> duckdb.DuckDBPyConnection:
    # a statement costs dozens of tiny ones on the catalogue: further threads would only wait, and cost half again;
    # secrets that DuckDB has stored on this machine have no say in who connects to a server
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "secret_directory": os.devnull,
        "threads": 1,
        **_spill(),
    }
    con = duckdb.connect(":memory:", config=config)
    return _extended(con, extensions, "SET enable_progress_bar = false")  # it would go among the results


def _extended(con: duckdb.DuckDBPyConnection, extensions: Iterable[str], *before: str) -> duckdb.DuckDBPyConnection:
    try:
        for statement in before:
            con.execute(statement)
        load_extensions(con, extensions)
    except (duckdb.Error, StoreError):
        con.close()
        raise
    return con


def _spill() -> dict[str, str]:
    """Return where DuckDB puts what memory has no room for: the working directory may be read-only, or a user's own."""
    # each connection has a folder of its own, made when it is needed: two would write to the same files in it
    return {"temp_directory": os.path.join(tempfile.gettempdir(), f"metabt-duckdb-{secrets.token_hex(8)}")}
