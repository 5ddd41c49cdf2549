"""Caches that need no disk: one that remembers nothing, and one that lives as long as the process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from metabt.build.cache.sealing import seal
from metabt.build.ports import Sealed


class NoCache:
    """Remembers nothing, and so needs no keys."""

    remembers = False

    def get(self, key: str, kind: str) -> None:
        """Find nothing."""

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Let everybody compute."""
        return nullcontext()

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Keep nothing."""
        return Sealed(parts, {})

    def flush(self) -> bool:
        """Have nothing that other processes could find."""
        return False


class MemoryCache:
    """Remembers what was computed for as long as the process lives."""

    remembers = True

    def __init__(self) -> None:
        """Start empty."""
        self.objects: dict[str, tuple[str, Sealed]] = {}

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return what was put under the key, or None."""
        found = self.objects.get(key)
        return found[1] if found and found[0] == kind else None

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Let the process compute: it has the cache to itself."""
        return nullcontext()

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Remember the parts of an object, unless the key is taken; return them with their digests."""
        sealed, _ = seal(parts)
        return self.objects.setdefault(key, (kind, sealed))[1]

    def flush(self) -> bool:
        """Have nothing that other processes could find."""
        return False
