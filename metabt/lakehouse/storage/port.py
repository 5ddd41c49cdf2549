"""The port to where the files of a lakehouse lie.

A place is a Path, or the Address of a prefix; names of files are relative to it, with slashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from metabt.values.bucket_address import Address

if TYPE_CHECKING:
    import duckdb

    from metabt.build.cache.disk import StoredCache
    from metabt.build.cache.shelf import Shelf

Root = Path | Address
"""Where a lakehouse, or something in it, lies."""


@dataclass(frozen=True)
class File:
    """A file, or an object, that is there."""

    name: str
    """Its name, relative to the place that was asked."""
    size: int
    """Bytes."""
    changed: float
    """When it was written last, seconds since 1970, by the clock of where it lies."""


class Storage(Protocol):
    """What can be done where files lie; what cannot be reached, or refuses, raises an OSError in each method."""

    extensions: tuple[str, ...]
    """Extensions of DuckDB that reading and writing there takes."""

    @property
    def beneath(self) -> str:
        """How DuckDB's names of all files there begin."""

    def names(self) -> Iterator[str]:
        """Yield the names of all files there."""

    def files(self, beginning: str) -> Iterator[File]:
        """Yield the files whose names begin so.

        `beginning` ends with a slash, for all that lies in a folder or in folders within it; or it is how names begin
        of files that lie in no folder.
        """

    def holds(self, name: str) -> bool:
        """Return whether there is a file of that name."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a small file.

        Raises
        ------
        FileNotFoundError
            When there is none.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, whole, in place of one that may be there."""

    def put(self, name: str, data: bytes) -> bool:
        """Write a small file, whole; return False, and change nothing, where there is one."""

    def remove(self, name: str) -> None:
        """Remove a file; there may be none."""

    def entered(self, folder: str) -> float:
        """Return when something last came into a folder, seconds since 1970.

        Raises
        ------
        FileNotFoundError
            When there is none.
        """

    def clear(self, folder: str) -> None:
        """Remove all that lies in a folder, and it, and the one that it is in if that is empty then."""

    def repeat(self, name: str, other: str) -> None:
        """Have the bytes of a file lie under another name as well, whole or not at all.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        """

    def measured(self, name: str) -> tuple[int, str]:
        """Return size in bytes and SHA-256 (hex) of a file, every byte of it read.

        Raises
        ------
        FileNotFoundError
            When there is none.
        """

    def written(self, name: str) -> AbstractContextManager[Path | BinaryIO]:
        """Return what a new file, perhaps a large one, is written to; it is there, and whole, after the block."""

    def check_writable(self) -> None:
        """Raise StoreError, with the cure, unless files can be written there; nothing is left behind."""

    def open_to(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let a connection of DuckDB read and write files there, for as long as it lives."""

    def enter(self, connection: object) -> None:
        """Have others know that somebody is there for as long as `connection` lives, if anything can tell them."""

    def alone(self) -> AbstractContextManager[bool]:
        """Return what yields whether nobody else is there while the block lasts; False where none can tell."""

    def cache(self) -> StoredCache:
        """Return the cache whose packs lie there."""

    def shelf(self) -> Shelf:
        """Return the shelf of the packs that lie there."""
