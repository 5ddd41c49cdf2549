"""Beside: any number of stored runs, as the sections of their page read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from metabt.report.sweep.tried import Curve
from metabt.runs.beside.several import Several


@dataclass(frozen=True)
class Beside:
    """Two or more runs, as their page reads them."""

    several: Several
    """What they were set to, and how they did."""
    curves: Mapping[str, Curve]
    """run_id -> curve of its root."""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What each run is called on the page, (n_runs,): its portfolio and the beginning of its identity."""
        return tuple(f"{run.portfolio} {run.short}" for run in self.several.runs)
