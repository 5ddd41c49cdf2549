"""Price stream: the partitions of prices that a plan misses, in time order, kept while they may be needed.

1. The first block of each leaf that is not known says from where on its dataset is read, with the lookback ahead: what
   is read of it is the panel of these sessions, and of the symbols and fields that such leaves read
   (metabt.data.panel.plan).
2. One stream brings the partitions of all datasets, oldest first; it is drawn from as the lanes go on.
3. A partition is dropped when no lane will look back as far. A lane that begins again reads what is gone by itself.

Prices that were handed over in Python are with the actors already, as part of the plan.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import ray

from metabt.build.inputs import fields_of, reach
from metabt.build.plan import Node, Plan
from metabt.data.panel.plan import Reading
from metabt.engines.ray.price_partitions import Part
from metabt.engines.ray.ray_data_stream import PriceRead, stream
from metabt.portfolio.sleeve import Leaf

AHEAD = 2
"""Largest number of partitions that are read before a lane needs them."""


class PriceStream:
    """The partitions of prices that actors need, streamed in time order."""

    def __init__(self, plan: Plan, known: Mapping[str, int]) -> None:
        """Take the plan, and spec digest -> how many of a leaf's blocks need not be computed."""
        self._plan = plan
        self._first = {
            key: label
            for key, node in plan.nodes.items()
            if self._is_stored(node) and (label := _first_missing(node, known[key])) is not None
        }
        names = {node.home for key, node in plan.nodes.items() if key in self._first}
        self._panels = {name: self._panel(name) for name in sorted(names)}
        self._arrived: dict[Part, ray.ObjectRef] = {}
        self._reads = self._planned()
        self._oldest = ""
        self._stream: Generator[tuple[PriceRead, Any], None, None] | None = None

    def references(self, keys: tuple[str, ...], label: str, oldest: str) -> dict[Part, ray.ObjectRef]:
        """Return the partitions that some leaves read for the partition `label`, where they miss its block.

        `oldest` is the oldest partition that a lane still has to walk.
        """
        wanted: dict[Part, None] = {}
        for key in keys:
            node = self._plan.nodes[key]
            if key in self._first and label in node.partitions and label >= self._first[key]:
                wanted.update(dict.fromkeys(self._reached(node, label)))
        self._let_go(oldest)
        while self._reads and any(part in self._reads for part in wanted):
            self._draw()
        return {part: self._arrived[part] for part in wanted if part in self._arrived}

    def begin(self) -> None:
        """Begin to read the first partition, if any is to be read, before a lane needs it."""
        if self._reads and self._stream is None:
            self._draw()

    def close(self) -> None:
        """Stop reading."""
        if self._stream is not None:
            self._stream.close()

    def _panel(self, name: str) -> Reading:
        """Return what leaves read of a dataset from the first block on that they miss, their lookback ahead."""
        symbols, fields, begins = set[str](), ["close", "returns"], list[str]()
        for key, label in self._first.items():
            leaf, home = self._plan.nodes[key].spec, self._plan.nodes[key].home
            if isinstance(leaf, Leaf) and home == name:
                symbols.update(leaf.universe)
                fields += fields_of(leaf)
                begins.append(self._reached(self._plan.nodes[key], label)[0][1])
        whole = Reading.all(self._plan.datasets[name])
        known = tuple(field for field in whole.fields if field in fields)
        begin = self._plan.datasets[name].facts.partitions[min(begins)].start
        found = whole.pick(tuple(sorted(symbols)), known).cut(slice(begin, len(whole.dates)))
        assert isinstance(found, Reading)
        return found

    def _planned(self) -> dict[Part, PriceRead]:
        """Return the reads that are to come, in time order."""
        parts = sorted(
            (label, name, place)
            for name, panel in self._panels.items()
            for place, (label, _) in enumerate(panel.partitions)
        )
        return {(name, label): PriceRead(name, label, self._panels[name].whole(place)) for label, name, place in parts}

    def _reached(self, node: Node, label: str) -> list[Part]:
        assert isinstance(node.spec, Leaf)
        window, _ = reach(node.spec, node.partitions[label])
        facts = self._plan.datasets[node.home].facts
        return [(node.home, name) for name in facts.touched(window)]

    def _draw(self) -> None:
        if self._stream is None:
            self._stream = stream(list(self._reads.values()), AHEAD)
        read, reference = next(self._stream)
        del self._reads[read.dataset, read.label]
        self._arrived[read.dataset, read.label] = reference

    def _is_stored(self, node: Node) -> bool:
        return isinstance(node.spec, Leaf) and self._plan.datasets[node.home].stored

    def _let_go(self, oldest: str) -> None:
        if oldest == self._oldest:
            return
        self._oldest = oldest
        needed: dict[str, str] = {}
        for key in self._first:
            node = self._plan.nodes[key]
            later = [label for label in node.partitions if label >= oldest]
            if later:
                dataset, label = self._reached(node, later[0])[0]
                needed[dataset] = min(label, needed.get(dataset, label))
        self._arrived = {
            (name, label): reference
            for (name, label), reference in self._arrived.items()
            if name in needed and label >= needed[name]
        }


def _first_missing(node: Node, known: int) -> str | None:
    labels = list(node.partitions)
    return labels[known] if known < len(labels) else None
