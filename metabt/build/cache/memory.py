"""Caches that need no disk: of nothing, of what one process computes, and around another cache."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from metabt.build.cache.sealing import seal
from metabt.build.ports import Cache, Sealed


class NoCache:
    """A cache that keeps nothing, so that no keys are computed for it."""

    remembers = False

    def get(self, key: str, kind: str) -> None:
        """Return None."""

    def known(self, key: str, kind: str) -> None:
        """Return None."""

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Return at once: everyone computes."""
        return nullcontext()

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Return the parts without digests, and keep nothing."""
        return Sealed(parts, {})

    def together(self) -> AbstractContextManager[None]:
        """Return at once: other processes find nothing."""
        return nullcontext()

    def publish(self) -> None:
        """Do nothing."""

    def flush(self) -> bool:
        """Return False: other processes find nothing."""
        return False


class MemoryCache:
    """A cache in the memory of this process: pass the same one to several backtests, and they share their blocks.

    Nothing is ever removed from it. Ray refuses it, since other processes cannot reach it.
    """

    remembers = True

    def __init__(self) -> None:
        """Start empty."""
        self.objects: dict[str, tuple[str, Sealed]] = {}

    def __repr__(self) -> str:
        return f"MemoryCache({len(self.objects):,} objects)"

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return an object.

        Parameters
        ----------
        key : str
            What it is addressed by.
        kind : str
            What it holds, as it was put.

        Returns
        -------
        Sealed or None
            Its parts and their digests; None where nothing of that kind is under the key.
        """
        found = self.objects.get(key)
        return found[1] if found and found[0] == kind else None

    def known(self, key: str, kind: str) -> Mapping[str, str] | None:
        """Return the digests of an object.

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
        found = self.objects.get(key)
        return found[1].digests if found and found[0] == kind else None

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Return at once: the process has the cache to itself.

        Parameters
        ----------
        key : str
            What is going to be computed.

        Returns
        -------
        context manager
            Within it the key is the caller's to compute.
        """
        return nullcontext()

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Keep the parts of an object, unless the key is taken.

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
            What is under the key now, with a SHA-256 of each part.
        """
        sealed, _ = seal(parts)
        return self.objects.setdefault(key, (kind, sealed))[1]

    def together(self) -> AbstractContextManager[None]:
        """Return at once: other processes find nothing here.

        Returns
        -------
        context manager
            Within it puts are what they are without.
        """
        return nullcontext()

    def publish(self) -> None:
        """Do nothing: other processes find nothing here."""

    def flush(self) -> bool:
        """Wait for nothing.

        Returns
        -------
        bool
            False: other processes find nothing here.
        """
        return False


class Around:
    """A cache around another one: what it does not do in its own way, the other does."""

    def __init__(self, behind: Cache) -> None:
        """Use `behind`; this one remembers if that one does."""
        self.behind, self.remembers = behind, behind.remembers

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return what the other finds under the key, or None."""
        return self.behind.get(key, kind)

    def known(self, key: str, kind: str) -> Mapping[str, str] | None:
        """Return the digests that the other knows of, or None."""
        return self.behind.known(key, kind)

    def claim(self, key: str) -> AbstractContextManager[Any]:
        """Wait as long as the other does."""
        return self.behind.claim(key)

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Hand the parts of an object on to the other, and return what it returns."""
        return self.behind.put(key, kind, parts)

    def together(self) -> AbstractContextManager[Any]:
        """Have the other publish together what is put."""
        return self.behind.together()

    def publish(self) -> None:
        """Have the other begin to publish."""
        self.behind.publish()

    def flush(self) -> bool:
        """Finish what the other has to do, and return what it returns."""
        return self.behind.flush()
