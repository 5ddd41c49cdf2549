"""Freed memory: what a process has let go of, given back to the system.

The C library keeps freed pieces for later allocations. After work that has made and freed very many of them, what comes
next, in other sizes, would take as much once more.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Give freed memory back where the C library can (glibc); elsewhere do nothing."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
