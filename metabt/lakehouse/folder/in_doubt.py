"""In doubt: where only the answer to a commit is lost, with the server, the commit was made; its files are kept for it.

1. DuckLake removes what a commit wrote that it takes for failed, and so the files of one that was made.
2. `kept` gives every new file a second name in the folder of the lakehouse before the commit, and takes that away when
   it has been answered. Where it is not known whether it was made the second names stay, for a day.
3. Whoever attaches the lakehouse next has `restore` put back what the catalogue names and the folder of data lacks.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.lakehouse.folder.lost_catalogue import DATA
from metabt.lakehouse.folder.orphans import DAY, META

if TYPE_CHECKING:
    import duckdb

KEPT = "writer.kept"
"""Folder inside a lakehouse while a commit is made, and after one whose answer was lost."""


class Kept:
    """Second names of the files of one commit."""

    def __init__(self, root: Path) -> None:
        """Make none yet."""
        self.root = root
        self.folder = root / KEPT / secrets.token_hex(8)

    def add(self, names: Iterable[str]) -> None:
        """Give a second name to files of the folder of data, by their paths beneath it."""
        for name in names:
            with suppress(FileNotFoundError):  # one of a writer that lost its lock, which took it back meanwhile
                _link(self.root / DATA / name, self.folder / name, self.folder)

    def forget(self) -> None:
        """Take the second names away."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # those of other writers are still in it
            self.folder.parent.rmdir()


@contextmanager
def kept(root: Path, is_answer: Callable[[Exception], bool]) -> Iterator[Kept]:
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


def restore(con: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Put back the files that the catalogue names and the folder of data lacks; drop second names a day old.

    What cannot be put back (the folder cannot be written) stays missing, and is reported where it is read.
    """
    folders = _folders(root)
    if not folders:
        return
    tables = ("ducklake_data_file", "ducklake_delete_file")
    sql = " UNION ALL ".join(f"SELECT path FROM {META}.{table}" for table in tables)
    named = {path.rpartition("/")[2] for (path,) in con.execute(sql).fetchall()}
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in named.intersection(names):
                second = Path(place) / name
                first = root / DATA / second.relative_to(folder)
                with suppress(OSError):  # it was answered meanwhile, or the folder cannot be written
                    if not first.exists():
                        _link(second, first, folder)
        with suppress(FileNotFoundError):  # it was answered meanwhile
            if time.time() - folder.stat().st_mtime > DAY:
                shutil.rmtree(folder, ignore_errors=True)


def _folders(root: Path) -> list[Path]:
    try:
        return list((root / KEPT).iterdir())
    except OSError:  # most often there is none
        return []


def _link(file: Path, second: Path, drafts: Path) -> None:
    """Give a file a second name, or copy it by way of the folder `drafts`, so that it is whole or not there."""
    second.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, second)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a file system without hard links
        draft = drafts / f"{second.name}.{secrets.token_hex(4)}"
        shutil.copyfile(file, draft)
        draft.replace(second)
