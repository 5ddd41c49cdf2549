"""Freed memory: what a process has let go of, given back to the system or left to its other threads.

The C library keeps freed pieces for later allocations, those of each thread in an arena of its own.

1. After work that has made and freed very many pieces, what comes next, in other sizes, would take as much once more.
2. Threads that take turns in making large arrays would each ask the system for memory that another has freed: half the
   time of a walk on threads went into that.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

ARENA_MAX = -8
"""What `mallopt` of glibc calls the largest number of arenas."""


def give_back() -> None:
    """Give freed memory back where the C library can (glibc); elsewhere do nothing."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@cache
def share() -> bool:
    """Let all threads that begin from now on allocate in one arena; return whether the C library can (glibc).

    Python allocates under its own lock, so that threads do not wait for the arena's.
    """
    with suppress(AttributeError, OSError, TypeError):
        return bool(ctypes.CDLL(None).mallopt(ARENA_MAX, 1))
    return False
