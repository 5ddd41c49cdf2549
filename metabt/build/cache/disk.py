"""The cache of a lakehouse: objects in a store, many in a pack, that any process may read, verified before every use.

An object's parts are Arrow streams (codec), stored and verified by their SHA-256 (object_store); the digest that a
later key builds on is the one that was verified.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metabt.build.cache.codec import decode
from metabt.build.cache.object_store import ObjectStore, Section
from metabt.build.cache.sealing import seal
from metabt.build.ports import Sealed
from metabt.errors import StoreError

LOG = logging.getLogger("metabt.cache")

SCHEMAS = {"block": "block 4", "exposure": "exposure 3", "causal": "causal 1"}
"""Kind of object -> its schema: a number more when the classes that it stores, or how they are stored, change."""


class StoredCache:
    """Remembers blocks in a store."""

    remembers = True
    put_bytes = 0
    """Bytes that this process has put, before any of them is found to be there already."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return an object, every byte verified.

        Parameters
        ----------
        key : str
            What it is addressed by.
        kind : str
            What it holds, as it was put.

        Returns
        -------
        Sealed or None
            Its parts and their digests; None where there is none, or it is damaged.
        """
        found = self.store.get(key, SCHEMAS[kind])
        return None if found is None else decoded(key, kind, found)

    def known(self, key: str, kind: str) -> Mapping[str, str] | None:
        """Return the digests of an object's parts as an index of keys states them, no part being read.

        Parameters
        ----------
        key : str
            What it is addressed by.
        kind : str
            What it holds, as it was put.

        Returns
        -------
        mapping of str to str or None
            The SHA-256 of each part by name; None where nothing of that kind is under the key.
        """
        return self.store.known(key, SCHEMAS[kind])

    def claim(self, key: str) -> AbstractContextManager[Any]:
        """Return the claim on a key.

        Parameters
        ----------
        key : str
            What is going to be computed.

        Returns
        -------
        context manager
            It waits on entry until no other thread, and where files can be locked no other process, computes the key.
        """
        return self.store.claim(key)

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Store the parts of an object, unless the key is taken.

        Parameters
        ----------
        key : str
            What it is addressed by.
        kind : str
            What it holds, such as block.
        parts : mapping of str to object
            Its parts by name, such as a block and the state after it; they must not be changed afterwards.

        Returns
        -------
        Sealed
            The parts, with a SHA-256 of each.
        """
        sealed, data = seal(parts)
        put_sections(self, key, kind, as_sections(sealed, data))
        return sealed

    def together(self) -> AbstractContextManager[None]:
        """Return what keeps puts back.

        Returns
        -------
        context manager
            Within it what this thread puts is kept back, to be published in one pack.
        """
        return self.store.together()

    def publish(self) -> None:
        """Begin to publish what was put, if it is enough for a pack."""
        self.store.publish()

    def flush(self) -> bool:
        """Wait until everything that was put is published, or given up.

        Returns
        -------
        bool
            Whether nothing was given up.
        """
        return self.store.flush()

    def __enter__(self) -> Self:
        """Use the cache for the length of a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Finish writing."""
        self.store.close()


def as_sections(sealed: Sealed, data: Mapping[str, bytes]) -> dict[str, Section]:
    """Return the bytes of sealed parts as sections of an object."""
    return {name: Section(memoryview(buffer), sealed.digests[name]) for name, buffer in data.items()}


def put_sections(cache: StoredCache, key: str, kind: str, sections: Mapping[str, Section]) -> None:
    """Store an object as sections whose SHA-256 are right, unless the key is taken."""
    cache.store.put(key, SCHEMAS[kind], sections)
    cache.put_bytes += sum(memoryview(section.data).nbytes for section in sections.values())


def decoded(key: str, kind: str, found: Mapping[str, Section]) -> Sealed | None:
    """Return what verified sections of an object hold; None, with a warning, where they hold no such parts."""
    try:
        parts = {name: decode(section.data) for name, section in found.items()}
    except (KeyError, TypeError, ValueError) as error:
        LOG.warning("cache: object %s holds no %s (%s); it is computed again", key, kind, error)
        return None
    return Sealed(parts, {name: section.sha256 for name, section in found.items()})


class DiskCache(StoredCache):
    """Remembers blocks in a directory."""

    def __init__(self, root: Path) -> None:
        """Use the directory `root`; it is made when something is first stored.

        Raises
        ------
        StoreError
            If something else is in its place.
        """
        if root.exists() and not root.is_dir():
            raise StoreError(f"'{root}' is a file, wanted the cache's directory; remove it: it holds no results")
        super().__init__(ObjectStore(root))

    def __reduce__(self) -> tuple[type[DiskCache], tuple[Path]]:
        """Pickle as the directory alone: unpickled, it is another cache over the same objects."""
        return DiskCache, (self.store.root.absolute(),)
