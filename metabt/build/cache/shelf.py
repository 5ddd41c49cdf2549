"""The port behind a store: a shelf, on which packs lie whole and never change once they have their name.

Its twins are `folder_shelf`, and `bucket.shelf` for an object store. One suite of tests passes on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

PACKS = "packs"
"""Where the packs are, on a shelf."""
QUARANTINE = "quarantine"
"""Where that is which is bad, on a shelf."""
USED = "used"
"""Where it says when the objects of packs were last used, on a shelf."""
ADOPTED = "adopted"
"""Where the notes are on how blocks of other code came here, on a shelf."""
SIGNATURES = "signatures"
"""Where the signatures of packs are, on a shelf that several share."""
PROBES = ".probes"
"""Where keys are put to find out what an object store does."""


class Bad(Exception):
    """What is at `path` must not be used as a pack; the text is the end of a sentence about it."""

    def __init__(self, what: str, path: Path | str, seen: object = None) -> None:
        super().__init__(what)
        self.path = path
        """What is to be set aside."""
        self.seen = seen
        """What tells that which was looked at from another pack in its place, where it could be opened."""


class OpenPack(Protocol):
    """A pack that is being read."""

    @property
    def size(self) -> int:
        """Bytes of the whole pack."""

    @property
    def published(self) -> float:
        """When it was published, seconds since the epoch."""

    @property
    def seen(self) -> object:
        """What tells it from another pack in its place."""

    def read(self, begin: int, end: int) -> memoryview:
        """Return some bytes, read-only; what lies at a multiple of ALIGNMENT in the pack does so in memory.

        Raises
        ------
        Fault
            When the pack ends before them.
        """


class Shelf(Protocol):
    """Where packs lie. What cannot be reached, or refuses, raises an OSError in each method."""

    readers: int
    """Packs whose indexes are read at the same time."""
    mends: bool
    """Whether what is bad is taken out of a pack; else the whole pack is not used."""

    @property
    def at(self) -> Path | str:
        """What messages call it: a directory, or an address."""

    @property
    def locks(self) -> Path | None:
        """Directory in which a file is locked by whoever uses the shelf; None where nobody can be kept out."""

    def state(self) -> object:
        """Return what differs once packs have come or gone; None where only a look can tell.

        Raises
        ------
        Bad
            When something else is in the place of the packs.
        """

    def names(self) -> Iterable[tuple[str, int]]:
        """Return what is named like a pack, whatever it is, with its bytes, in the order of the names."""

    def opened(self, name: str, first: tuple[int, int]) -> AbstractContextManager[OpenPack]:
        """Open a pack; `first` is where the first bytes that will be read begin and end.

        Raises
        ------
        FileNotFoundError
            When there is none.
        Bad
            When something else is in its place.
        """

    def put(self, name: str, pieces: Iterable[bytes | memoryview]) -> bool:
        """Publish a pack, made of pieces, whole or not at all; return False where another writer was first."""

    def remove(self, name: str) -> None:
        """Remove a pack and the times of its objects; another process may have been faster."""

    def set_aside(self, bad: Bad) -> Path | str | None:
        """Move what is bad into the quarantine and return its new place; None where it is no longer there."""

    def keep_aside(self, key: str, data: bytes | memoryview) -> None:
        """Write the bytes of a bad object of a pack into the quarantine."""

    def litter(self) -> Iterable[tuple[str, float]]:
        """Return what was not finished, or belongs to no pack, by name on the shelf, with when it was last changed."""

    def aside(self) -> Iterable[tuple[str, float]]:
        """Return what is in the quarantine, by name on the shelf, with when it came there."""

    def earlier(self) -> Iterable[int]:
        """Return the bytes of each object of an earlier format, which is neither read nor removed."""

    def clear(self, name: str) -> None:
        """Remove what is litter, or in the quarantine; another process may have been faster."""

    def uses(self, name: str, n_objects: int, published: float) -> Sequence[float]:
        """Return when each object of a pack was last used, seconds since the epoch."""

    def write_uses(self, name: str, times: Sequence[float]) -> None:
        """Write when objects of a pack were last used; of those with 0 what is there stays."""

    def note(self, name: str, text: str) -> Path | str:
        """Write a note on how blocks came here, whole, and return its place; no other has its name."""

    def notes(self) -> Iterable[tuple[Path | str, bytes | None]]:
        """Return place and bytes of each note, in the order of their names; None for one that cannot be read."""

    def sign(self, signature: str) -> None:
        """Put a signature, whose name is all there is of it; it may be there."""

    def signatures(self) -> Iterable[str]:
        """Return the signatures that are there, of whatever packs and by whomever."""

    def place(self, name: str) -> Path | str:
        """Return where a pack is, or would be, for messages."""

    def cure(self, error: OSError) -> str:
        """Return what a refusal means, and how to mend it."""
