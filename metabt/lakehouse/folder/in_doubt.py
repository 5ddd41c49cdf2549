"""In doubt: where only the answer to a commit is lost, with the server, the commit was made; its files are kept for it.

1. DuckLake removes what a commit wrote that it takes for failed, and so the files of one that was made.
2. `kept` gives every new file a second name in the folder of the lakehouse before the commit, and takes that away when
   it has been answered. Where it is not known whether it was made the second names stay, for a day.
3. Whoever attaches the lakehouse next has `restore` put back what the catalogue names and the folder of data lacks.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from metabt.lakehouse.folder.lost_catalogue import DATA
from metabt.lakehouse.folder.orphans import DAY, META
from metabt.lakehouse.storage.place import storage_of
from metabt.lakehouse.storage.port import Root, Storage

if TYPE_CHECKING:
    import duckdb

KEPT = "writer.kept"
"""Folder inside a lakehouse while a commit is made, and after one whose answer was lost."""


class Kept:
    """Second names of the files of one commit."""

    def __init__(self, root: Root) -> None:
        """Make none yet."""
        self.storage = storage_of(root)
        self.folder = f"{KEPT}/{secrets.token_hex(8)}"

    def add(self, names: Iterable[str]) -> None:
        """Give a second name to files of the folder of data, by their paths beneath it."""
        for name in names:
            with suppress(FileNotFoundError):  # one of a writer that lost its lock, which took it back meanwhile
                self.storage.repeat(f"{DATA}/{name}", f"{self.folder}/{name}")

    def forget(self) -> None:
        """Take the second names away."""
        _clear(self.storage, self.folder)


@contextmanager
def kept(root: Root, is_answer: Callable[[Exception], bool]) -> Iterator[Kept]:
    """Yield what keeps files of a commit that is made at the end of the block, until it was answered.

    `is_answer` says whether an error says that it was not made; after others nobody knows, and they stay for a day.
    """
    files = Kept(root)
    try:
        yield files
    except Exception as error:  # whatever ended the commit; it is raised again
        if is_answer(error):
            files.forget()
        raise
    files.forget()


def restore(con: duckdb.DuckDBPyConnection, root: Root) -> None:
    """Put back the files that the catalogue names and the folder of data lacks; drop second names a day old.

    What cannot be put back (the folder cannot be written) stays missing, and is reported where it is read.
    """
    storage = storage_of(root)
    seconds = list(storage.files(f"{KEPT}/"))
    if not seconds:
        return
    tables = ("ducklake_data_file", "ducklake_delete_file")
    sql = " UNION ALL ".join(f"SELECT path FROM {META}.{table}" for table in tables)
    named = {path.rpartition("/")[2] for (path,) in con.execute(sql).fetchall()}
    folders = set()
    for second in seconds:
        folder, _, name = second.name.removeprefix(f"{KEPT}/").partition("/")
        folders.add(f"{KEPT}/{folder}")
        if name.rpartition("/")[2] in named:
            first = f"{DATA}/{name}"
            with suppress(OSError):  # it was answered meanwhile, or the folder cannot be written
                if not storage.holds(first):
                    storage.repeat(second.name, first)
    for folder in folders:
        with suppress(FileNotFoundError):  # it was answered meanwhile
            if time.time() - storage.entered(folder) > DAY:
                _clear(storage, folder)


def _clear(storage: Storage, folder: str) -> None:
    with suppress(OSError):  # what stays is dropped when it is a day old
        storage.clear(folder)
