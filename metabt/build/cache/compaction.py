"""Write what is to stay of some packs into new ones, and remove the old.

1. `rewritten` copies objects, which are not looked at: the SHA-256 of each goes along, and is compared before its use.
2. When each was last used goes along too, and is written first.
3. The new pack is published like any other; only then the old ones are removed. Whoever was killed in between leaves
   objects that are there twice, which harms nobody.
4. `mended` takes objects that are not sound out of a pack, into the quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from metabt.build.cache.pack_format import Fault, Index, Section, Stored, pack_pieces
from metabt.build.cache.shelf import OpenPack, Shelf


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


def rewritten(shelf: Shelf, parts: Sequence[Kept]) -> tuple[str, Index]:
    """Publish a pack of what is to stay of some others, and return its name and index; they are not removed.

    Raises
    ------
    OSError
        When the shelf refuses.
    Fault
        When a pack ends before an object.
    """
    objects: dict[bytes, Stored] = {}
    used: dict[bytes, float] = {}
    for part in parts:
        with shelf.opened(part.pack, _extent(part.index, part.rows)) as pack:
            for row in part.rows:
                key = part.index.keys[row]
                objects[key] = _copied(pack, part.index, row)
                used[key] = max(part.uses[row], used.get(key, 0.0))
    name, index, pieces = pack_pieces(objects)
    shelf.write_uses(name, [used[key] for key in index.keys])
    shelf.put(name, pieces)
    return name, index


def planned_size(parts: Sequence[Kept]) -> int:
    """Return the bytes that a pack of what is to stay of some others will have."""
    found = {part.index.keys[row]: (part.index, row) for part in parts for row in part.rows}
    ordered = [found[key] for key in sorted(found)]
    kinds = tuple(dict.fromkeys(index.kinds[index.kind_of[row]] for index, row in ordered))
    lengths = [it for index, row in ordered for it in index.lengths[index.firsts[row] : index.firsts[row + 1]]]
    return Index(kinds, sorted(found), (), lengths, b"").size


def mended(shelf: Shelf, name: str, index: Index, faults: Mapping[int, str] = {}) -> dict[int, str]:
    """Take what is not sound out of a pack, and return which objects that was, with their faults.

    `faults` are those that are known of already.

    Raises
    ------
    FileNotFoundError
        When there is no such pack any more.
    OSError
        When the shelf refuses.
    """
    faults = {**_faults(shelf, name, index), **faults}
    if faults:
        with shelf.opened(name, _extent(index, list(faults))) as pack:
            for row in faults:
                begin, end = index.span(row)
                with suppress(Fault):
                    shelf.keep_aside(index.keys[row].hex(), pack.read(begin, min(end, pack.size)))
            uses = shelf.uses(name, len(index.keys), pack.published)
        sound = [row for row in range(len(index.keys)) if row not in faults]
        if sound:
            rewritten(shelf, [Kept(name, index, sound, uses)])
        shelf.remove(name)
    return faults


def _extent(index: Index, rows: Sequence[int]) -> tuple[int, int]:
    """Return where the first and the last of some objects begin and end."""
    return index.span(min(rows))[0], index.span(max(rows))[1]


def _faults(shelf: Shelf, name: str, index: Index) -> dict[int, str]:
    found = {}
    with shelf.opened(name, (index.end, index.size)) as pack:
        for row in range(len(index.keys)):
            begin, end = index.span(row)
            try:
                index.sections(row, pack.read(begin, end), begin)
            except Fault as fault:
                found[row] = str(fault)
    return found


def _copied(pack: OpenPack, index: Index, row: int) -> Stored:
    begin, end = index.span(row)
    whole = pack.read(begin, end)
    parts = zip(index.stated(row).items(), range(index.firsts[row], index.firsts[row + 1]), strict=True)
    sections = {
        name: Section(whole[index.stops[at] - index.lengths[at] - begin : index.stops[at] - begin], stated)
        for (name, stated), at in parts
    }
    return Stored(index.schema(row), sections)
