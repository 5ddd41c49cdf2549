"""A prefix of an object store as a storage: an object is there whole or not at all, for whoever asks.

1. Small files are put whole, under the condition that their name is free where that matters; the server is asked once
   in a process whether it heeds that.
2. A file of rows is written beside, on this machine, and put when it is done. DuckDB puts its own in parts, which are
   one object when the last of them is there.
3. Nobody can be kept out, and nobody knows who is in: what others might read stays for a day.
4. A request that fails for good is `Unreachable`: a StoreError for whoever reads messages, an OSError for who goes on.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache as once
from functools import wraps
from typing import TYPE_CHECKING, BinaryIO, Concatenate, ParamSpec, TypeVar

from metabt.build.cache.bucket.connection import Connection
from metabt.build.cache.bucket.probe import require_conditional_puts
from metabt.build.cache.bucket.shelf import BucketShelf
from metabt.build.cache.shelf import PROBES
from metabt.errors import StoreError, passing
from metabt.lakehouse.storage.port import File
from metabt.values.bucket_address import Address, Server

if TYPE_CHECKING:
    import duckdb

    from metabt.build.cache.disk import StoredCache

P = ParamSpec("P")
Answer = TypeVar("Answer")


class Unreachable(StoreError, OSError):
    """The object store cannot be reached, or refuses; nothing was changed."""


def _said(call: Callable[Concatenate[Prefix, P], Answer]) -> Callable[Concatenate[Prefix, P], Answer]:
    """Return a method so that it says what a failed request means, and how to mend it."""

    @wraps(call)
    def saying(self: Prefix, *args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return call(self, *args, **kwargs)
        except (FileNotFoundError, StoreError):
            raise
        except OSError as error:
            raise self.unreachable(error) from error

    return saying


@once
def _connected(server: Server, bucket: str, process: int) -> Connection:
    return Connection(server, bucket)


class Prefix:
    """The objects below an address."""

    extensions: tuple[str, ...] = ("httpfs",)

    def __init__(self, address: Address) -> None:
        """Take the address; the server is the one that AWS' environment and files name."""
        self.address = address
        self.server = Server.of_environment()
        self._connection = _connected(self.server, address.bucket, os.getpid())

    @property
    def beneath(self) -> str:
        """The address, with a slash."""
        return f"{self.address}/"

    @_said
    def names(self) -> Iterator[str]:
        """Return the names of all objects below the address."""
        return iter([file.name for file in self._listed("")])

    @_said
    def files(self, beginning: str) -> Iterator[File]:
        """Return the objects whose names begin so; without a slash at its end, those with none after it either."""
        found = self._listed(beginning)
        return iter([it for it in found if beginning.endswith("/") or "/" not in it.name[len(beginning) :]])

    @_said
    def holds(self, name: str) -> bool:
        """Return whether there is an object of that name, or any below it."""
        try:
            self._connection.head(self._name(name))
        except FileNotFoundError:
            return next(self._listed(f"{name}/"), None) is not None
        return True

    @_said
    def read(self, name: str) -> bytes:
        """Return the bytes of an object."""
        return self._connection.get(self._name(name))[1]

    @_said
    def write(self, name: str, data: bytes) -> None:
        """Put an object."""
        self._connection.put(self._name(name), data)

    @_said
    def put(self, name: str, data: bytes) -> bool:
        """Put an object under the condition that its name is free."""
        return self._connection.put(self._name(name), data, absent=True)

    @_said
    def remove(self, name: str) -> None:
        """Remove an object."""
        self._connection.delete(self._name(name))

    @_said
    def entered(self, folder: str) -> float:
        """Return the time of the newest object below a name."""
        found = [file.changed for file in self._listed(f"{folder}/")]
        if not found:
            raise FileNotFoundError(errno.ENOENT, "there is nothing", folder)
        return max(found)

    @_said
    def clear(self, folder: str) -> None:
        """Remove all objects below a name."""
        for file in list(self._listed(f"{folder}/")):
            self._connection.delete(self._name(file.name))

    @_said
    def repeat(self, name: str, other: str) -> None:
        """Have the server copy an object."""
        self._connection.copy(self._name(name), self._name(other))

    @_said
    def measured(self, name: str) -> tuple[int, str]:
        """Return size and SHA-256 of an object as the server has it."""
        _, data = self._connection.get(self._name(name))
        return len(data), hashlib.sha256(data).hexdigest()

    @contextmanager
    def written(self, name: str) -> Iterator[BinaryIO]:
        """Yield a file of this machine without a name, which is put when the block ends, and not if it raises."""
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            self.write(name, file.read())

    def check_writable(self) -> None:
        """Put an object and remove it, on a server that lets one of two writers have a name."""
        require_conditional_puts(self._connection, self.address)
        name = f"{PROBES}/{secrets.token_hex(16)}"
        self.put(name, b"metabt")
        self.remove(name)

    def open_to(self, con: duckdb.DuckDBPyConnection) -> None:
        """Give a connection of DuckDB the credentials for what is below the address."""
        from metabt.lakehouse.storage.credentials import admit, be_patient

        be_patient(con)
        try:
            admit(con, self.address, self._connection)
        except OSError as error:
            raise self.unreachable(error) from error

    def enter(self, connection: object) -> None:
        """Do nothing: nobody could be told."""

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Yield False: nobody can be kept out."""
        yield False

    def cache(self) -> StoredCache:
        """Return the cache below the address."""
        from metabt.build.cache.bucket.cache import BucketCache

        return BucketCache(str(self.address), self.server.endpoint, self.server.region)

    def shelf(self) -> BucketShelf:
        """Return the shelf of packs below the address."""
        return BucketShelf(self._connection, self.address)

    def unreachable(self, error: OSError) -> Unreachable:
        """Return the error that says what a failed request means, and how to mend it."""
        said = f"object store: {error.strerror or error}; {self.shelf().cure(error)}"
        return passing(Unreachable(said), error.errno != errno.EACCES)

    def _listed(self, beginning: str) -> Iterator[File]:
        skipped = len(self._name(""))
        for facts in self._connection.list(self._name(beginning)):
            yield File(facts.name[skipped:], facts.size, facts.changed)

    def _name(self, name: str) -> str:
        return f"{self.address.prefix}/{name}".lstrip("/")
