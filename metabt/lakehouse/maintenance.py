"""Upkeep: small data files are merged, snapshots that no stored run names expire, and what is then of no use goes.

1. Files that are not as they were recorded are refused before anything is written: a damaged one must not become part
   of another that has a record of its own.
2. Merging writes one file for many, with the snapshot of every row: each snapshot reads as before, in the same order.
3. A snapshot expires unless a stored run names it, it is the current one, or somebody may have begun to read it.
4. Files that no snapshot needs are removed at once where nobody else has the lakehouse attached
   (metabt.lakehouse.storage.presence), and otherwise by an upkeep of a day later: a reader may have their names.

All that is written goes through `transact`, as every commit does, files that merging adds included.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from metabt.lakehouse.catalog.attachment import attach
from metabt.lakehouse.catalog.catalog_location import located, require
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.folder.lost_catalogue import DATA
from metabt.lakehouse.folder.orphans import META
from metabt.lakehouse.soundness import check_files
from metabt.lakehouse.storage.place import place_of, storage_of
from metabt.lakehouse.storage.port import Root

DAY = "INTERVAL 1 DAY"
"""Age from which on nobody is thought to read what was current, or was listed, before."""
MERGEABLE = f"""
SELECT table_id, regexp_replace(path, '[^/]*$', '') AS folder, count(*) AS files FROM {META}.ducklake_data_file
WHERE end_snapshot IS NULL GROUP BY ALL HAVING count(*) > 1
"""
"""Folders that hold several files of the present state."""
SNAPSHOTS = """
SELECT snapshot_id, lead(snapshot_time) OVER (ORDER BY snapshot_id) AS followed FROM ducklake_snapshots('lake')
"""
"""Every snapshot, and when the next one took its place."""


@dataclass(frozen=True)
class Upkeep:
    """What an upkeep did, or would do."""

    files: int
    """Data files of the present state before it."""
    merged: int
    """Data files of the present state after it."""
    expired: tuple[int, ...]
    """Numbers of the snapshots that expired."""
    lost_runs: int
    """Stored runs that cannot be reproduced any more, for their snapshot is gone."""
    removed: int
    """Files that were removed."""
    bytes: int
    """Their size."""
    waiting: int
    """Files that no snapshot needs, and an upkeep of a day later removes."""


def upkeep(path: str | Path, *, expire_runs: bool = False, dry_run: bool = False) -> Upkeep:
    """Merge small data files of a lakehouse, and expire snapshots that no stored run names.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    expire_runs : bool
        Expire also the snapshots that stored runs name: the runs stay as they are stored, and cannot be reproduced.
    dry_run : bool
        Change nothing, and return what would be done; the files of folders that would be merged count as one each.

    Returns
    -------
    Upkeep

    Raises
    ------
    StoreError
        When there is no lakehouse at `path`, it cannot be written, or a file is damaged.
    """
    where, root = require(path), located(path)
    if dry_run:
        with storage_of(root).alone() as nobody:
            now = nobody and isinstance(where, SqliteCatalogue)
        with attach(path, read_only=True) as con:
            return _planned(con, expire_runs, now)
    check_files(path)
    before, after = transact(path, _merge, compacts=True)
    with storage_of(root).alone() as nobody:
        now = nobody and isinstance(where, SqliteCatalogue)
        expired, lost = transact(path, lambda con: _expire(con, expire_runs, now))
        removed, size, waiting = transact(path, lambda con: _remove(con, root / DATA, now))
    return Upkeep(before, after, expired, lost, removed, size, waiting)


def _merge(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Merge files; return how many there were, and are."""
    before = _files(con)
    added = execute(con, "CALL ducklake_merge_adjacent_files('lake')").fetchall()
    return before, before - sum(row[2] - row[3] for row in added)


def _files(con: duckdb.DuckDBPyConnection) -> int:
    return int(_one(con, f"SELECT count(*) FROM {META}.ducklake_data_file WHERE end_snapshot IS NULL"))


def _expire(con: duckdb.DuckDBPyConnection, expire_runs: bool, now: bool) -> tuple[tuple[int, ...], int]:
    """Expire snapshots; return their numbers, and how many runs have lost theirs by now."""
    gone = _unneeded(con, expire_runs, now)
    if gone:
        execute(con, "CALL ducklake_expire_snapshots('lake', versions => $1)", list(gone))
    return gone, _lost(con, gone)


def _unneeded(con: duckdb.DuckDBPyConnection, expire_runs: bool, now: bool) -> tuple[int, ...]:
    age = "INTERVAL 0 DAY" if now else DAY
    sql = f"SELECT snapshot_id FROM ({SNAPSHOTS}) WHERE followed <= now() - {age}"
    if not expire_runs:
        sql += " AND snapshot_id NOT IN (SELECT snapshot FROM lake.main.runs WHERE snapshot IS NOT NULL)"
    return tuple(row[0] for row in con.execute(f"{sql} ORDER BY 1").fetchall())


def _lost(con: duckdb.DuckDBPyConnection, gone: tuple[int, ...]) -> int:
    there = {row[0] for row in con.execute(f"SELECT snapshot_id FROM ({SNAPSHOTS})").fetchall()} - set(gone)
    named = con.execute("SELECT snapshot FROM lake.main.runs WHERE status = 'ok'").fetchall()
    return sum(row[0] not in there for row in named)


def _remove(con: duckdb.DuckDBPyConnection, folder: Root, now: bool) -> tuple[int, int, int]:
    """Remove files that no snapshot needs; return how many, their size, and how many are left for later."""
    due = f"schedule_start::TIMESTAMPTZ <= now() - {'INTERVAL 0 DAY' if now else DAY}"
    sql = f"SELECT data_file_id, path, path_is_relative, {due} FROM {META}.ducklake_files_scheduled_for_deletion"
    found = con.execute(sql).fetchall()
    places = {number: folder / name if relative else place_of(name) for number, name, relative, old in found if old}
    listed = storage_of(folder.parent).files(f"{folder.name}/") if places else ()
    there = {str(folder.parent / file.name): file.size for file in listed}
    sizes = [there[str(place)] for place in places.values() if str(place) in there]
    for place in places.values():
        storage_of(place.parent).remove(place.name)
    if places:
        table = f"{META}.ducklake_files_scheduled_for_deletion"
        execute(con, f"DELETE FROM {table} WHERE list_contains($1, data_file_id)", list(places))
    return len(sizes), sum(sizes), len(found) - len(places)


def _planned(con: duckdb.DuckDBPyConnection, expire_runs: bool, now: bool) -> Upkeep:
    files = _files(con)
    fewer = int(_one(con, f"SELECT coalesce(sum(files - 1), 0) FROM ({MERGEABLE})"))
    gone = _unneeded(con, expire_runs, now)
    waiting = int(_one(con, f"SELECT count(*) FROM {META}.ducklake_files_scheduled_for_deletion"))
    return Upkeep(files, files - fewer, gone, _lost(con, gone), 0, 0, waiting)


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    return con.execute(sql).fetchall()[0][0]
