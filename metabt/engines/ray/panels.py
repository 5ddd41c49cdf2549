"""Panels on Ray: partitions are computed by tasks, and stay in the object store until they are taken.

1. Prices in memory are put into the object store once; every task views them there.
2. A recipe travels with the read that calls it; `ray_data_stream` yields references to the tables, in order.
3. `persist` keeps the references: the panel that it returns takes its partitions from the object store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import ray

from metabt.data.dataset import Dataset, Names, Part
from metabt.data.facts import Digests, Facts, digests_of
from metabt.data.panel.plan import Plan
from metabt.data.panel.recipes import Recipe
from metabt.data.panel.sheet import Sheet
from metabt.data.prices import Prices, partitions
from metabt.engines.ray.price_blocks import from_table, sheet_from_table, sheet_to_table, to_table
from metabt.engines.ray.ray_data_stream import stream

Refs = Mapping[int, ray.ObjectRef]
"""First row of each partition -> where it is."""


@dataclass(frozen=True)
class OnRay:
    """Computes as many partitions at a time as there are CPUs, and no more ahead of the one that is taken."""

    def sheets(self, plan: Plan) -> Iterator[Sheet]:
        """Yield every partition, in time order, as views of the object store."""
        return (_fetched(ref) for ref in _references(plan))

    def persist(self, plan: Plan) -> tuple[Recipe, ...]:
        """Compute every partition, and keep them in the object store."""
        return tuple(partial(_fetched, ref) for ref in _references(plan))


@dataclass(frozen=True)
class SheetRead:
    """One partition that is to be computed, as a read."""

    recipe: Recipe
    """Computes the partition."""

    def table(self) -> pa.Table:
        """Return the computed partition as a table of one row."""
        return sheet_to_table(self.recipe())


def shared(dataset: Dataset) -> Dataset:
    """Put every partition of a dataset into the object store, and return the dataset that reads them there."""
    prices = dataset.prices
    refs = {rows.start: ray.put(to_table(prices.rows(rows))) for _, rows in partitions(prices.dates)}
    facts = replace(Facts.of(prices), read_digests=partial(_digests, refs))
    return replace(dataset, facts=facts, part=partial(_part, refs))


def _digests(refs: Refs) -> Digests:
    parts = (digests_of(from_table(ray.get(ref))) for ref in refs.values())
    return {cell: text for part in parts for cell, text in part.items()}


def _part(refs: Refs, rows: slice, symbols: Names, fields: Names) -> Part:
    return partial(_viewed, refs[rows.start], symbols)


def _viewed(ref: ray.ObjectRef, symbols: Names) -> Prices:
    return from_table(ray.get(ref)).select(symbols)


def _fetched(ref: ray.ObjectRef) -> Sheet:
    """Return a view of a partition in the object store; with its reference, that is a recipe."""
    return sheet_from_table(ray.get(ref))


def _references(plan: Plan) -> Iterator[ray.ObjectRef]:
    reads = [SheetRead(plan.recipe(k)) for k in range(len(plan.partitions))]
    return (ref for _, ref in stream(reads, ahead=max(1, int(ray.cluster_resources().get("CPU", 1)))))
