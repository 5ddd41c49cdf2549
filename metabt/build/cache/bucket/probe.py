"""Put one key twice: a server that lets both through must not hold packs, since it lets writers replace each other's.

The condition `If-None-Match: *` is a header, and some servers of S3's protocol ignore it without a word.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress

from metabt.build.cache.bucket.connection import Connection
from metabt.build.cache.shelf import PROBES
from metabt.errors import StoreError
from metabt.values.bucket_address import Address

_sound: set[tuple[str, str]] = set()
_lock = threading.Lock()


def require_conditional_puts(connection: Connection, address: Address) -> None:
    """Raise StoreError unless the server of a bucket lets one of two writers have a name; asked once in a process.

    Where nothing may be written, nothing is refused: nothing will be.

    Raises
    ------
    StoreError
        For such a server, and for one that cannot be reached.
    """
    server = (connection.endpoint, address.bucket)
    with _lock:
        if server in _sound:
            return
        name = f"{(address / PROBES).prefix}/{secrets.token_hex(16)}"
        try:
            is_held = _is_held(connection, name)
        except PermissionError:
            return
        except OSError as error:
            raise StoreError(
                f"the object store at {server[0]} does not take a key under a condition: {error.strerror}; see whether "
                f"the server, the bucket '{address.bucket}' and the endpoint are right"
            ) from error
        if not is_held:
            raise StoreError(
                f"the object store at {server[0]} has let two writers put one key of the bucket '{address.bucket}', "
                "though each said that it must be free (If-None-Match: *): what one process publishes another one "
                "would replace; use a server that heeds the condition, such as AWS S3 or SeaweedFS 4, or a folder"
            )
        _sound.add(server)


def _is_held(connection: Connection, name: str) -> bool:
    """Return whether the first of two puts has the name, and its bytes."""
    try:
        first = connection.put(name, b"first", absent=True)
        second = connection.put(name, b"second", absent=True)
        return first and not second and connection.get(name)[1] == b"first"
    finally:
        with suppress(OSError):  # what stays are some bytes under a name of chance
            connection.delete(name)
