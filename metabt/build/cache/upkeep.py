"""Upkeep of a store: count what is in it, verify it, remove what is not used.

1. `stats` reads the headers, and hashes nothing else.
2. `verify` hashes every byte of every object, and moves the bad ones to the quarantine.
3. `prune`, in a module of its own, removes what is not used.

All may run while others read and write.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from metabt.build.cache.ages_and_sizes import parse_age, parse_size
from metabt.build.cache.object_format import Fault
from metabt.build.cache.pruning import Pruned, leftovers, prune
from metabt.build.cache.verified_reading import (
    QUARANTINE,
    Bad,
    entries,
    listing,
    opened,
    read_header,
    read_object,
    set_aside,
)

__all__ = ["Pruned", "Stats", "Verified", "parse_age", "parse_size", "prune", "stats", "verify"]

UNREADABLE = "(unreadable)"
"""Schema under which objects without a sound header are counted."""


@dataclass(frozen=True)
class Stats:
    """Numbers and sizes of what is in a store."""

    objects: int
    """Files in the place of an object, sound or not."""
    bytes: int
    """Their size."""
    by_schema: dict[str, tuple[int, int]]
    """Schema -> objects and bytes."""
    quarantined: int
    """Bad objects that were moved aside."""
    temporary: int
    """Temporary files: of publications under way, or left behind by a crash."""
    oldest: datetime | None
    """Least recent use of an object, to the day; None in an empty store."""
    newest: datetime | None
    """Most recent use of an object, to the day."""


@dataclass(frozen=True)
class Verified:
    """Findings of a check of every byte."""

    sound: int
    """Objects with every hash right."""
    bytes: int
    """Their size."""
    bad: tuple[tuple[str, str], ...]
    """Key and fault of each object that was moved to the quarantine."""
    unread: tuple[tuple[str, str], ...]
    """Key and error of each object that could not be read, or is bad and could not be moved."""


def stats(root: Path) -> Stats:
    """Return numbers and sizes of what is in a store; headers are read, nothing is hashed."""
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    uses = []
    for key, status in entries(root):
        schema = _schema(root, key)
        objects[schema] += 1
        sizes[schema] += status.st_size
        uses.append(status.st_mtime)
    return Stats(
        objects=objects.total(),
        bytes=sizes.total(),
        by_schema={schema: (objects[schema], sizes[schema]) for schema in sorted(objects)},
        quarantined=len(list(listing(root / QUARANTINE))),
        temporary=len(list(leftovers(root))),
        oldest=_time(min(uses)) if uses else None,
        newest=_time(max(uses)) if uses else None,
    )


def verify(root: Path) -> Verified:
    """Check every byte of every object, move those that are not sound to the quarantine, and return the findings."""
    sound, size = 0, 0
    bad: list[tuple[str, str]] = []
    unread: list[tuple[str, str]] = []
    for key, _ in entries(root):
        try:
            _, status = read_object(root, key, None)
            sound, size = sound + 1, size + status.st_size
        except FileNotFoundError:
            continue  # pruned meanwhile
        except Bad as fault:
            (unread if _stays(root, fault) else bad).append((key, str(fault)))
        except OSError as error:
            unread.append((key, str(error)))
    return Verified(sound, size, tuple(bad), tuple(unread))


def _stays(root: Path, bad: Bad) -> bool:
    try:
        set_aside(root, bad.path, bad.seen)
    except OSError:
        return True
    return False


def _schema(root: Path, key: str) -> str:
    try:
        with opened(root, key) as (file, status):
            return read_header(file, status.st_size).schema
    except (Bad, Fault, OSError):
        return UNREADABLE


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
