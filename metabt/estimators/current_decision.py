"""Current decision: the session is reported before foreign code decides on it, to name it if the process dies of it.

Nothing is reported outside `telling_decisions`, which is entered for sleeves that may have ended a process, and for
those whose foreign estimators may give warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("witness", default=None)


def deciding(session: str) -> None:
    """Report the session that is about to be decided on; outside `telling_decisions` this does nothing."""
    tell = _listener.get()
    if tell is not None:
        tell(session)


@contextmanager
def telling_decisions(tell: Callable[[str], None]) -> Iterator[None]:
    """Within the block, call `tell(session)` before each decision of foreign code, in this context alone.

    Within another such block both are called, the outer one first.
    """
    outer = _listener.get()

    def both(session: str) -> None:
        if outer is not None:
            outer(session)
        tell(session)

    token = _listener.set(both)
    try:
        yield
    finally:
        _listener.reset(token)
