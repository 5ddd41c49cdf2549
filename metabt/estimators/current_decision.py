"""Current decision: which one is being made, so that it can be named when the process does not survive it.

Nobody listens unless a sleeve is under suspicion; then every decision that foreign code makes is told beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("witness", default=None)


def deciding(session: str) -> None:
    """Tell the witness, if there is one, which session is about to be decided on."""
    tell = _listener.get()
    if tell is not None:
        tell(session)


@contextmanager
def telling_decisions(tell: Callable[[str], None]) -> Iterator[None]:
    """Have every decision of foreign code told beforehand."""
    token = _listener.set(tell)
    try:
        yield
    finally:
        _listener.reset(token)
