"""Exit codes of every command and job, by what a scheduler is to do about them.

1. What is refused is refused again: bad input, configuration, data, a damaged file. A retry cannot cure it.
2. What is out of reach may be there later: the same command goes on from what is stored.
3. What nobody foresaw leaves a traceback, and may go either way.
"""

from __future__ import annotations

import errno

DONE = 0
REFUSED = 1
"""The message says why, and what to mend."""
USAGE = 2
"""The command line is none of metabt's."""
BROKEN = 70
"""An error that nobody foresaw; its traceback is above the last line."""
UNREACHABLE = 75
"""A server, a machine or the system failed, and may be there again when the same command is given later."""
INTERRUPTED = 130
"""Ctrl-C."""
STOPPED = 143
"""SIGTERM."""

FINAL = (REFUSED, USAGE)
"""Codes of failures that a retry cannot cure."""
ENDED = (INTERRUPTED, STOPPED)
"""Codes of commands that somebody ended."""

PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.EIO,
        errno.EMFILE,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
"""Errors of the system that may be over later; no room and no permission are for somebody to mend."""


def of_system(error: OSError) -> int:
    """Return the exit code for an error of the operating system."""
    return UNREACHABLE if error.errno in PASSING else REFUSED
