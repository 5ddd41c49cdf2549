"""A folder as a storage: files are published by a change of names, and kept twice by hard links."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.errors import StoreError
from metabt.lakehouse.storage.port import File
from metabt.lakehouse.storage.presence import alone, enter

if TYPE_CHECKING:
    import duckdb

    from metabt.build.cache.disk import StoredCache
    from metabt.build.cache.shelf import Shelf

PIECE = 1 << 20
"""Bytes that are hashed at a time."""


class LocalFolder:
    """The files in a folder."""

    extensions: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        """Take the folder, which need not be there."""
        self.root = root

    @property
    def beneath(self) -> str:
        """Path of the folder, with a slash."""
        return f"{self.root}/"

    def names(self) -> Iterator[str]:
        """Yield the names of all files in the folder and in those within it."""
        begin = len(str(self.root)) + 1  # texts: a Path for each file would cost ten times as much as the walk
        for place, _, names in os.walk(str(self.root)):
            yield from (f"{place[begin:]}/{name}".replace(os.sep, "/").lstrip("/") for name in names)

    def files(self, beginning: str) -> Iterator[File]:
        """Yield the files of a folder within it, or those of its own whose names begin so."""
        for path in self._found(beginning):
            with suppress(FileNotFoundError):  # another process took it away meanwhile
                status = path.stat()
                yield File(path.relative_to(self.root).as_posix(), status.st_size, status.st_mtime)

    def _found(self, beginning: str) -> Iterator[Path]:
        if beginning.endswith("/"):
            for place, _, names in os.walk(self.root / beginning):
                yield from (Path(place) / name for name in names)
        else:
            yield from (path for path in self.root.glob(f"{beginning}*") if path.is_file())

    def holds(self, name: str) -> bool:
        """Return whether there is something of that name."""
        return (self.root / name).exists()

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Write a file under another name, and give it its own."""
        draft = self._draft(name)
        self._save(draft, data)
        draft.replace(self.root / name)

    def put(self, name: str, data: bytes) -> bool:
        """Write a file under another name, and give it its own unless that is taken."""
        draft = self._draft(name)
        self._save(draft, data)
        try:
            return _named(draft, self.root / name)
        finally:
            draft.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file; there may be none."""
        (self.root / name).unlink(missing_ok=True)

    def entered(self, folder: str) -> float:
        """Return the time of a folder: files that have two names have the time at which they were written."""
        return (self.root / folder).stat().st_mtime

    def clear(self, folder: str) -> None:
        """Remove a folder, and the one that it is in if that is empty then."""
        place = self.root / folder
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # there is more in it
            place.parent.rmdir()

    def repeat(self, name: str, other: str) -> None:
        """Give a file a second name; where the file system has no links, copy it by way of a draft."""
        second = self.root / other
        second.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(self.root / name, second)
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError:  # a file system without hard links
            draft = second.with_name(f"{second.name}.{secrets.token_hex(4)}")
            shutil.copyfile(self.root / name, draft)
            draft.replace(second)

    def measured(self, name: str) -> tuple[int, str]:
        """Return size and SHA-256 of a file."""
        total, size = hashlib.sha256(), 0
        with (self.root / name).open("rb") as file:
            while piece := file.read(PIECE):
                total.update(piece)
                size += len(piece)
        return size, total.hexdigest()

    @contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """Yield the path of a file that is to be written; nothing names it before the commit."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path

    def check_writable(self) -> None:
        """Write a temporary file: permission bits are not enough, as root ignores them and a mount may be read-only."""
        place = next(it for it in (self.root, *self.root.parents) if it.exists())
        if not place.is_dir():
            raise StoreError(f"'{place}' is a file, not a directory")
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(b"metabt")
                file.flush()
        except OSError as error:
            raise StoreError(f"'{place}': {error.strerror}") from error

    def open_to(self, con: duckdb.DuckDBPyConnection) -> None:
        """Do nothing: DuckDB reads and writes files."""

    def enter(self, connection: object) -> None:
        """Hold a shared lock on the folder for as long as `connection` lives."""
        enter(self.root, connection)

    def alone(self) -> AbstractContextManager[bool]:
        """Return what keeps others out where nobody is in."""
        return alone(self.root)

    def cache(self) -> StoredCache:
        """Return the cache in the folder."""
        from metabt.build.cache.disk import DiskCache

        return DiskCache(self.root)

    def shelf(self) -> Shelf:
        """Return the shelf that the folder is."""
        from metabt.build.cache.folder.shelf import FolderShelf

        return FolderShelf(self.root)

    def _draft(self, name: str) -> Path:
        path = self.root / name
        return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")

    def _save(self, draft: Path, data: bytes) -> None:
        draft.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _named(draft: Path, path: Path) -> bool:
    """Give a file its name, and return False where that is taken."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: whoever was first is seen, nearly always
        if path.exists():
            return False
        draft.replace(path)
    return True
