"""Credentials: DuckDB reads and writes below an address with what AWS' own chain finds, and nowhere else in the store.

1. `admit` makes a secret in the memory of one connection's database, for that address alone. It ends with the database;
   nothing stores it, and SQL shows of it no more than the name of the key.
2. A key that lasts for a time, as a pod's identity has it, is renewed by the chain before it ends. A thread looks every
   LOOK seconds, and makes the secrets of the connections that live anew.
3. `be_patient` has requests sent again; httpfs itself gives up after half a second.
4. `forget_environment` takes away what the extension has read from the environment by itself: its settings would show
   it to whoever asks.
"""

from __future__ import annotations

import threading
import time
import weakref
from urllib.parse import urlsplit

import duckdb

from metabt.build.cache.bucket.client import Access
from metabt.build.cache.bucket.connection import Connection
from metabt.errors import StoreError
from metabt.values.bucket_address import Address

LOOK = 60.0
"""Seconds between two looks at credentials that last for a time: the chain renews them ten minutes before they end."""
PATIENCE = {"http_retries": 7, "http_retry_wait_ms": 100, "http_retry_backoff": 2, "http_timeout": 30}
"""Settings of the extension: pauses of 0.1, 0.2 and so on, 13 seconds of them in all."""
SETTINGS = ("s3_access_key_id", "s3_secret_access_key", "s3_session_token")
"""Settings in which the extension keeps what it finds in the environment."""

_lent: dict[int, tuple[weakref.ref[duckdb.DuckDBPyConnection], Address, Connection, Access]] = {}
_lock = threading.Lock()
_looking: list[threading.Thread] = []


def admit(con: duckdb.DuckDBPyConnection, address: Address, store: Connection) -> None:
    """Let a connection of DuckDB read and write below an address, as `store` does, for as long as it lives.

    Raises
    ------
    PermissionError
        When AWS' chain finds no credentials.
    StoreError
        When DuckDB does not take them.
    """
    access = store.access()
    _make(con, address, access)
    if access.token is not None:
        with _lock:
            _lent[id(con)] = weakref.ref(con), address, store, access
            if not _looking:
                _looking.append(threading.Thread(target=_look, daemon=True, name="metabt-credentials"))
                _looking[0].start()


def be_patient(con: duckdb.DuckDBPyConnection) -> None:
    """Have DuckDB send a request again where a server cannot answer now, or an answer is lost."""
    for name, value in PATIENCE.items():
        con.execute(f"SET GLOBAL {name} = {value}")


def renew() -> int:
    """Make the secrets of living connections anew whose credentials have changed; return how many that were."""
    with _lock:
        lent = list(_lent.items())
    n_renewed = 0
    for number, (reference, address, store, before) in lent:
        con = reference()
        try:
            access = None if con is None else store.access()
            if con is not None and access is not None and access != before:
                with con.cursor() as other:  # which disturbs no answer that is being fetched
                    _make(other, address, access)
                n_renewed += 1
        except OSError:  # the next look may find the chain's source again
            continue
        except (duckdb.Error, StoreError):  # it was closed
            access = None
        with _lock:
            if access is None:
                _lent.pop(number, None)
            else:
                _lent[number] = reference, address, store, access
    return n_renewed


def forget_environment(con: duckdb.DuckDBPyConnection) -> None:
    """Take away what the extension has read from the environment."""
    for name in SETTINGS:
        con.execute(f"SET GLOBAL {name} = ''")


def _look() -> None:
    while True:
        time.sleep(LOOK)
        renew()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _make(con: duckdb.DuckDBPyConnection, address: Address, access: Access) -> None:
    place = urlsplit(access.endpoint or "")
    words = {
        "TYPE": "s3",
        "KEY_ID": _quoted(access.key_id),
        "SECRET": _quoted(access.secret),
        "SESSION_TOKEN": _quoted(access.token or ""),
        "REGION": _quoted(access.region),
        "SCOPE": _quoted(f"{address}/"),
        "URL_STYLE": _quoted("path" if access.in_path else "vhost"),
        **({"ENDPOINT": _quoted(place.netloc), "USE_SSL": str(place.scheme == "https")} if access.endpoint else {}),
    }
    stated = ", ".join(f"{word} {value}" for word, value in words.items())
    try:
        con.execute(f"CREATE OR REPLACE TEMPORARY SECRET metabt ({stated})")
    except duckdb.Error:
        # its message may quote the statement
        raise StoreError(f"DuckDB does not take the credentials for {address}; install its wheels again") from None
