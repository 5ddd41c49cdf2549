"""A cache in front of another: what was found or computed once stays in memory as long as it lives."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from metabt.build.ports import Cache, Sealed


class RecallingCache:
    """Recalls what another cache gave or took."""

    remembers = True

    def __init__(self, behind: Cache) -> None:
        """Start empty in front of `behind`, which remembers."""
        self.behind = behind
        self.recalled: dict[tuple[str, str], Sealed] = {}

    def get(self, key: str, kind: str) -> Sealed | None:
        """Return what is recalled under the key, or else what the other finds."""
        found = self.recalled.get((key, kind)) or self.behind.get(key, kind)
        if found is not None:
            self.recalled[key, kind] = found
        return found

    def claim(self, key: str) -> AbstractContextManager[Any]:
        """Wait as the other does."""
        return self.behind.claim(key)

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        """Hand the parts of an object on, and recall them."""
        sealed = self.behind.put(key, kind, parts)
        return self.recalled.setdefault((key, kind), sealed)

    def flush(self) -> bool:
        """Finish what the other has to do."""
        return self.behind.flush()
