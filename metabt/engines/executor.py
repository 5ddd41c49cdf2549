"""Executor: what the engine asks of whoever walks a plan."""

from __future__ import annotations

from typing import Protocol

from metabt.build.plan import Plan
from metabt.build.ports import Cache, Progress
from metabt.build.walk_result import WalkResult


class Executor(Protocol):
    """Where a plan is walked."""

    @property
    def name(self) -> str:
        """Name in configuration and in the `runs` table."""

    def walk(self, plan: Plan, cache: Cache, progress: Progress | None) -> WalkResult:
        """Walk every node over every partition."""
