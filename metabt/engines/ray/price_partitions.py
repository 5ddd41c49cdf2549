"""Price partitions: those that a process got from the driver, as leaves read them.

Partitions that it did not get, since their blocks were expected to be known, are read from the lakehouse; so is what
only such blocks read of those that it did get.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ray

from metabt.build.inputs import Market, Markets, reach, reads_volume
from metabt.build.plan import Plan
from metabt.data.prices import Prices, join_rows
from metabt.engines.ray.price_blocks import from_table
from metabt.portfolio.sleeve import Leaf

Part = tuple[str, str]
"""Dataset and label of a partition."""


@dataclass
class PricePartitions:
    """Prices of the present partitions, shared with all other processes of the machine and read-only."""

    plan: Plan
    """What is walked."""
    _parts: dict[Part, Prices] = field(default_factory=dict)
    _taken: dict[str, frozenset[Part]] = field(default_factory=dict)
    _joined: dict[tuple[str, tuple[str, ...]], Prices] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin without partitions; prices are read from the plan's datasets until `take` is called."""
        self._unfed = Markets(self.plan)

    def take(self, references: Mapping[Part, ray.ObjectRef], lane: str = "") -> None:
        """Replace the present partitions of a lane by these; those of other lanes stay."""
        before = self._parts.keys()
        self._taken[lane] = frozenset(references)
        wanted = frozenset().union(*self._taken.values())
        self._parts = {part: prices for part, prices in self._parts.items() if part in wanted}
        for part in references.keys() - self._parts.keys():
            self._parts[part] = from_table(ray.get(references[part]))
        if before - self._parts.keys():
            self._joined = {}

    def leave(self, lane: str) -> None:
        """Drop what only this lane reads."""
        self.take({}, lane)
        del self._taken[lane]

    def of(self, leaf: Leaf, rows: slice) -> Market:
        """Return the columns of a leaf's universe for the partition `rows` of its calendar, and its lookback ahead."""
        window, _ = reach(leaf, rows)
        home = self.plan.home(leaf)
        facts = self.plan.datasets[home].facts
        labels = facts.touched(window)
        if not all(self._holds(leaf, home, label) for label in labels):
            return self._unfed.of(leaf, rows)
        first, joined = facts.partitions[labels[0]].start, self._joined_at(home, labels)
        return Market.of(joined, leaf, slice(window.start - first, window.stop - first))

    def _holds(self, leaf: Leaf, home: str, label: str) -> bool:
        """Return whether a partition came with all that a leaf reads: only what others missed may be in it."""
        prices = self._parts.get((home, label))
        if prices is None or not prices.has(leaf.universe):
            return False
        known = self.plan.datasets[home].facts.has_volume
        return prices.volume is not None or not known or not reads_volume(leaf)

    def _joined_at(self, dataset: str, labels: tuple[str, ...]) -> Prices:
        """Return partitions end to end: most leaves look back as far as the one before."""
        if (dataset, labels) not in self._joined:
            self._joined = {(dataset, labels): join_rows([self._parts[dataset, label] for label in labels])}
        return self._joined[dataset, labels]
