"""The store: bytes under a key, verified before every use, published whole, many in a pack.

1. `get` finds the pack by one look at the index of keys, reads the object by its place, checks every byte, and hands
   out memory of its own. What is not sound is taken out of its pack into the quarantine with a warning, and counts as
   absent: it will be computed again.
2. `put` adds the sections to the open pack; an object that exists is left as it is. What is put `together` is in one
   pack, so that others find none of it or all.
3. `claim` lets one of several processes compute while the others wait.
4. `known` reads no object: it says what the index states of one.

Where it lies is a shelf's: a folder, or a prefix of a bucket.

Nothing here raises for what a shelf contains or refuses: a cache that fails costs time, never a result.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from types import TracebackType

from metabt.build.cache.compaction import mended
from metabt.build.cache.folder.shelf import FolderShelf
from metabt.build.cache.folder.syscalls import Disk
from metabt.build.cache.last_use import LastUse
from metabt.build.cache.pack_format import Fault, Index, Section, Stored, is_key
from metabt.build.cache.pack_index import PackIndex, Place
from metabt.build.cache.pack_writer import MANY, PackWriter, Put
from metabt.build.cache.shelf import QUARANTINE, Bad, Shelf
from metabt.build.cache.single_flight import Claim, Claims
from metabt.build.cache.verified_reading import read_object
from metabt.errors import StoreError

__all__ = ["Counts", "ObjectStore", "Section"]

LOG = logging.getLogger("metabt.cache")
"""Logger of a store's warnings, unless it is given another callable."""


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
    """Bad objects, and bad packs as a whole, that were moved aside."""
    lost: int
    """Objects that were there when they were to be published."""


class ObjectStore:
    """Objects of a shelf, for the threads of one process; make one after a fork, not before.

    Parameters
    ----------
    root : Path or Shelf
        Directory of the store, made when something is put; or another shelf.
    warn : callable
        Called with a sentence when something goes wrong; by default the logger `metabt.cache`.
    disk : Disk, optional
        Carries out the changes of a directory; None is the real one.
    """

    def __init__(
        self, root: Path | Shelf, *, warn: Callable[[str], None] = LOG.warning, disk: Disk | None = None
    ) -> None:
        shelf: Shelf = FolderShelf(root, disk, warn) if isinstance(root, Path) else root
        self.shelf, self._warn = shelf, warn
        self._tally: Counter[str] = Counter()
        self._lock = threading.Lock()
        counting = partial(_count, self._tally, self._lock)
        self._packs = PackIndex(shelf, warn, partial(_quarantine, shelf, warn, counting))
        self._uses = LastUse(shelf)
        index = self._packs
        self._writer = PackWriter(shelf, warn, counting, index.among, index.add)
        self._kept = threading.local()
        self._claims = Claims(shelf.locks, warn, partial(_waiting, self._writer, index))
        # what was put is published though nobody closes the store
        self._end = weakref.finalize(self, _finish, self._writer, self._uses, self._claims)

    def __enter__(self) -> ObjectStore:
        """Return the store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    @property
    def root(self) -> Path:
        """Directory of the store, where that is a folder."""
        return Path(self.shelf.at)

    @property
    def counts(self) -> Counts:
        """Numbers so far; puts that are not published yet are not counted."""
        with self._lock:
            return Counts(**{field.name: self._tally[field.name] for field in fields(Counts)})

    def get(self, key: str, schema: str) -> dict[str, Section] | None:
        """Return the sections of an object, every byte verified; None where there is none, or it is damaged."""
        sections = self._pending(key, schema) or self._read(_plain(key), schema)
        self._count("missed" if sections is None else "found")
        return sections

    def known(self, key: str, schema: str) -> dict[str, str] | None:
        """Return the SHA-256 of each section of an object as the index states it; None where there is none."""
        plain = _plain(key)
        pending = self._writer.pending(plain)
        if pending is not None and pending.schema == schema:
            return {name: section.sha256 for name, section in pending.sections.items()}
        # what is put together follows a look of its own: one for all of it
        place = self._packs.find(plain, look=getattr(self._kept, "puts", None) is None)
        return None if place is None or place.index.schema(place.row) != schema else place.index.stated(place.row)

    def put(self, key: str, schema: str, sections: Mapping[str, Section]) -> None:
        """Add an object to the open pack, unless the key is taken.

        The data are not copied: the caller must not change them before they are published. Their SHA-256 is not
        checked; a wrong one makes an object that no `get` returns.
        """
        plain = _plain(key)
        if self._writer.writes:
            put = Put(plain, Stored(schema, dict(sections)), partial(self._claims.after_put, key))
            kept: list[Put] | None = getattr(self._kept, "puts", None)
            if kept is None:
                self._writer.add([put])
            else:
                kept.append(put)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within the block, keep back what this thread puts; then add it to one pack, unless the block raised."""
        self._kept.puts = puts = list[Put]()
        try:
            yield
        finally:
            self._kept.puts = None
        if puts:
            self._writer.add(puts)

    def claim(self, key: str) -> Claim:
        """Return the claim on a key, a context manager; within it, `get` again before computing.

        Entering blocks until no other process and no other thread is inside of it, and its put, if there was one, can
        be found. A thread can be inside of one claim at a time.
        """
        _plain(key)
        # without writing there is nothing to wait for
        return Claim(self._claims, key, locked=self._writer.writes)

    def place(self, key: str) -> Path | str | None:
        """Return the path or the address of the pack in which an object is, or None."""
        found = self._packs.find(_plain(key))
        return None if found is None else self.shelf.place(found.pack)

    def found_in(self, key: str) -> tuple[str, Index] | None:
        """Return the name and the index of the pack in which an object is published, or None."""
        found = self._packs.find(_plain(key))
        return None if found is None else (found.pack, found.index)

    def forget(self, keys: Iterable[str], why: str) -> int:
        """Take published objects out of their packs into the quarantine, and return how many; `why` ends a sentence."""
        self._writer.flush()
        left, n_gone = {_plain(key) for key in keys}, 0
        while left:
            places = [place for key in sorted(left) if (place := self._packs.find(key)) is not None]
            if not places:
                break
            pack, index = places[0].pack, places[0].index
            rows = {place.row: why for place in places if place.pack == pack}
            try:
                mended(self.shelf, pack, index, rows)
                n_gone += len(rows)
                self._packs.drop(pack)
            except FileNotFoundError:
                self._packs.drop(pack)
            except (OSError, Fault) as error:
                for row in rows:
                    self._packs.avoid(pack, index.keys[row])
                self._warn(
                    f"cache: {len(rows)} objects in '{self.shelf.place(pack)}' {why}; they are not used by this "
                    f"process, and cannot be moved aside ({getattr(error, 'strerror', None) or error})"
                )
            self._packs.look(anew=True)
        self._count("quarantined", n_gone)
        if n_gone:
            self._warn(f"cache '{self.shelf.at}': {n_gone} objects {why}; moved aside, and computed again")
        return n_gone

    def keys(self) -> Iterator[str]:
        """Yield the key of each published object, in their order, none of them verified."""
        return (key.hex() for key, _ in self._packs.keys())

    def look(self) -> None:
        """Take notice of packs that have come or gone."""
        self._packs.look()

    def publish(self) -> None:
        """Have what was put published, if it is much, without waiting; otherwise it goes with what is to come."""
        self._writer.hand_over(MANY)

    def flush(self) -> bool:
        """Wait until all that was put is published or given up; return whether the disk has refused none so far."""
        self._writer.flush()
        self._uses.record()
        return self._writer.writes

    def close(self) -> None:
        """Flush, and end the thread; a put after that starts a new one."""
        _finish(self._writer, self._uses, self._claims)

    def _pending(self, key: str, schema: str) -> dict[str, Section] | None:
        stored = self._writer.pending(_plain(key))
        if stored is None or stored.schema != schema:
            return None
        return {name: Section(_read_only(part.data), part.sha256) for name, part in stored.sections.items()}

    def _read(self, key: bytes, schema: str) -> dict[str, Section] | None:
        last: Place | None = None
        while (place := self._packs.find(key)) is not None:
            if last is not None and last.pack == place.pack:
                return None  # it is not sound, and stays where it is
            found = self._sections(place, key, schema)
            if found is not None:
                return found
            last = place
        return None

    def _sections(self, place: Place, key: bytes, schema: str) -> dict[str, Section] | None:
        try:
            stated = place.index.schema(place.row)
            if stated != schema:
                raise Fault(f"has the schema {stated!r} instead of {schema!r}")
            sections, published = read_object(self.shelf, place.pack, place.index, place.row)
        except FileNotFoundError:
            self._packs.drop(place.pack)  # pruned, or compacted into another one
            self._packs.look(anew=True)
            return None
        except Fault as fault:
            self._mend(place, key, str(fault))
            return None
        except Bad as bad:
            self._packs.drop(place.pack)
            _quarantine(self.shelf, self._warn, self._count, bad)
            return None
        except (OSError, MemoryError) as error:
            path = self.shelf.place(place.pack)
            self._warn(f"cache: '{path}' cannot be read ({error}); object {key.hex()[:12]} is computed again")
            return None
        self._uses.note(place.pack, len(place.index.keys), place.row, published)
        return sections

    def _mend(self, place: Place, key: bytes, fault: str) -> None:
        """Take what is not sound out of a pack, of which one object has a fault."""
        if not self.shelf.mends:
            self._packs.drop(place.pack)
            told = f"holds the object {key.hex()[:12]}, which {fault}"
            _quarantine(self.shelf, self._warn, self._count, Bad(told, self.shelf.place(place.pack)))
            self._packs.look(anew=True)
            return
        told = f"cache: object {key.hex()} in '{self.shelf.place(place.pack)}' {fault}; it is not used"
        self._packs.avoid(place.pack, key)
        try:
            faults = mended(self.shelf, place.pack, place.index, {place.row: fault})
        except FileNotFoundError:
            pass
        except (OSError, Fault) as error:
            self._warn(f"{told}, and cannot be moved aside ({getattr(error, 'strerror', None) or error})")
        else:
            self._count("quarantined", len(faults))
            others = f" with {len(faults) - 1} more of that pack" if len(faults) > 1 else ""
            self._warn(f"{told}, moved to '{self.shelf.at}/{QUARANTINE}'{others}, and computed again")
        self._packs.look(anew=True)

    def _count(self, what: str, number: int = 1) -> None:
        _count(self._tally, self._lock, what, number)


def _count(tally: Counter[str], lock: threading.Lock, what: str, number: int = 1) -> None:
    with lock:
        tally[what] += number


def _quarantine(shelf: Shelf, warn: Callable[[str], None], count: Callable[[str], None], bad: Bad) -> bool:
    """Move what must not be used as a pack aside, tell, and return whether it is away."""
    try:
        place = shelf.set_aside(bad)
    except OSError as error:
        warn(f"cache: '{bad.path}' {bad}; it is not used, and cannot be moved aside ({error.strerror})")
        return False
    if place is not None:
        count("quarantined")
        warn(f"cache: '{bad.path}' {bad}; it is not used, moved to '{place}', and its objects are computed again")
    return True


def _waiting(writer: PackWriter, index: PackIndex) -> None:
    """Publish what is open before waiting for others, and see what they have published after it."""
    writer.hand_over()
    index.look(anew=True)


def _finish(writer: PackWriter, uses: LastUse, claims: Claims) -> None:
    try:
        writer.close()
    finally:
        uses.record()
        claims.close()


def _read_only(data: bytes | memoryview) -> memoryview:
    return memoryview(data).cast("B").toreadonly()


def _plain(key: str) -> bytes:
    if not is_key(key):
        raise StoreError(f"{key!r} is no key of an object; a key is a SHA-256, 64 hexadecimal digits in lower case")
    return bytes.fromhex(key)
