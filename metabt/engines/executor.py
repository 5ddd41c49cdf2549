"""Executor: the interface of what walks a plan."""

from __future__ import annotations

from typing import Protocol

from metabt.build.plan import Plan
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import WalkResult


class Executor(Protocol):
    """Walks a plan, to the same bits wherever it does."""

    @property
    def name(self) -> str:
        """Name in configuration and in the `runs` table."""

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Walk every node over every partition, through `cache`; `progress` is called after each block, or None."""
