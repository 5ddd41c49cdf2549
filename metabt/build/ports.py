"""Ports: what a walk asks of a cache and of a progress bar, and the values that pass between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from metabt.build.foreign_warnings import Heard
from metabt.errors import RunError

Progress = Callable[[int, int, str], None]
"""Called with blocks done, blocks in all, and what was done last."""


@dataclass(frozen=True)
class Lap:
    """Time spent on one stage of one block."""

    partition: str
    """The partition's label."""
    stage: str
    """Stage name, as in metabt.walk.stopwatch."""
    seconds: float
    """Seconds of processor of the thread that walked."""
    rows: int
    """Decisions or sessions it covered."""
    cache_hit: bool
    """The block was not computed but found."""


@dataclass(frozen=True)
class Sealed:
    """The parts of one object, and what they are known by."""

    parts: Mapping[str, Any]
    """Name -> value, such as the block and the state after it."""
    digests: Mapping[str, str]
    """Name -> SHA-256 of the value's bytes; empty where nothing is remembered."""


@dataclass(frozen=True)
class Step:
    """One sleeve, taken over one partition."""

    key: str = ""
    """What its block is addressed by; empty where nothing is remembered."""
    sealed: Sealed | None = None
    """The block and the state after it; None where the sleeve failed."""
    found: bool = False
    """The block was not computed but found."""
    laps: tuple[Lap, ...] = ()
    """Where the time went."""
    failure: RunError | None = None
    """What ended the walk of the sleeve, in this partition or earlier."""
    heard: tuple[Heard, ...] = ()
    """Warnings of foreign estimators; a block that was found has none."""


class Cache(Protocol):
    """Where what was computed is remembered."""

    remembers: bool
    """False spares the engine the keys."""

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return the object of that kind that was put under the key, or None."""

    def known(self, key: str, kind: str) -> Mapping[str, str] | None:
        """Return the digests of the object's parts, by name, where that is possible without reading it; or None.

        `get` may find it damaged all the same.
        """

    def claim(self, key: str) -> AbstractContextManager[Any]:
        """Return a context manager that waits on entry until no other process or thread computes the key.

        Leaving it without a put lets the next one compute.
        """

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Remember the parts of an object, unless the key is taken, and return them with their digests."""

    def together(self) -> AbstractContextManager[Any]:
        """Return a context manager within which other processes find none of this thread's puts, and then all.

        What is put within it is found by this thread, or by nobody, before it is left; no claim is entered there.
        """

    def publish(self) -> None:
        """Begin to make what was put findable by other processes, without waiting for it: a partition is done."""

    def flush(self) -> bool:
        """Wait until everything that was put can be found by other processes; return whether all of it can."""
