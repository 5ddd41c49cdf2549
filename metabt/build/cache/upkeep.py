"""Upkeep of a store: count what is in it, verify it, remove what is not used.

1. `stats` reads the indexes of packs, and no object.
2. `verify` hashes every byte of every pack, and moves what is bad to the quarantine.
3. `prune`, in a module of its own, removes what is not used.

All may run while others read and write. Packs of another format, and objects of an earlier one, are counted and left
alone.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from metabt.build.cache.ages_and_sizes import parse_age, parse_size
from metabt.build.cache.compaction import mended
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.pack_format import Fault, Foreign
from metabt.build.cache.pruning import Pruned, prune
from metabt.build.cache.shelf import Bad, Shelf
from metabt.build.cache.verified_reading import read_index

__all__ = ["Pruned", "Stats", "Verified", "parse_age", "parse_size", "prune", "stats", "verify"]

UNREADABLE = "(unreadable pack)"
"""Schema under which a pack without a sound index is counted, as one object."""
READERS = 2
"""Packs that are verified at the same time: hashing lets other threads run."""


@dataclass(frozen=True)
class Stats:
    """Numbers and sizes of what is in a store."""

    objects: int
    """Objects, sound or not; one that is in two packs counts twice."""
    bytes: int
    """Their size."""
    packs: int
    """Packs, sound or not, that they are in."""
    by_schema: dict[str, tuple[int, int]]
    """Schema -> objects and bytes."""
    quarantined: int
    """Bad objects, and packs, that were moved aside."""
    temporary: int
    """Temporary files: of publications under way, or left behind by a crash."""
    foreign: tuple[int, int]
    """Packs of another format and objects of an earlier one, which are not used: files and bytes."""
    oldest: datetime | None
    """Least recent use of an object, to the day; None in an empty store."""
    newest: datetime | None
    """Most recent use of an object, to the day."""


@dataclass(frozen=True)
class Verified:
    """Findings of a check of every byte."""

    sound: int
    """Objects with every digest right."""
    bytes: int
    """Size of the packs that hold nothing else."""
    bad: tuple[tuple[str, str], ...]
    """What was moved to the quarantine, an object or a pack, and its fault."""
    unread: tuple[tuple[str, str], ...]
    """What could not be read, or is bad and could not be moved, and the error."""
    foreign: int
    """Packs of another format, which were not looked at."""


def stats(root: Path | Shelf) -> Stats:
    """Return numbers and sizes of what is in a directory or on another shelf; indexes are read, no object is."""
    shelf: Shelf = FolderShelf(root) if isinstance(root, Path) else root
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    foreign = list(shelf.earlier())
    uses, n_packs = list[float](), 0
    for name, n_bytes in shelf.names():
        try:
            index, published = read_index(shelf, name)
        except Foreign:
            foreign.append(n_bytes)
            continue
        except (Bad, OSError):
            objects[UNREADABLE] += 1
            sizes[UNREADABLE] += n_bytes
        else:
            for row, size in enumerate(index.sizes()):
                objects[index.schema(row)] += 1
                sizes[index.schema(row)] += size
            uses += shelf.uses(name, len(index.keys), published)
        n_packs += 1
    return Stats(
        objects=objects.total(),
        bytes=sizes.total(),
        packs=n_packs,
        by_schema={schema: (objects[schema], sizes[schema]) for schema in sorted(objects)},
        quarantined=len(list(shelf.aside())),
        temporary=len(list(shelf.litter())),
        foreign=(len(foreign), sum(foreign)),
        oldest=_time(min(uses)) if uses else None,
        newest=_time(max(uses)) if uses else None,
    )


def verify(root: Path | Shelf) -> Verified:
    """Check every byte of every pack, move what is not sound to the quarantine, and return the findings."""
    shelf: Shelf = FolderShelf(root) if isinstance(root, Path) else root
    names = [name for name, _ in shelf.names()]
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(partial(_verified, shelf), names))
    return Verified(
        sound=sum(it.sound for it in found),
        bytes=sum(it.bytes for it in found),
        bad=tuple(fault for it in found for fault in it.bad),
        unread=tuple(fault for it in found for fault in it.unread),
        foreign=sum(it.foreign for it in found),
    )


def _verified(shelf: Shelf, name: str) -> Verified:
    pack = f"pack {name}"
    try:
        index, _ = read_index(shelf, name)
        bad = mended(shelf, name, index)
    except FileNotFoundError:
        return Verified(0, 0, (), (), 0)  # pruned meanwhile
    except Foreign:
        return Verified(0, 0, (), (), 1)
    except Bad as fault:
        faults = ((pack, str(fault)),)
        return Verified(0, 0, (), faults, 0) if _stays(shelf, fault) else Verified(0, 0, faults, (), 0)
    except (OSError, Fault) as error:
        return Verified(0, 0, (), ((pack, str(error)),), 0)
    told = tuple((f"block {index.keys[row].hex()} in {pack}", fault) for row, fault in sorted(bad.items()))
    size = index.size if not bad else sum(size for row, size in enumerate(index.sizes()) if row not in bad)
    return Verified(len(index.keys) - len(bad), size, told, (), 0)


def _stays(shelf: Shelf, bad: Bad) -> bool:
    try:
        shelf.set_aside(bad)
    except OSError:
        return True
    return False


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
