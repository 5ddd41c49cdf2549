"""Copies of a catalogue, for readers of a folder in which nothing can be written: SQLite needs a lock file beside it.

1. A copy lies in a temporary folder that is removed with the connection, or after the process by the next command.
2. It is taken between commits: whoever writes keeps a log beside the catalogue meanwhile, and where there is one SQLite
   needs no copy.
"""

from __future__ import annotations

import shutil
import time
import weakref
from pathlib import Path

from metabt.errors import StoreError
from metabt.values.held_folders import CATALOGUE, hold, release

LOG = "-wal"
"""What the log of a SQLite file is called beside its name."""
ATTEMPTS = 8
"""Number of times that a copy is tried while somebody writes."""


def copied(file: Path, connection: object) -> Path:
    """Return a copy of a SQLite file that is there for as long as `connection` lives.

    Raises
    ------
    StoreError
        When somebody writes all the time.
    OSError
        When it cannot be read, or the temporary folder has no room.
    """
    folder = hold(CATALOGUE)
    weakref.finalize(connection, release, folder)
    log = file.with_name(file.name + LOG)
    for attempt in range(ATTEMPTS):
        before = file.stat()
        copy = Path(shutil.copyfile(file, folder / file.name))
        after = file.stat()
        if not log.exists() and (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            return copy
        time.sleep(0.05 * 2**attempt)
    raise StoreError(
        f"'{file}' was written {ATTEMPTS} times while it was copied, which reading a folder without write permission "
        "takes; try again later, or restore write permission on the directory"
    )
