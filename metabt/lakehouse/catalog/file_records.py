"""File records: the SHA-256 of every data file, which the commit that adds it writes into the catalogue.

1. `present` lists the files that lie in a lakehouse's folder of data; a writer asks before and after its work.
2. `measured` hashes those that are new, and `record` writes that into the table `files`, within the same transaction.
3. Files that are merged are committed before their records can be: `intend` notes these in a file beforehand, and after
   a writer that was killed in between the next one makes up for it by `record_intended`.
4. `faults` reads the files of some tables from disk and says which are not those that were recorded.

A digest of contents says that what was read is damaged; a file's own says where.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metabt.errors import StoreError
from metabt.lakehouse.catalog.schema import SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute, quoted
from metabt.lakehouse.storage.place import place_of, storage_of
from metabt.lakehouse.storage.port import Root

if TYPE_CHECKING:
    import duckdb

INTENDED = "writer.merged"
"""File inside a lakehouse while records of files that were merged are still to be written."""

Records = Mapping[str, tuple[int, str]]
"""Path beneath the folder of data -> size in bytes and SHA-256 (hex)."""


@dataclass(frozen=True)
class FileFault:
    """One file that is not as it was recorded."""

    path: Root
    """The file."""
    what: str
    """`is missing`, `has other bytes than were written` or `was never recorded`."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"file '{self.path}' {self.what}"


def present(folder: Root) -> set[str]:
    """Return the paths of the files beneath a folder, relative to it, with slashes."""
    return set(storage_of(folder).names())


def measured(folder: Root, names: Iterable[str]) -> Records:
    """Return name -> size in bytes and SHA-256 (hex) of those of some files that are still in a folder."""
    found: dict[str, tuple[int, str]] = {}
    for name in sorted(names):
        with suppress(FileNotFoundError):  # one of a writer that lost its lock, which took it back meanwhile
            found[name] = storage_of(folder).measured(name)
    return found


def record(con: duckdb.DuckDBPyConnection, found: Records) -> None:
    """Write the sizes and digests of some files into the table `files`."""
    if found:
        import numpy as np
        import pyarrow as pa

        from metabt.values.buffers import from_numpy, from_texts

        sizes, digests = zip(*found.values(), strict=True)
        columns = {"path": from_texts(list(found)), "bytes": from_numpy(np.array(sizes)), "sha256": from_texts(digests)}
        insert(con, "files", pa.table(columns))


def intend(root: Root, found: Records) -> None:
    """Note in the folder of a lakehouse what is to be recorded of files that are about to be committed."""
    storage_of(root).write(INTENDED, json.dumps(found).encode())


def record_intended(con: duckdb.DuckDBPyConnection, root: Root) -> None:
    """Record what a writer had noted, of those files that were committed; the caller commits, and removes the note.

    Raises
    ------
    StoreError
        If the note is not one of `intend`.
    """
    known = recorded(con)
    there = {name for table in SCHEMA for name in listed(con, table)}
    noted = _intended(root)
    record(con, {name: found for name, found in noted.items() if name in there and name not in known})


def _intended(root: Root) -> Records:
    try:
        noted = storage_of(root).read(INTENDED)
    except FileNotFoundError:
        return {}
    try:
        return {name: (int(size), str(digest)) for name, (size, digest) in json.loads(noted).items()}
    except (ValueError, TypeError, AttributeError) as error:
        note = root / INTENDED
        raise StoreError(f"'{note}' is damaged: {error}; remove it, and see what `metabt check` says") from error


def faults(con: duckdb.DuckDBPyConnection, tables: Iterable[str], at: int | None = None) -> list[FileFault]:
    """Return the files of some tables, now or at a snapshot, that are not those that were written."""
    known = recorded(con)
    found = [fault_of(con, path, name, known) for table in tables for name, path in listed(con, table, at).items()]
    return [fault for fault in found if fault]


def recorded(con: duckdb.DuckDBPyConnection) -> Records:
    """Return path beneath the folder of data -> size in bytes and SHA-256 (hex) of every file that was recorded."""
    rows = con.execute("SELECT path, bytes, sha256 FROM files").fetchall()
    return {path: (size, digest) for path, size, digest in rows}


def listed(con: duckdb.DuckDBPyConnection, table: str, at: int | None = None) -> dict[str, Root]:
    """Return path beneath the folder of data -> place of every file that a table consists of, deletions too."""
    version = "" if at is None else f", snapshot_version => {int(at)}"
    sql = f"SELECT data_file, delete_file FROM ducklake_list_files('lake', {quoted(table)}{version})"
    paths = [path for row in execute(con, sql).fetchall() for path in row if path]
    return {f"main/{table}/{path.rpartition(f'/main/{table}/')[2]}": place_of(path) for path in paths}


def fault_of(con: duckdb.DuckDBPyConnection, path: Root, name: str, known: Records) -> FileFault | None:
    """Return what is wrong with a file of a name; None where nothing is. `known` may be from before it was committed.

    Raises
    ------
    StoreError
        If its record is still to be written, and the note of that is damaged.
    """
    expected = known.get(name) or _intended(_root(path, name)).get(name) or recorded(con).get(name)
    try:
        found = storage_of(path.parent).measured(path.name)
    except OSError as error:
        return FileFault(path, "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}")
    if expected is None:
        return FileFault(path, "was never recorded")
    return None if found == expected else FileFault(path, "has other bytes than were written")


def _root(path: Root, name: str) -> Root:
    return place_of(str(path)[: -len(name)].rstrip("/")).parent
