"""Local paths: an address such as s3://lake/x is no folder, and must not become one called `s3:`.

A lakehouse may be named by an address one day, and it is said what is missing:

1. It is an object store of S3's protocol, `s3://bucket/prefix`; another kind of address is refused by name.
2. Its catalogue is in PostgreSQL: a SQLite file is locked by the file system, and an object store has no locks.
3. Its tables cannot be there yet, so that even then it is refused, with what can be done instead.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse.catalog.connection_string import VARIABLE

ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""How an address begins; a Path keeps one of its two slashes, and a drive has one letter."""


def address(path: str | Path, what: str) -> str | None:
    """Return the message that refuses a path which is an address; None for one that is none.

    `what` says whose path it is, such as "lakehouse".

    >>> address("data/lakehouse", "lakehouse") is None
    True
    """
    found = ADDRESS.match(str(path))
    if found is None:
        return None
    rest = str(path)[found.end() :].lstrip("/")
    return (
        f"{what} '{found[1]}://{rest}' is an address, and only paths of mounted file systems are read and written; "
        "name a path: where it is mounted, or where a copy of it lies"
    )


def refuse_address(path: str | Path, what: str) -> None:
    """Raise StoreError where a path is an address, as `address` says it."""
    message = address(path, what)
    if message:
        raise StoreError(message)


def refuse_remote(path: str | Path, catalog: str | None) -> None:
    """Raise StoreError for a lakehouse whose place is an address.

    Parameters
    ----------
    path : str or Path
        Where the lakehouse is.
    catalog : str or None
        Where its catalogue is said to be, ``postgres:...``; None is METABT_CATALOG, else a SQLite file.

    Raises
    ------
    StoreError
        With the reason and the cure; never with what may be a password.
    """
    if ADDRESS.match(str(path)) is None:
        return
    from metabt.build.cache.bucket.address import parse_address  # with what packs need, which a path has no use for

    try:
        place = parse_address(path)
    except ConfigError as error:
        raise StoreError(str(error)) from None
    if not (catalog or os.environ.get(VARIABLE)):
        raise StoreError(
            f"lakehouse '{place}' would have its catalogue in a SQLite file, which an object store cannot lock for "
            "drivers on several machines; name a database, catalog=postgres:host=HOST dbname=NAME or "
            f"{VARIABLE}"
        )
    raise StoreError(
        f"lakehouse '{place}': tables cannot be kept in an object store yet; keep its folder on a file system that all "
        "machines mount, its catalogue in PostgreSQL, and share blocks with metabt.BucketCache"
    )
