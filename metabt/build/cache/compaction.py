"""Write what is to stay of some packs into new ones, and remove the old.

1. `rewritten` copies objects, which are not looked at: the SHA-256 of each goes along, and is compared before its use.
2. When each was last used goes along too, and is written first.
3. The new pack is published like any other; only then the old ones are removed. Whoever was killed in between leaves
   objects that are there twice, which harms nobody.
4. `mended` takes objects that are not sound out of a pack, into the quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from metabt.build.cache.last_use import USED, last_uses, write_uses
from metabt.build.cache.pack_format import Fault, Index, Section, Stored, pack_pieces
from metabt.build.cache.publishing import links_work, publish
from metabt.build.cache.syscalls import Disk
from metabt.build.cache.verified_reading import PACKS, keep_aside, opened, pack_path, read_range


@dataclass(frozen=True)
class Kept:
    """Objects of a pack that are to stay."""

    pack: str
    """Name of the pack."""
    index: Index
    """Its index."""
    rows: Sequence[int]
    """Which objects."""
    uses: Sequence[float]
    """When each object of the pack was last used, seconds since the epoch."""


def rewritten(root: Path, parts: Sequence[Kept], disk: Disk) -> tuple[str, Index]:
    """Publish a pack of what is to stay of some others, and return its name and index; they are not removed.

    Raises
    ------
    OSError
        When the disk refuses.
    Fault
        When a pack ends before an object.
    """
    objects: dict[bytes, Stored] = {}
    used: dict[bytes, float] = {}
    for part in parts:
        with opened(root, part.pack) as (file, _):
            for row in part.rows:
                key = part.index.keys[row]
                objects[key] = _copied(file, part.index, row)
                used[key] = max(part.uses[row], used.get(key, 0.0))
    name, index, pieces = pack_pieces(objects)
    write_uses(root, name, [used[key] for key in index.keys])
    publish(disk, root / PACKS, name, pieces, links=links_work(disk, root))
    return name, index


def planned_size(parts: Sequence[Kept]) -> int:
    """Return the bytes that a pack of what is to stay of some others will have."""
    found = {part.index.keys[row]: (part.index, row) for part in parts for row in part.rows}
    ordered = [found[key] for key in sorted(found)]
    kinds = tuple(dict.fromkeys(index.kinds[index.kind_of[row]] for index, row in ordered))
    lengths = [it for index, row in ordered for it in index.lengths[index.firsts[row] : index.firsts[row + 1]]]
    return Index(kinds, sorted(found), (), lengths, b"").size


def mended(root: Path, pack: str, index: Index, disk: Disk, faults: Mapping[int, str] = {}) -> dict[int, str]:
    """Take what is not sound out of a pack, and return which objects that was, with their faults.

    `faults` are those that are known of already.

    Raises
    ------
    FileNotFoundError
        When there is no such pack any more.
    OSError
        When the disk refuses.
    """
    faults = {**_faults(root, pack, index), **faults}
    if faults:
        with opened(root, pack) as (file, status):
            for row in faults:
                begin, end = index.span(row)
                with suppress(Fault):
                    keep_aside(root, index.keys[row].hex(), read_range(file, begin, min(end, status.st_size)))
            uses = last_uses(root, pack, len(index.keys), status.st_mtime)
        sound = [row for row in range(len(index.keys)) if row not in faults]
        if sound:
            rewritten(root, [Kept(pack, index, sound, uses)], disk)
        remove_pack(root, pack, Path.unlink)
    return faults


def remove_pack(root: Path, pack: str, unlink: Callable[[Path], None]) -> None:
    """Remove a pack and the times of its objects; another process may have been faster."""
    for path in (pack_path(root, pack), root / USED / pack):
        with suppress(FileNotFoundError):
            unlink(path)


def _faults(root: Path, pack: str, index: Index) -> dict[int, str]:
    found = {}
    with opened(root, pack) as (file, _):
        for row in range(len(index.keys)):
            begin, end = index.span(row)
            try:
                index.sections(row, read_range(file, begin, end), begin)
            except Fault as fault:
                found[row] = str(fault)
    return found


def _copied(file: int, index: Index, row: int) -> Stored:
    begin, end = index.span(row)
    whole = read_range(file, begin, end)
    parts = zip(index.stated(row).items(), range(index.firsts[row], index.firsts[row + 1]), strict=True)
    sections = {
        name: Section(whole[index.stops[at] - index.lengths[at] - begin : index.stops[at] - begin], stated)
        for (name, stated), at in parts
    }
    return Stored(index.schema(row), sections)
