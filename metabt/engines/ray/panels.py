"""Panels on Ray: partitions are computed by tasks, and stay in the object store until they are taken.

1. Prices in memory are put into the object store once; every task views them there.
2. A recipe travels with the read that calls it; `ray_data_stream` yields references to the tables, in order.
3. `persist` keeps the references: the panel that it returns takes its partitions from the object store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import ray

from metabt.data.panel.plan import Names, Plan
from metabt.data.panel.recipes import Recipe
from metabt.data.panel.sheet import Sheet
from metabt.data.prices import Prices, partitions
from metabt.engines.ray.price_blocks import from_table, sheet_from_table, sheet_to_table, to_table
from metabt.engines.ray.ray_data_stream import stream


@dataclass(frozen=True)
class OnRay:
    """Computes as many partitions at a time as there are CPUs, and no more ahead of the one that is taken."""

    def sheets(self, plan: Plan) -> Iterator[Sheet]:
        """Yield every partition, in time order, as views of the object store."""
        return (sheet_from_table(ray.get(ref)) for ref in _references(plan))

    def persist(self, plan: Plan) -> tuple[Recipe, ...]:
        """Compute every partition, and keep them in the object store."""
        return tuple(Fetched(ref) for ref in _references(plan))


@dataclass(frozen=True)
class Fetched:
    """A partition in the object store, as a recipe."""

    ref: ray.ObjectRef
    """Reference to its table."""

    def __call__(self) -> Sheet:
        """Return a view of it."""
        return sheet_from_table(ray.get(self.ref))


@dataclass(frozen=True)
class SheetRead:
    """One partition that is to be computed, as a read."""

    recipe: Recipe
    """Computes the partition."""

    def table(self) -> pa.Table:
        """Return the computed partition as a table of one row."""
        return sheet_to_table(self.recipe())


@dataclass(frozen=True)
class Shared:
    """Prices in the object store, as a source."""

    refs: Mapping[int, ray.ObjectRef]
    """First row of each partition -> where it is."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D]: the calendar of the prices."""
    symbols: Names
    """(n_assets,) symbols, sorted."""
    has_volume: bool
    """Whether volumes are known."""

    @classmethod
    def of(cls, prices: Prices) -> Shared:
        """Put every partition into the object store."""
        parts = [rows for _, rows in partitions(prices.dates)]
        refs = {rows.start: ray.put(to_table(prices.rows(rows))) for rows in parts}
        return cls(refs, prices.dates, prices.symbols, prices.volume is not None)

    def part(self, rows: slice, symbols: Names, *, volume: bool, entry: bool) -> SharedPart:
        """Return a callable that views one partition in the object store."""
        return SharedPart(self.refs[rows.start], symbols)


@dataclass(frozen=True)
class SharedPart:
    """A partition of prices in the object store."""

    ref: ray.ObjectRef
    """Where it is."""
    symbols: Names
    """Symbols wanted."""

    def __call__(self) -> Prices:
        """Return the wanted symbols."""
        return from_table(ray.get(self.ref)).select(self.symbols)


def _references(plan: Plan) -> Iterator[ray.ObjectRef]:
    reads = [SheetRead(plan.recipe(k)) for k in range(len(plan.partitions))]
    return (ref for _, ref in stream(reads, ahead=max(1, int(ray.cluster_resources().get("CPU", 1)))))
