"""The index of keys: in which pack an object is, known after one look at the directory of packs.

1. `find` looks into a dictionary; a key that is not there costs one question for the shelf's state, which tells whether
   packs have come or gone. Only of new ones the index is read, and no other byte.
2. A pack that is overlooked means work done twice, never a wrong result.
3. An index that is not sound is set aside with its pack; a pack of another format is left alone and told once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat

from metabt.build.cache.pack_format import Foreign, Index
from metabt.build.cache.shelf import PACKS, Bad, Shelf
from metabt.build.cache.verified_reading import read_index


@dataclass(frozen=True)
class Place:
    """Where an object is."""

    pack: str
    """Name of the pack."""
    index: Index
    """Its index."""
    row: int
    """Which object of the pack."""


class PackIndex:
    """The packs of a store that are known to this process; for many threads."""

    def __init__(self, shelf: Shelf, warn: Callable[[str], None], set_aside: Callable[[Bad], bool]) -> None:
        """Take the store's shelf; `set_aside` moves what must not be used, and says whether it is away."""
        self._shelf, self._warn, self._set_aside = shelf, warn, set_aside
        self._lock = threading.RLock()
        self._packs: dict[str, Index] = {}
        self._where: dict[bytes, str] = {}
        self._left: set[str] = set()
        self._unsound: set[tuple[str, bytes]] = set()
        self._seen: object = None

    def find(self, key: bytes, *, look: bool = True) -> Place | None:
        """Return where an object is, or None; without a `look` as far as is known by now."""
        with self._lock:
            if look and key not in self._where:
                self.look()
            name = self._where.get(key)
            if name is None:
                return None
            index = self._packs[name]
            row = index.row(key)
            assert row is not None  # it was put there by this index
            return Place(name, index, row)

    def among(self, keys: Iterable[bytes]) -> Set[bytes]:
        """Return those keys whose objects are in some pack, after one look."""
        with self._lock:
            self.look()
            return {key for key in keys if key in self._where}

    def look(self, anew: bool = False) -> None:
        """Take notice of packs that have come or gone; with `anew` though the shelf's state tells nothing."""
        with self._lock:
            seen = self._state()
            if not anew and seen is not None and seen == self._seen:
                return
            try:
                names = {name for name, _ in self._shelf.names()}
            except OSError as error:
                self._warn(f"cache '{self._shelf.at}': its packs cannot be listed ({error.strerror}); none is used")
                names = set()
            gone = self._packs.keys() - names
            for name, read in self._indexes(sorted(names - self._packs.keys() - self._left)):
                self._take(name, read)
            for name in gone:
                del self._packs[name]
            if gone:
                self._order()
            self._seen = seen

    def add(self, name: str, index: Index) -> None:
        """Take notice of a pack whose index is known."""
        with self._lock:
            if name not in self._packs:
                self._packs[name] = index
                self._include(name, index)

    def drop(self, name: str) -> None:
        """Forget a pack that is not there any more."""
        with self._lock:
            if self._packs.pop(name, None) is not None:
                self._order()

    def avoid(self, name: str, key: bytes) -> None:
        """Never find an object in a pack again, which is not sound and cannot be taken out."""
        with self._lock:
            self._unsound.add((name, key))
            self._order()

    def keys(self) -> list[tuple[bytes, str]]:
        """Return each key with the pack that it is found in, in the order of the keys."""
        with self._lock:
            self.look(anew=True)
            return sorted(self._where.items())

    def _indexes(self, names: list[str]) -> Iterator[tuple[str, Callable[[], tuple[Index, float]]]]:
        """Yield the names of packs, each with what returns its index, or raises; as many are read at once as may be."""
        if self._shelf.readers == 1:
            yield from ((name, partial(read_index, self._shelf, name)) for name in names)
        elif names:
            with ThreadPoolExecutor(self._shelf.readers) as pool:
                yield from [(name, pool.submit(read_index, self._shelf, name).result) for name in names]

    def _take(self, name: str, read: Callable[[], tuple[Index, float]]) -> None:
        try:
            self._packs[name], _ = read()
            self._include(name, self._packs[name])
        except FileNotFoundError:
            return  # pruned meanwhile
        except Foreign as foreign:
            self._left.add(name)
            self._warn(f"cache: pack '{name[:12]}' in '{self._shelf.at}' {foreign}; it is left alone, and not used")
        except Bad as bad:
            self._away(name, bad)
        except (OSError, MemoryError) as error:
            self._left.add(name)
            self._warn(f"cache: pack '{name[:12]}' in '{self._shelf.at}' cannot be read ({error}); it is not used")

    def _away(self, name: str, bad: Bad) -> None:
        """Set aside what must not be used; what stays is not looked at again."""
        if not self._set_aside(bad):
            self._left.add(name)

    def _include(self, name: str, index: Index) -> None:
        if not self._unsound:
            self._where.update(zip(index.keys, repeat(name), strict=False))
            return
        self._where.update((key, name) for key in index.keys if (name, key) not in self._unsound)

    def _order(self) -> None:
        self._where.clear()
        for name, index in self._packs.items():
            self._include(name, index)

    def _state(self) -> object:
        try:
            return self._shelf.state()
        except Bad as bad:
            if PACKS not in self._left:
                self._away(PACKS, bad)
            return None
