"""File records: the SHA-256 of every data file, which the commit that adds it writes into the catalogue.

1. `present` lists the files that lie in a lakehouse's folder of data; a writer asks before and after its work.
2. `record` hashes those that are new into the table `files`, within the same transaction.
3. `faults` reads the files of some tables from disk and says which are not those that were recorded.

A digest of contents says that what was read is damaged; a file's own says where.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.schema import insert
from metabt.lakehouse.catalog.statements import execute, quoted
from metabt.values.buffers import from_numpy, from_texts

if TYPE_CHECKING:
    import duckdb

PIECE = 1 << 20
"""Bytes that are hashed at a time."""


@dataclass(frozen=True)
class FileFault:
    """One file that is not as it was recorded."""

    path: Path
    """The file."""
    what: str
    """`is missing`, `has other bytes than were written` or `was never recorded`."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"file '{self.path}' {self.what}"


def present(folder: Path) -> set[str]:
    """Return the paths of the files beneath a folder, relative to it, with slashes."""
    begin = len(str(folder)) + 1  # texts: a Path for each file would cost ten times as much as the walk
    return {
        f"{place[begin:]}/{name}".replace(os.sep, "/") for place, _, names in os.walk(str(folder)) for name in names
    }


def record(con: duckdb.DuckDBPyConnection, folder: Path, names: Iterable[str]) -> None:
    """Write the sizes and digests of some files into the table `files`."""
    rows = [(name, *_measured(folder / name)) for name in sorted(names)]
    if rows:
        paths, sizes, digests = zip(*rows, strict=True)
        columns = {"path": from_texts(paths), "bytes": from_numpy(np.array(sizes)), "sha256": from_texts(digests)}
        insert(con, "files", pa.table(columns))


def faults(con: duckdb.DuckDBPyConnection, tables: Iterable[str], at: int | None = None) -> list[FileFault]:
    """Return the files of some tables, now or at a snapshot, that are not those that were written."""
    known = recorded(con)
    found = [fault_of(path, known.get(name)) for table in tables for name, path in listed(con, table, at).items()]
    return [fault for fault in found if fault]


def recorded(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, str]]:
    """Return path beneath the folder of data -> size in bytes and SHA-256 (hex) of every file that was recorded."""
    rows = con.execute("SELECT path, bytes, sha256 FROM files").fetchall()
    return {path: (size, digest) for path, size, digest in rows}


def listed(con: duckdb.DuckDBPyConnection, table: str, at: int | None = None) -> dict[str, Path]:
    """Return path beneath the folder of data -> place of every file that a table consists of, deletions too."""
    version = "" if at is None else f", snapshot_version => {int(at)}"
    sql = f"SELECT data_file, delete_file FROM ducklake_list_files('lake', {quoted(table)}{version})"
    paths = [path for row in execute(con, sql).fetchall() for path in row if path]
    return {f"main/{table}/{path.rpartition(f'/main/{table}/')[2]}": Path(path) for path in paths}


def fault_of(path: Path, known: tuple[int, str] | None) -> FileFault | None:
    """Return what is wrong with a file of a known size and digest; None where nothing is."""
    try:
        measured = _measured(path)
    except OSError as error:
        return FileFault(path, "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}")
    if known is None:
        return FileFault(path, "was never recorded")
    return None if measured == known else FileFault(path, "has other bytes than were written")


def _measured(path: Path) -> tuple[int, str]:
    total, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            total.update(piece)
            size += len(piece)
    return size, total.hexdigest()
