"""Local paths: an address such as s3://lake/x is no folder, and must not become one called `s3:`."""

from __future__ import annotations

import re
from pathlib import Path

from metabt.errors import StoreError

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
