"""Local paths, and addresses: s3://lake/x is no folder, and must not become one called `s3:`.

1. What is read or written besides a lakehouse is a path of a mounted file system, and an address is refused.
2. A lakehouse may be a prefix of an object store of S3's protocol, `s3://bucket/prefix`; another kind of address is
   refused by name. A Path that was made of an address has lost one of two slashes, and is that address all the same.
"""

from __future__ import annotations

import re
from pathlib import Path

from metabt.errors import ConfigError, StoreError
from metabt.values.bucket_address import Address, parse_address

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


def remote(path: str | Path | Address) -> Address | None:
    """Return the address of a lakehouse in an object store; None for a path.

    Raises
    ------
    StoreError
        For another kind of address, or one that is none, with the reason and the cure; never with what may be a
        password.
    """
    if isinstance(path, Address):
        return path
    if ADDRESS.match(str(path)) is None:
        return None
    try:
        return parse_address(path)
    except ConfigError as error:
        raise StoreError(str(error)) from None
