"""A prefix of a bucket as a shelf: packs are objects, published by a conditional put.

    s3://bucket/prefix/packs/<name>        a pack
                       used/<name>         when its objects were last used
                       quarantine/<n>.<k>  what is bad
                       signatures/<n>.*    who vouches for a pack, where several share them

Packs are looked for at most every LOOK seconds, since that is a request for each thousand of them: a pack that another
machine has published since is overlooked, and its work may be done twice, with the same result.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count

from metabt.build.cache.bucket.connection import Connection, Facts
from metabt.build.cache.last_use import decoded_uses, encoded_uses
from metabt.build.cache.pack_format import Fault, is_key
from metabt.build.cache.shelf import ADOPTED, PACKS, PROBES, QUARANTINE, SIGNATURES, USED, Bad
from metabt.build.cache.verified_reading import room
from metabt.values.bucket_address import Address

LOOK = 2.0
"""Seconds between two looks for packs."""


class RemotePack:
    """A pack of which some bytes have been asked for."""

    def __init__(self, connection: Connection, name: str, first: tuple[int, int]) -> None:
        self._connection, self._name = connection, name
        self._begin = first[0]
        self._facts, self._data = connection.get(name, *first)

    @property
    def size(self) -> int:
        """Bytes of the whole pack."""
        return self._facts.size

    @property
    def published(self) -> float:
        """When it was written, seconds since the epoch."""
        return self._facts.changed

    @property
    def seen(self) -> Facts:
        """What is known of it."""
        return self._facts

    def read(self, begin: int, end: int) -> memoryview:
        """Return some bytes, read-only; what lies at a multiple of ALIGNMENT in the pack does so in memory.

        Raises
        ------
        Fault
            When the pack ends before them.
        FileNotFoundError
            When another pack has taken its place.
        """
        if end > self.size:
            raise Fault("ends early")
        view = room(begin, end)
        if self._begin <= begin and end <= self._begin + len(self._data):
            view[:] = self._data[begin - self._begin : end - self._begin]
        else:
            _, data = self._connection.get(self._name, begin, end, self._facts.tag)
            if len(data) != end - begin:
                raise Fault("ends early")
            view[:] = data
        return view.toreadonly()


class BucketShelf:
    """The packs below an address."""

    readers = 16
    mends = True
    locks = None

    def __init__(self, connection: Connection, address: Address) -> None:
        """Take an address in the bucket of a connection."""
        self.address, self.at = address, str(address)
        self._connection = connection
        self._beat = 0

    def state(self) -> int:
        """Return a number that differs every LOOK seconds, unless the server is out of reach."""
        if not self._connection.rests:
            self._beat = int(time.monotonic() / LOOK)
        return self._beat

    def names(self) -> Iterator[tuple[str, int]]:
        """Yield what is named like a pack, with its bytes, in the order of the names."""
        prefix = self._name(PACKS, "")
        found = ((facts.name.removeprefix(prefix), facts.size) for facts in self._connection.list(prefix))
        return ((name, size) for name, size in found if is_key(name))

    @contextmanager
    def opened(self, name: str, first: tuple[int, int]) -> Iterator[RemotePack]:
        """Open a pack by a request for the first bytes that will be read.

        Raises
        ------
        FileNotFoundError
            When there is none.
        """
        yield RemotePack(self._connection, self._name(PACKS, name), first)

    def put(self, name: str, pieces: Iterable[bytes | memoryview]) -> bool:
        """Publish a pack by one conditional put; return False where another writer was first."""
        return self._connection.put(self._name(PACKS, name), b"".join(pieces), absent=True)

    def remove(self, name: str) -> None:
        """Remove a pack and the times of its objects."""
        for place in (PACKS, USED):
            self._connection.delete(self._name(place, name))

    def set_aside(self, bad: Bad) -> str | None:
        """Copy what is bad into the quarantine, remove it, and return its new place; None where it is not there."""
        name = str(bad.path).rpartition("/")[2]
        tag = bad.seen.tag if isinstance(bad.seen, Facts) else None
        prefix = self._name(QUARANTINE, f"{name}.")
        taken = {facts.name for facts in self._connection.list(prefix)}
        target = next(place for number in count(1) if (place := f"{prefix}{number}") not in taken)
        try:
            self._connection.copy(self._name(PACKS, name), target, tag)
        except FileNotFoundError:
            return None  # another process has moved it, or put a sound one there since
        self.remove(name)
        return f"s3://{self.address.bucket}/{target}"

    def keep_aside(self, key: str, data: bytes | memoryview) -> None:
        """Write the bytes of a bad object of a pack into the quarantine."""
        whole = bytes(data)
        next(n for n in count(1) if self._connection.put(self._name(QUARANTINE, f"{key}.{n}"), whole, absent=True))

    def litter(self) -> Iterator[tuple[str, float]]:
        """Yield times and signatures of no pack, and keys of probes: what is put is whole, and never temporary."""
        names = {facts.name.rpartition("/")[2] for facts in self._connection.list(self._name(PACKS, ""))}
        for place in (USED, SIGNATURES):
            listed = ((name, at, name.rpartition("/")[2].partition(".")[0]) for name, at in self._listed(place))
            yield from ((name, at) for name, at, pack in listed if pack not in names)
        yield from self._listed(PROBES)

    def aside(self) -> Iterator[tuple[str, float]]:
        """Yield what is in the quarantine, with when it was written there."""
        return self._listed(QUARANTINE)

    def earlier(self) -> Iterator[int]:
        """Yield nothing: no earlier format was kept in a bucket."""
        return iter(())

    def clear(self, name: str) -> None:
        """Remove what is litter, or in the quarantine."""
        self._connection.delete(f"{self.address.prefix}/{name}".lstrip("/"))

    def uses(self, name: str, n_objects: int, published: float) -> Sequence[float]:
        """Return when each object of a pack was last used, seconds since the epoch."""
        data = b""
        with suppress(OSError):
            _, data = self._connection.get(self._name(USED, name))
        return decoded_uses(data, n_objects, published)

    def write_uses(self, name: str, times: Sequence[float]) -> None:
        """Write when objects of a pack were last used; of those with 0 what is there stays."""
        before = self.uses(name, len(times), 0.0)
        merged = [now or earlier for now, earlier in zip(times, before, strict=True)]
        self._connection.put(self._name(USED, name), encoded_uses(merged))

    def note(self, name: str, text: str) -> str:
        """Put a note."""
        self._connection.put(self._name(ADOPTED, name), text.encode())
        return f"{self.at}/{ADOPTED}/{name}"

    def notes(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield the notes."""
        for facts in self._connection.list(self._name(ADOPTED, "")):
            data = None
            with suppress(OSError):
                _, data = self._connection.get(facts.name)
            yield f"s3://{self.address.bucket}/{facts.name}", data

    def sign(self, signature: str) -> None:
        """Put an empty object of that name."""
        self._connection.put(self._name(SIGNATURES, signature), b"")

    def signatures(self) -> Iterator[str]:
        """Yield the names of these objects."""
        return (name.rpartition("/")[2] for name, _ in self._listed(SIGNATURES))

    def place(self, name: str) -> str:
        """Return the address of a pack."""
        return f"{self.at}/{PACKS}/{name}"

    def cure(self, error: OSError) -> str:
        """Return what a refusal of the object store means, and how to mend it."""
        if error.errno == errno.EACCES:
            return (
                "the credentials that AWS' chain has found, if any, do not allow it; they need to list the bucket and "
                "to get, put and delete its objects"
            )
        return "the object store cannot be reached, or refuses; see whether its server and the bucket are there"

    def _listed(self, place: str) -> Iterator[tuple[str, float]]:
        skipped = len(self._name(place, "")) - len(f"{place}/")
        return ((facts.name[skipped:], facts.changed) for facts in self._connection.list(self._name(place, "")))

    def _name(self, place: str, name: str) -> str:
        return f"{self.address.prefix}/{place}/{name}".lstrip("/")
