"""Plan: how a panel is read and computed, as a tree of values; composing one reads nothing.

1. `Reading` is the leaf. Choosing rows, symbols or fields of it makes a smaller one: what is left out is never read.
2. `Mapping` applies a function to another plan. `Picking` and `Cutting` choose from what it returns; partitions of
   which nothing is left are not computed, nor is what only they would have read.
3. A plan has a recipe for each of its partitions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from metabt.data.dataset import FIELDS, Dataset, Names, Part
from metabt.data.panel.recipes import Function, Recipe, cut, mapped, picked, trimmed

Partitions = tuple[tuple[str, slice], ...]
"""(label, rows of the plan's sessions), in time order."""


@dataclass(frozen=True)
class Plan(ABC):
    """Sessions x assets in partitions."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D], strictly increasing."""
    partitions: Partitions
    """Rows that are computed in one go, in time order."""
    symbols: Names | None
    """Its columns; None where a function decides."""
    fields: Names | None
    """Its fields; None where a function decides."""

    @property
    @abstractmethod
    def datasets(self) -> tuple[Dataset, ...]:
        """What it reads."""

    @abstractmethod
    def recipe(self, k: int) -> Recipe:
        """Return the recipe of partition `k`: called without arguments, it returns the partition's Sheet."""

    def cut(self, rows: slice) -> Plan:
        """Return some consecutive sessions alone."""
        return Cutting(self.dates[rows], _cut(self.partitions, rows), self.symbols, self.fields, self, rows)

    def pick(self, symbols: Names | None, fields: Names | None) -> Plan:
        """Return some symbols or fields alone; None is all."""
        names = (symbols or self.symbols, fields or self.fields)
        return Picking(self.dates, self.partitions, *names, self, symbols, fields)

    def until(self, n_sessions: int) -> Plan:
        """Return the same plan over data that end with its first `n_sessions`; functions see no later one."""
        return self.cut(slice(0, n_sessions))

    def map(self, function: Function, before: int) -> Plan:
        """Return the plan of what a function makes of each partition and up to `before` sessions ahead of it."""
        return Mapping(self.dates, self.partitions, None, None, self, function, before)


@dataclass(frozen=True)
class Reading(Plan):
    """Prices, unread."""

    symbols: Names
    """Sorted."""
    fields: Names
    """Of close, returns and volume."""
    dataset: Dataset
    """Whose they are."""
    start: int
    """The first session, as a row of the dataset's calendar."""

    @classmethod
    def all(cls, dataset: Dataset) -> Reading:
        """Return all that a dataset has."""
        facts = dataset.facts
        fields = tuple(name for name in FIELDS if name != "volume" or facts.has_volume)
        return cls(facts.dates, tuple(facts.partitions.items()), facts.symbols, fields, dataset, 0)

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """What it reads."""
        return (self.dataset,)

    def whole(self, k: int) -> Part:
        """Return what reads the whole partition that holds partition `k`, which may be a cut of it, as prices."""
        return self.dataset.part(self.dataset.facts.partitions[self.partitions[k][0]], self.symbols, self.fields)

    def recipe(self, k: int) -> Recipe:
        """Read the whole partition that holds partition `k`, and cut it."""
        label, rows = self.partitions[k]
        first = self.start + rows.start - self.dataset.facts.partitions[label].start
        return partial(cut, self.whole(k), slice(first, first + rows.stop - rows.start), self.fields)

    def cut(self, rows: slice) -> Plan:
        """Return a plan that reads fewer partitions."""
        left = _cut(self.partitions, rows)
        return replace(self, dates=self.dates[rows], partitions=left, start=self.start + rows.start)

    def pick(self, symbols: Names | None, fields: Names | None) -> Plan:
        """Return a plan that reads fewer symbols or fields; symbols are sorted, as in every dataset."""
        symbols = self.symbols if symbols is None else tuple(sorted(symbols))
        return replace(self, symbols=symbols, fields=fields or self.fields)


@dataclass(frozen=True)
class Keeping(Plan):
    """Partitions that were computed, and are kept in memory or in an object store."""

    recipes: tuple[Recipe, ...]
    """Returns each from where it is kept."""

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Return none: what it keeps has been read."""
        return ()

    def recipe(self, k: int) -> Recipe:
        """Return the recipe that takes partition `k` from where it is kept."""
        return self.recipes[k]


@dataclass(frozen=True)
class Mapping(Plan):
    """A function applied to every partition and some sessions ahead of it."""

    child: Plan
    """What it is applied to."""
    function: Function
    """What is applied."""
    before: int
    """Sessions ahead of each partition that it sees, at most."""

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """What is read beneath it."""
        return self.child.datasets

    def until(self, n_sessions: int) -> Plan:
        """Apply the function to what would be beneath it."""
        return self.child.until(n_sessions).map(self.function, self.before)

    def recipe(self, k: int) -> Recipe:
        """Take as many earlier partitions as `before` sessions reach back."""
        label, own = self.partitions[k]
        reached = [j for j in range(k) if self.partitions[j][1].stop > own.start - self.before]
        parts = tuple(self.child.recipe(j) for j in (*reached, k))
        return partial(mapped, self.function, parts, self.before, label)


@dataclass(frozen=True)
class Picking(Plan):
    """Some columns of what a function returned."""

    child: Plan
    """What they are from."""
    chosen: Names | None
    """Which symbols; None is all."""
    chosen_fields: Names | None
    """Which fields; None is all."""

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """What is read beneath it."""
        return self.child.datasets

    def until(self, n_sessions: int) -> Plan:
        """Choose from what would be beneath it."""
        return self.child.until(n_sessions).pick(self.chosen, self.chosen_fields)

    def recipe(self, k: int) -> Recipe:
        """Leave the other columns out."""
        return partial(picked, self.child.recipe(k), self.chosen, self.chosen_fields)


@dataclass(frozen=True)
class Cutting(Plan):
    """Some consecutive sessions of what a function returned."""

    child: Plan
    """What they are from."""
    rows: slice
    """Which of its sessions."""

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """What is read beneath it."""
        return self.child.datasets

    def until(self, n_sessions: int) -> Plan:
        """Choose from what would be beneath it."""
        stop = self.rows.start + n_sessions
        return self.child.until(stop).cut(slice(self.rows.start, stop))

    def recipe(self, k: int) -> Recipe:
        """Leave the other rows out."""
        label, left = self.partitions[k]
        below = [name for name, _ in self.child.partitions].index(label)
        recipe, whole = self.child.recipe(below), self.child.partitions[below][1]
        first = self.rows.start + left.start - whole.start
        size = left.stop - left.start
        return recipe if size == whole.stop - whole.start else partial(trimmed, recipe, slice(first, first + size))


def _cut(parts: Partitions, rows: slice) -> Partitions:
    """Return what some consecutive rows leave of partitions, counted from the first of them."""
    left = ((label, max(part.start, rows.start), min(part.stop, rows.stop)) for label, part in parts)
    return tuple((label, slice(a - rows.start, b - rows.start)) for label, a, b in left if a < b)
