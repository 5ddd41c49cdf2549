"""Staging: folders inside a lakehouse in which tables lie until a commit makes them part of it.

1. A writer that has its tables written by several processes has a folder of its own, which is locked for as long as
   the writer lives, and goes at its end.
2. `remove_left` removes the folders of writers that were killed: those that nobody has locked. Where machines share a
   lakehouse a lock may not be seen from another one, and such a folder goes when nothing has come into it for two days.
3. In an object store there are no folders and no locks: names begin alike, and go by their age.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from metabt.lakehouse.folder.orphans import DAY
from metabt.lakehouse.storage.place import storage_of
from metabt.lakehouse.storage.port import Root, Storage
from metabt.lakehouse.storage.presence import taken

STAGED = "writer.tables"
"""Folder inside a lakehouse while tables are written that no commit has taken yet."""


class Staging:
    """A folder of one writer, inside a lakehouse."""

    def __init__(self, root: Root) -> None:
        """Make it, and lock it; OSError where that cannot be done."""
        self.path: Root = root / STAGED / secrets.token_hex(8)
        self._held = -1
        if not isinstance(self.path, Path):
            return
        self.path.mkdir(parents=True)
        self._held = os.open(self.path, os.O_RDONLY)
        taken(self._held)

    def close(self) -> None:
        """Remove it with all that is left in it."""
        with suppress(OSError):  # an object store that is out of reach: they go by their age
            storage_of(self.path.parent.parent).clear(f"{STAGED}/{self.path.name}")
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def remove_left(root: Root, *, certain: bool) -> None:
    """Remove the folders of writers that are gone; `certain` says that a lock on one is seen by everybody."""
    if not isinstance(root, Path):
        _remove_old(storage_of(root))
        return
    with suppress(OSError):  # most often there is none
        for folder in list((root / STAGED).iterdir()):
            if _is_left(folder, certain):
                shutil.rmtree(folder, ignore_errors=True)
        (root / STAGED).rmdir()


def _remove_old(storage: Storage) -> None:
    for folder in {f"{STAGED}/{file.name.split('/')[1]}" for file in storage.files(f"{STAGED}/")}:
        with suppress(FileNotFoundError):  # it went meanwhile
            if time.time() - storage.entered(folder) > 2 * DAY:
                storage.clear(folder)


def _is_left(folder: Path, certain: bool) -> bool:
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:  # it went meanwhile
        return False
    try:
        return taken(held) and (certain or time.time() - os.stat(held).st_mtime > 2 * DAY)
    finally:
        os.close(held)
