"""Remove from a store what is not used.

1. Objects: first those whose last use is longer ago than `keep`, then the least recently used, until what is left
   fits into `max_size`. A read records its use, to the day.
2. A pack that loses all its objects is removed; one that loses some, and small ones, are put together into new packs.
   Of an object that is in several packs one copy stays.
3. Temporary files, and times of packs that are not there, older than an hour, which crashes have left behind.
4. What has been in quarantine for longer than `keep`.

Others may read and write meanwhile. A stored run cannot break: an object can always be computed again, and one that
is being read stays readable until its reader is done. Packs of another format stay, and objects of an earlier one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from metabt.build.cache.compaction import Kept, planned_size, rewritten
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.folder.syscalls import Disk
from metabt.build.cache.pack_format import Fault, Foreign, Index
from metabt.build.cache.pack_writer import PACK
from metabt.build.cache.shelf import Bad, Shelf
from metabt.build.cache.verified_reading import read_index
from metabt.errors import StoreError

LEFT_BEHIND = 3_600.0
"""Seconds after which a temporary file is taken to be left behind by a crash."""
SMALL = PACK // 4
"""Bytes of a pack below which it is put together with others."""


@dataclass(frozen=True)
class Pruned:
    """Numbers of what was removed, or would be without `dry_run`."""

    objects: int
    """Objects removed."""
    bytes: int
    """Their size."""
    kept: int
    """Objects left."""
    kept_bytes: int
    """Their size."""
    temporary: int
    """Temporary files removed."""
    quarantined: int
    """Quarantined objects removed."""
    packs: int
    """Packs that are left."""


@dataclass(frozen=True)
class _Pack:
    name: str
    index: Index
    uses: Sequence[float]
    """Seconds since the epoch, of each object."""


@dataclass(frozen=True)
class _Object:
    pack: _Pack
    row: int
    size: int
    """Bytes."""
    used: float
    """Seconds since the epoch."""

    @property
    def key(self) -> bytes:
        return self.pack.index.keys[self.row]


def prune(
    root: Path | Shelf,
    keep: timedelta | None,
    max_size: int | None,
    dry_run: bool = False,
    *,
    now: float | None = None,
    disk: Disk | None = None,
) -> Pruned:
    """Remove what is not used from a store, and return how much that was.

    Parameters
    ----------
    root : Path or Shelf
        Directory of the store, or another shelf.
    keep : timedelta or None
        Age up to which objects and quarantined ones stay; None for any.
    max_size : int or None
        Bytes that objects may take up; None for any number.
    dry_run : bool
        Remove nothing, and return what would be removed.
    now : float or None
        Seconds since the epoch from which ages are counted; None for the clock's.
    disk : Disk, optional
        Carries out the writing of new packs; None is the real one.

    Raises
    ------
    StoreError
        When something cannot be removed, or what stays cannot be written.
    """
    now = time.time() if now is None else now
    horizon = -float("inf") if keep is None else now - keep.total_seconds()
    shelf: Shelf = FolderShelf(root, disk) if isinstance(root, Path) else root
    packs = list(_packs(shelf))
    objects = sorted(_objects(packs), key=lambda found: (-found.used, found.key, found.pack.name))
    before = sum(pack.index.size for pack in packs)
    kept = _chosen(objects, horizon, max_size)
    groups, untouched = _grouped(packs, kept)
    while max_size is not None and kept and _size(packs, groups, untouched) > max_size:
        kept.pop()  # a new pack has an index of its own, of some bytes more
        groups, untouched = _grouped(packs, kept)
    after = _size(packs, groups, untouched)
    quarantined = [name for name, moved in shelf.aside() if moved < horizon]
    temporary = [name for name, changed in shelf.litter() if changed < now - LEFT_BEHIND]
    if not dry_run:
        for name in [*temporary, *quarantined]:
            _clear(shelf, name)
        _carry_out(shelf, packs, groups, untouched)
    return Pruned(
        objects=len({found.key for found in objects}) - len(kept),
        bytes=before - after,
        kept=len(kept),
        kept_bytes=after,
        temporary=len(temporary),
        quarantined=len(quarantined),
        packs=len(groups) + len(untouched),
    )


def _packs(shelf: Shelf) -> Iterator[_Pack]:
    for name, _ in shelf.names():
        with suppress(Bad, Foreign, OSError):
            index, published = read_index(shelf, name)
            yield _Pack(name, index, shelf.uses(name, len(index.keys), published))


def _objects(packs: Sequence[_Pack]) -> Iterator[_Object]:
    for pack in packs:
        for row, (size, used) in enumerate(zip(pack.index.sizes(), pack.uses, strict=True)):
            yield _Object(pack, row, size, used)


def _chosen(objects: Sequence[_Object], horizon: float, max_size: int | None) -> list[_Object]:
    """Return which objects stay, of those that begin with the most recently used; of copies the first."""
    kept: dict[bytes, _Object] = {}
    size = 0
    for found in objects:
        if found.key not in kept:
            size += found.size
            if found.used < horizon or (max_size is not None and size > max_size):
                break
            kept[found.key] = found
    return list(kept.values())


def _size(packs: Sequence[_Pack], groups: Sequence[Sequence[Kept]], untouched: set[str]) -> int:
    """Return the bytes of what stays and of what is to be written."""
    staying = sum(pack.index.size for pack in packs if pack.name in untouched)
    return staying + sum(planned_size(group) for group in groups)


def _grouped(packs: Sequence[_Pack], kept: Sequence[_Object]) -> tuple[list[list[Kept]], set[str]]:
    """Return the packs to be written, as what they are put together of, and the names of those that stay."""
    rows: dict[str, list[_Object]] = {}
    for found in kept:
        rows.setdefault(found.pack.name, []).append(found)
    untouched, loose = set(), []
    for pack in packs:
        mine = rows.get(pack.name, [])
        if len(mine) == len(pack.index.keys) and pack.index.size >= SMALL:
            untouched.add(pack.name)
        elif mine:
            loose.append((max(found.used for found in mine), sum(found.size for found in mine), pack, mine))
    groups: list[list[Kept]] = []
    size = PACK
    for _, bytes_, pack, mine in sorted(loose, key=lambda it: (-it[0], it[2].name)):
        if size + bytes_ > PACK:
            groups.append([])
            size = 0
        groups[-1].append(Kept(pack.name, pack.index, sorted(found.row for found in mine), pack.uses))
        size += bytes_
    alone = [group for group in groups if len(group) == 1 and len(group[0].rows) == len(group[0].index.keys)]
    untouched |= {group[0].pack for group in alone}
    return [group for group in groups if group not in alone], untouched


def _carry_out(shelf: Shelf, packs: Sequence[_Pack], groups: list[list[Kept]], untouched: set[str]) -> None:
    mixed = {part.pack for group in groups for part in group}
    for pack in packs:
        if pack.name not in untouched and pack.name not in mixed:
            _remove_pack(shelf, pack.name)
    for group in groups:
        with suppress(FileNotFoundError):  # another process was faster
            _write(shelf, group)
            for part in group:
                _remove_pack(shelf, part.pack)


def _write(shelf: Shelf, group: list[Kept]) -> None:
    try:
        rewritten(shelf, group)
    except FileNotFoundError:
        raise
    except (OSError, Fault, Bad) as error:
        raise StoreError(
            f"cache '{shelf.at}' cannot be pruned to the end: what stays of {len(group)} packs cannot be written anew "
            f"({getattr(error, 'strerror', None) or error}); nothing of it is lost; free some space or restore write "
            "permission, and prune again"
        ) from error


def _clear(shelf: Shelf, name: str) -> None:
    try:
        shelf.clear(name)
    except OSError as error:
        raise _stuck(shelf.at, f"{shelf.at}/{name}", error) from error


def _remove_pack(shelf: Shelf, name: str) -> None:
    try:
        shelf.remove(name)
    except OSError as error:
        raise _stuck(shelf.at, error.filename or shelf.place(name), error) from error


def _stuck(root: Path | str, path: Path | str, error: OSError) -> StoreError:
    return StoreError(
        f"cache '{root}' cannot be pruned: '{path}': {error.strerror}; restore write permission, "
        "or prune as the user who owns it"
    )
