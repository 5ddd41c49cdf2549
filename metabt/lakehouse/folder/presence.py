"""Presence: whoever has a lakehouse attached holds a shared lock on its folder, which ends with the process.

1. `enter` takes the lock, and gives it back when the connection is no more, or is found closed. Nothing is written
   for it.
2. `alone` takes it exclusively, where nobody else has it: what others might be reading may then be removed, and whoever
   comes meanwhile waits.

The lock is seen on one machine. A lakehouse that several share has its catalogue in PostgreSQL, and is never alone.
"""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: nobody is ever known to be alone
    fcntl = None  # type: ignore[assignment]  # a module, or there None


_entered: dict[int, tuple[weakref.ref, weakref.finalize]] = {}
"""Descriptor that holds a lock -> its connection, and what gives the lock back."""


def enter(root: Path, connection: object) -> None:
    """Hold a shared lock on the folder of a lakehouse for as long as `connection` lives."""
    with suppress(OSError):
        held = os.open(root, os.O_RDONLY)
        _entered[held] = weakref.ref(connection), weakref.finalize(connection, _leave, held)
        if fcntl is not None:
            fcntl.flock(held, fcntl.LOCK_SH)


@contextmanager
def alone(root: Path) -> Iterator[bool]:
    """Yield whether nobody has the lakehouse attached, and keep others out within the block if so."""
    gc.collect()  # connections that nobody has any more
    for connection, leave in list(_entered.values()):
        if _is_closed(connection()):
            leave()
    held = os.open(root, os.O_RDONLY)
    try:
        yield taken(held)
    finally:
        os.close(held)


def _leave(held: int) -> None:
    _entered.pop(held, None)
    os.close(held)


def _is_closed(connection: Any) -> bool:
    if connection is None:
        return False  # it leaves by itself
    try:
        connection.cursor().close()  # which disturbs no answer that is being fetched
    except Exception:  # whatever a connection raises that cannot be asked any more: it is closed
        return True
    return False


def taken(held: int) -> bool:
    """Take the lock on an open folder exclusively; return whether that is done: never where there are no such locks."""
    if fcntl is None:
        return False
    with suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
