"""Staging: folders inside a lakehouse in which tables lie until a commit makes them part of it.

1. A writer that has its tables written by several processes has a folder of its own, which is locked for as long as
   the writer lives, and goes at its end.
2. `remove_left` removes the folders of writers that were killed: those that nobody has locked. Where machines share a
   lakehouse a lock may not be seen from another one, and such a folder goes when nothing has come into it for two days.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from metabt.lakehouse.folder.orphans import DAY
from metabt.lakehouse.folder.presence import taken

STAGED = "writer.tables"
"""Folder inside a lakehouse while tables are written that no commit has taken yet."""


class Staging:
    """A folder of one writer, inside a lakehouse."""

    def __init__(self, root: Path) -> None:
        """Make it, and lock it; OSError where that cannot be done."""
        self.path = root / STAGED / secrets.token_hex(8)
        self.path.mkdir(parents=True)
        self._held = os.open(self.path, os.O_RDONLY)
        taken(self._held)

    def close(self) -> None:
        """Remove it with all that is left in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # those of other writers are still there, or this one is gone already
            self.path.parent.rmdir()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def remove_left(root: Path, *, certain: bool) -> None:
    """Remove the folders of writers that are gone; `certain` says that a lock on one is seen by everybody."""
    with suppress(OSError):  # most often there is none
        for folder in list((root / STAGED).iterdir()):
            if _is_left(folder, certain):
                shutil.rmtree(folder, ignore_errors=True)
        (root / STAGED).rmdir()


def _is_left(folder: Path, certain: bool) -> bool:
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:  # it went meanwhile
        return False
    try:
        return taken(held) and (certain or time.time() - os.stat(held).st_mtime > 2 * DAY)
    finally:
        os.close(held)
