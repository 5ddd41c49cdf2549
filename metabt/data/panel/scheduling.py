"""Scheduling: where the recipes of a plan are called, and where its partitions are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from metabt.data.panel.plan import Plan
from metabt.data.panel.recipes import Held, Recipe
from metabt.data.panel.sheet import Sheet


class Scheduler(Protocol):
    """Where partitions are computed."""

    def sheets(self, plan: Plan) -> Iterator[Sheet]:
        """Yield every partition, in time order."""

    def persist(self, plan: Plan) -> tuple[Recipe, ...]:
        """Compute every partition, keep each where it was computed, and return recipes that take them from there."""


@dataclass(frozen=True)
class Here:
    """In this process, one after the other: the reference."""

    def sheets(self, plan: Plan) -> Iterator[Sheet]:
        """Yield every partition, in time order; only the newest is kept in memory."""
        return (plan.recipe(k)() for k in range(len(plan.partitions)))

    def persist(self, plan: Plan) -> tuple[Recipe, ...]:
        """Compute every partition, and keep them in memory."""
        return tuple(Held(sheet) for sheet in self.sheets(plan))
