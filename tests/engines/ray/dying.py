"""A cache in which the process that uses it is killed once, at a chosen point of the n-th block."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from metabt.build.cache.disk import DiskCache
from metabt.build.keys import BLOCK
from metabt.build.ports import Sealed

STAGES = ("get", "claim", "put", "after put", "flush", "after flush")
"""Where a process can be killed: before or after what the cache is asked for."""


class DyingCache:
    """Remembers on disk; kills its process once for each death that is left, unless it is the driver's."""

    remembers = True

    def __init__(self, root: Path, notes: Path, deaths: tuple[tuple[str, int], ...], driver: int) -> None:
        self._cache = DiskCache(root)
        self._root, self._notes, self._deaths, self._driver = root, notes, deaths, driver

    def __reduce__(self) -> tuple[Any, ...]:
        return DyingCache, (self._root, self._notes, self._deaths, self._driver)

    @property
    def put_twice(self) -> list[str]:
        """Keys that were computed more than once."""
        keys = [file.name.split(".")[0] for file in self._notes.glob("*.put")]
        return [key for key in set(keys) if keys.count(key) > 1]

    @property
    def deaths(self) -> int:
        """How often a process was killed."""
        return len(list(self._notes.glob("*.died")))

    @property
    def n_put(self) -> int:
        """Blocks that were computed, counting repetitions."""
        return len(list(self._notes.glob("*.put")))

    def get(self, key: str, kind: str) -> Sealed | None:
        self._pass("get")
        return self._cache.get(key, kind)

    def known(self, key: str, kind: str) -> Mapping[str, str] | None:
        return self._cache.known(key, kind)

    def together(self) -> AbstractContextManager[Any]:
        return self._cache.together()

    def publish(self) -> None:
        self._cache.publish()

    def claim(self, key: str) -> AbstractContextManager[Any]:
        self._pass("claim")
        return self._cache.claim(key)

    def put(self, key: str, kind: str, parts: Mapping[str, object]) -> Sealed:
        if kind == BLOCK:
            (self._notes / f"{key}.{os.getpid()}.put").touch()
        self._pass("put")
        sealed = self._cache.put(key, kind, parts)
        self._pass("after put")
        return sealed

    def flush(self) -> bool:
        self._pass("flush")
        kept = self._cache.flush()
        self._pass("after flush")
        return kept

    def _pass(self, stage: str) -> None:
        if os.getpid() == self._driver:
            return
        number = self._count(stage)
        if (stage, number) in self._deaths and self._once(f"{stage} {number}.died"):
            os.kill(os.getpid(), signal.SIGKILL)

    def _count(self, stage: str) -> int:
        """Return the number of this passage among those of all processes; each takes the first that is free."""
        number = len(list(self._notes.glob(f"{stage} *.passed"))) + 1
        while not self._once(f"{stage} {number}.passed"):
            number += 1
        return number

    def _once(self, name: str) -> bool:
        try:
            (self._notes / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
