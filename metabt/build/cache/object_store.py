"""The store on disk: bytes under a key, verified before every use, published whole.

1. `get` opens `<root>/ab/abcdef...`, checks every byte, and hands out memory of its own. What is not sound is moved
   to the quarantine with a warning, and counts as absent: it will be computed again.
2. `put` queues the sections for publication; an object that exists is left as it is.
3. `claim` lets one of several processes compute while the others wait.

Nothing here raises for what a disk contains or refuses: a cache that fails costs time, never a result.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from types import TracebackType

from metabt.build.cache.background_writer import Background
from metabt.build.cache.object_format import Section, encode, is_key
from metabt.build.cache.single_flight import Claim, Claims
from metabt.build.cache.syscalls import Disk
from metabt.build.cache.verified_reading import Bad, entries, object_path, read_object, set_aside
from metabt.errors import StoreError

__all__ = ["Counts", "ObjectStore", "Section"]

LOG = logging.getLogger("metabt.cache")
"""Logger of a store's warnings, unless it is given another callable."""
DAY = 86_400.0
"""Seconds after which a use is recorded anew; more often would turn every read into a write."""


@dataclass(frozen=True)
class Counts:
    """Numbers of what a store has done since it was opened."""

    published: int
    """Objects written."""
    found: int
    """Reads that found a sound object."""
    missed: int
    """Reads that found none, or none that is sound."""
    quarantined: int
    """Bad objects moved aside."""
    lost: int
    """Objects that another process or thread had published first."""


class ObjectStore:
    """Objects of a directory, for the threads of one process; make one after a fork, not before.

    Parameters
    ----------
    root : Path
        Directory of the store, made when something is put.
    warn : callable
        Called with a sentence when something goes wrong; by default the logger `metabt.cache`.
    disk : Disk, optional
        Carries out the changes; None is the real one.
    """

    def __init__(self, root: Path, *, warn: Callable[[str], None] = LOG.warning, disk: Disk | None = None) -> None:
        self.root = Path(root)
        self._warn = warn
        self._tally: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._background = Background(self.root, warn, self._count, disk or Disk())
        self._claims = Claims(self.root, warn)

    def __enter__(self) -> ObjectStore:
        """Return the store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    @property
    def counts(self) -> Counts:
        """Numbers so far; puts that are still queued are not counted."""
        with self._lock:
            return Counts(**{field.name: self._tally[field.name] for field in fields(Counts)})

    def get(self, key: str, schema: str) -> dict[str, Section] | None:
        """Return the sections of an object, every byte verified; None where there is none, or it is damaged."""
        _require_key(key)
        sections = self._read(key, schema)
        self._count("missed" if sections is None else "found")
        return sections

    def put(self, key: str, schema: str, sections: Mapping[str, Section]) -> None:
        """Queue an object for publication, unless the key is taken.

        The data are not copied: the caller must not change them before they are published. Their SHA-256 is not
        checked; a wrong one makes an object that no `get` returns.
        """
        _require_key(key)
        if self._background.writes:
            pieces = encode(key, schema, sections)
            self._background.submit(key, pieces, partial(self._claims.after_put, key))

    def claim(self, key: str) -> Claim:
        """Return the claim on a key, a context manager; within it, `get` again before computing.

        Entering blocks until no other process and no other thread is inside of it, and its put, if there was one, is
        published. A thread can be inside of one claim at a time.
        """
        _require_key(key)
        # without writing there is nothing to wait for
        return Claim(self._claims, key, locked=self._background.writes)

    def keys(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the key and the file status of each object, in the order of the keys, none of them verified."""
        return ((key, status) for key, status in entries(self.root) if stat.S_ISREG(status.st_mode))

    def flush(self) -> bool:
        """Wait until all queued objects are published or given up; return whether the disk has refused none so far."""
        self._background.flush()
        return self._background.writes

    def close(self) -> None:
        """Flush, and end the threads; a put after that starts new ones."""
        self._background.close()

    def _read(self, key: str, schema: str) -> dict[str, Section] | None:
        try:
            sections, status = read_object(self.root, key, schema)
        except FileNotFoundError:
            return None
        except Bad as bad:
            self._quarantine(bad)
            return None
        except (OSError, MemoryError) as error:
            self._warn(f"cache: '{object_path(self.root, key)}' cannot be read ({error}); it is computed again")
            return None
        if time.time() - status.st_mtime > DAY:
            with suppress(OSError):  # a store that cannot be written is still read
                os.utime(object_path(self.root, key), follow_symlinks=False)
        return sections

    def _quarantine(self, bad: Bad) -> None:
        try:
            place = set_aside(self.root, bad.path, bad.seen)
        except OSError as error:
            self._warn(f"cache: '{bad.path}' {bad}; it is not used, and cannot be moved aside ({error.strerror})")
            return
        if place is not None:
            self._count("quarantined")
            self._warn(f"cache: '{bad.path}' {bad}; it is not used, moved to '{place}', and computed again")

    def _count(self, what: str) -> None:
        with self._lock:
            self._tally[what] += 1


def _require_key(key: str) -> None:
    if not is_key(key):
        raise StoreError(f"{key!r} is no key of an object; a key is a SHA-256, 64 hexadecimal digits in lower case")
