"""The cache of a lakehouse before one that a team shares: read through, written behind, a share computed again.

1. `get` and `known` ask the lakehouse's own cache, and the shared one then. What is taken from there is put into the
   own one, marked as taken before (`trust`).
2. A share of the keys, the same ones for every process, is never taken: such a block is not known, and computed.
3. `put` goes into both; the shared one is written by a thread of its own. What is known there has to have the same
   digests: if not, its signer is not believed any more, what came from there is forgotten, and the run ends.
4. A shared cache that is out of reach is told once, and stops nothing.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metabt.build.cache.disk import SCHEMAS, DiskCache, StoredCache, as_sections, decoded, put_sections
from metabt.build.cache.object_store import ObjectStore
from metabt.build.cache.sealing import seal
from metabt.build.cache.shared.signature import Signer
from metabt.build.cache.shared.signed_shelf import SignedShelf
from metabt.build.cache.shared.trust import Trust
from metabt.build.cache.shelf import Shelf
from metabt.build.ports import Sealed
from metabt.errors import ConfigError, StoreError
from metabt.values.arguments import shown
from metabt.values.bucket_address import Server, parse_address, refusal, scheme

LOG = logging.getLogger("metabt.cache")
RECHECK = 0.01
"""Share of what could be taken that is computed again."""
PATIENCE = 5.0
"""Seconds for which a request to what is shared is sent again."""

_said: set[tuple[str, str]] = set()
_lost: dict[tuple[str, str], str] = {}


class SharedCache:
    """Remembers blocks in a lakehouse's own cache, and shares them with others who have the same key.

    The key is read from METABT_CACHE_KEY in the environment of each process, at least 32 characters; it is stored,
    printed and sent nowhere. METABT_CACHE_SIGNER names who signs, user@machine by default.

    Parameters
    ----------
    local : str, Path or StoredCache
        One's own cache, such as ``"data/lakehouse/.cache"``.
    shared : str
        Where the team's is: ``s3://BUCKET/PREFIX``, or a folder that is there, such as a mounted share.
    recheck : float
        Share of the blocks found there, 0 to 1, that is computed all the same and compared.

    Raises
    ------
    ConfigError
        For an address or a share that cannot be, and where the environment has no key.
    StoreError
        For a server that lets two writers have one name. While walking: for a shared block that is not what comes out.
    """

    remembers = True

    def __init__(self, local: str | Path | StoredCache, shared: str, recheck: float = RECHECK) -> None:
        self._prepare(local, shared, recheck, None)
        self._behind()

    def _prepare(self, local: str | Path | StoredCache, shared: str, recheck: float, server: Server | None) -> None:
        self.local = local if isinstance(local, StoredCache) else DiskCache(Path(local))
        self.shared, self.recheck = str(check_place(shared)), check_share(recheck)
        self.server = server or Server.of_environment()
        self._lock = threading.RLock()
        self._opened = False
        self._team: StoredCache | None = None
        self._tally: Counter[str] = Counter()

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle as the two places alone: whoever unpickles it reads the key from its own environment."""
        return _restored, (self.local, self.shared, self.recheck, self.server)

    def __repr__(self) -> str:
        return f"SharedCache({self.shared!r}, recheck={self.recheck})"

    @property
    def put_bytes(self) -> int:
        """Bytes that this process has put into the own cache."""
        return self.local.put_bytes

    @property
    def counts(self) -> dict[str, int]:
        """Blocks `taken` from what is shared, `rechecked` against it, and packs there that are not used, by reason."""
        refused: dict[str, int] = {}
        if (team := self._behind()) is not None:
            team.store.look()
            refused = self._shelf.refused
        return {"taken": self._tally["taken"], "rechecked": self._tally["rechecked"], **refused}

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return an object from the own cache, or from the shared one unless it is to be computed.

        Parameters
        ----------
        key : str
            What it is addressed by.
        kind : str
            What it holds, such as block.

        Returns
        -------
        Sealed or None
            Its parts and their digests, every byte verified.
        """
        found = self.local.get(key, kind)
        if found is not None or (team := self._behind()) is None or is_rechecked(key, self.recheck):
            return found
        sections = team.store.get(key, SCHEMAS[kind])
        place = None if sections is None else team.store.found_in(key)  # after it: a damaged pack has been passed over
        if place is None or sections is None:
            return None
        sealed = decoded(key, kind, sections)
        if sealed is None:
            return None
        pack, index = place
        if self._trust.mark(pack, self._shelf.signer(pack), index.keys):
            put_sections(self.local, key, kind, sections)
        with self._lock:
            self._tally["taken"] += 1
        return sealed

    def known(self, key: str, kind: str) -> Mapping[str, str] | None:
        """Return the digests of an object's parts, unless it is to be computed.

        Parameters
        ----------
        key : str
            What it is addressed by.
        kind : str
            What it holds, such as block.

        Returns
        -------
        mapping of str to str or None
            The SHA-256 of each part by name.
        """
        found = self.local.known(key, kind)
        if found is not None or (team := self._behind()) is None or is_rechecked(key, self.recheck):
            return found
        return team.known(key, kind)

    def claim(self, key: str) -> AbstractContextManager[Any]:
        """Return the own cache's claim on a key.

        Parameters
        ----------
        key : str
            What is going to be computed.

        Returns
        -------
        context manager
            It waits on entry until nobody who uses the own cache computes the key.
        """
        return self.local.claim(key)

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Put the parts of an object into both caches.

        Parameters
        ----------
        key : str
            What it is addressed by.
        kind : str
            What it holds, such as block.
        parts : mapping of str to object
            Its parts by name; they must not be changed afterwards.

        Returns
        -------
        Sealed
            The parts, with a SHA-256 of each.

        Raises
        ------
        StoreError
            Where the shared one has the object with other bytes.
        """
        sealed, data = seal(parts)
        sections = as_sections(sealed, data)
        team = self._behind()
        stated = None if team is None else team.known(key, kind)
        if stated is not None:
            if stated != sealed.digests:
                raise self._lied(key, kind, parts)
            with self._lock:
                self._tally["rechecked"] += 1
        put_sections(self.local, key, kind, sections)
        if team is not None and stated is None:
            put_sections(team, key, kind, sections)
        return sealed

    @contextmanager
    def together(self) -> Iterator[None]:
        """Have both caches publish together what this thread puts.

        Yields
        ------
        None
            Within it what this thread puts is kept back, to be published in one pack of each.
        """
        with ExitStack() as both:
            if (team := self._behind()) is not None:
                team.store.look()  # within the block nobody does, and what is put is compared with what is known
            for cache in (self.local, *([] if team is None else [team])):
                both.enter_context(cache.together())
            yield

    def publish(self) -> None:
        """Begin to publish what was put."""
        self.local.publish()
        if self._team is not None:
            self._team.publish()

    def flush(self) -> bool:
        """Wait until everything that was put is published, or given up.

        Returns
        -------
        bool
            Whether the own cache has given nothing up.
        """
        if self._team is not None:
            self._team.flush()
        return self.local.flush()

    def __enter__(self) -> Self:
        """Use the cache for the length of a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Finish writing."""
        if self._team is not None:
            self._team.store.close()
        self.local.store.close()

    def _behind(self) -> StoredCache | None:
        """Return the shared cache, opened by the first who asks; None where it is out of reach.

        Raises
        ------
        ConfigError
            Where the environment has no key.
        """
        if not self._opened:
            with self._lock:
                if not self._opened:
                    signer = Signer.of_environment()
                    self._trust = Trust(self.local.store, self.shared)
                    lost = {who: place for (at, who), place in _lost.items() if at == self.shared}
                    self._trust.distrusted.update(lost)
                    shelf = self._reached()
                    if shelf is not None:
                        self._shelf = SignedShelf(shelf, signer, self._warn, self._trust.distrusted)
                        self._team = StoredCache(ObjectStore(self._shelf, warn=self._warn))
                    self._opened = True
        return self._team

    def _reached(self) -> Shelf | None:
        """Return the shelf that is shared, or None, having said so, where it is out of reach."""
        if scheme(self.shared) != "s3":
            from metabt.build.cache.folder.shelf import FolderShelf

            if Path(self.shared).is_dir():
                return FolderShelf(Path(self.shared))
            self._warn(f"shared cache '{self.shared}' is no folder here, and not used; make it, or mount it")
            return None
        from metabt.build.cache.bucket.connection import Connection
        from metabt.build.cache.bucket.probe import require_conditional_puts
        from metabt.build.cache.bucket.shelf import BucketShelf

        address = parse_address(self.shared, "cache.shared")
        connection = Connection(self.server, address.bucket, PATIENCE)
        try:
            require_conditional_puts(connection, address)
        except StoreError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            self._warn(f"shared cache '{self.shared}' is not used: {error}")
            return None
        return BucketShelf(connection, address)

    def _lied(self, key: str, kind: str, parts: Mapping[str, object]) -> StoreError:
        """Return the error of a shared object that is not what comes out; nobody is to use more from its signer."""
        assert self._team is not None
        found = self._team.store.found_in(key)
        pack = "" if found is None else found[0]
        signer = self._shelf.signer(pack)
        note = self._trust.distrust(signer, pack, key)
        _lost[self.shared, signer] = str(note)
        what = " and ".join(type(it).__name__ for it in parts.values())
        return StoreError(
            f"the {kind} {key[:12]} ({what}) in the shared cache, {self._shelf.place(pack)}, signed by '{signer}', is "
            "not what this machine computes: the run ends, since others of that signer's may be wrong as well. What "
            f"was taken from there is forgotten, and nothing of '{signer}' is used here until the note '{note}' is "
            "removed; run the same again, and have the signer's machine looked at and its packs removed"
        )

    def _warn(self, text: str) -> None:
        """Warn, unless the like was said of this shared cache."""
        like = self.shared, "a pack" if "it is not used" in text else re.sub(r"[0-9a-f]{12,}|[0-9]+", "", text)
        if like not in _said:
            _said.add(like)
            LOG.warning("%s", text)


def _restored(local: StoredCache, shared: str, recheck: float, server: Server) -> SharedCache:
    """Return a cache that opens what is shared when it is first asked: there an error has somebody who hears it."""
    cache = SharedCache.__new__(SharedCache)
    cache._prepare(local, shared, recheck, server)
    return cache


def is_rechecked(key: str, share: float) -> bool:
    """Return whether a key is of the share that is computed again: the same ones for whoever asks."""
    return int(sha256(f"recheck {key}".encode()).hexdigest()[:13], 16) < share * 16**13


def check_place(shared: object) -> str:
    """Return the address of what is shared.

    Raises
    ------
    ConfigError
        For what is neither s3://BUCKET/PREFIX nor a folder's path.
    """
    if not isinstance(shared, str | Path) or not str(shared):
        raise ConfigError(f"cache.shared is {shown(shared)}, wanted s3://BUCKET/PREFIX, a folder, or null")
    if scheme(shared) == "s3":
        return str(parse_address(shared, "cache.shared"))
    if refused := refusal(shared, "cache.shared"):
        raise ConfigError(refused)
    return str(Path(shared).expanduser().absolute())


def check_share(recheck: object) -> float:
    """Return the share of keys to compute again.

    Raises
    ------
    ConfigError
        For anything but a number from 0 to 1.
    """
    if isinstance(recheck, bool) or not isinstance(recheck, int | float) or not 0 <= recheck <= 1:
        raise ConfigError(f"cache.recheck is {shown(recheck)}, wanted a number from 0 to 1, such as {RECHECK}")
    return float(recheck)
