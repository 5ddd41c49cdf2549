"""Standard output and error as a user may have them: full, closed, or in an encoding that lacks a character.

1. Closed ones are opened on the null device, so that no file of the lakehouse gets their number and their text.
2. A command whose answer cannot be written fails in one sentence, before it starts where that is known.
3. Names come from files of others: in a message, what could steer a terminal is written as an escape.
"""

from __future__ import annotations

import os
import sys

from metabt.errors import StoreError


def prepare() -> bool:
    """Make the standard streams fit to be written to; return whether standard output was open.

    Characters that their encoding lacks, and halves of characters, are written as escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    was_open = sys.stdout is not None
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the whole process
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return was_open


def require_output(is_open: bool) -> None:
    """Raise StoreError if nobody could read the answer of a command.

    Raises
    ------
    StoreError
        If standard output is closed.
    """
    if not is_open:
        raise StoreError("standard output is closed; send it to a file, or to /dev/null")


def say(text: str) -> None:
    """Print a message of several lines to standard error, escaped; where that cannot be written, nobody is told."""
    try:
        print(escaped(text), file=sys.stderr, flush=True)
    except OSError:
        _abandon(2)


def give_up_output() -> None:
    """Forget what could not be written to standard output, or Python complains again when it closes it."""
    _abandon(1)


def escaped(text: str) -> str:
    """Return a text with what steers a terminal or turns text round written as escapes; lines stay lines."""
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)


def _abandon(number: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
