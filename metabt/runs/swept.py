"""Swept: what a sweep is going to compute, and what became of it, as values; in a notebook, a table of the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metabt.analysis.summary import COLUMNS
from metabt.lakehouse.evidence import Evidence
from metabt.runs.plan_notes import PlanNotes
from metabt.runs.sweep_notes import SweepNotes
from metabt.values.markup import table


@dataclass(frozen=True)
class Outlook:
    """Numbers of what a sweep is going to compute."""

    n_jobs: int
    """Configurations."""
    n_failed: int
    """Configurations that cannot run."""
    n_found: int
    """Configurations that are stored already."""
    n_blocks: int
    """Blocks that the others name, each configuration for itself."""
    n_distinct: int
    """Distinct ones among them."""
    n_known: int
    """Distinct ones that are in the cache."""
    n_leaf_distinct: int
    """Distinct blocks of leaves."""
    n_leaf_known: int
    """Those of them that are in the cache."""
    notes: tuple[PlanNotes, ...] = ()
    """What is known beforehand of trees, and of flat baselines; empty where that was not asked for."""


@dataclass(frozen=True)
class Swept:
    """The result of one configuration of a sweep."""

    run_id: str
    """Its identity."""
    overrides: tuple[str, ...]
    """Its overrides."""
    status: str
    """ok or failed."""
    error: str | None
    """Message of the error that ended it; None where it is ok."""
    found: bool
    """Whether it was stored before."""
    metrics: Mapping[str, float]
    """The root's metrics; empty where it failed."""
    cash: str | float | None = None
    """What its cash earns, beyond which its ratios are: the name of a rate, or a constant; None earns nothing."""


@dataclass(frozen=True, repr=False)
class Sweep:
    """The result of a sweep."""

    sweep_id: str
    """Digest of the runs it is made of; of a search, of what is searched and how."""
    outlook: Outlook
    """Numbers of what it was going to compute."""
    runs: tuple[Swept, ...]
    """Its configurations, in their order."""
    computed: int
    """Blocks that were computed."""
    leaf_computed: int
    """Blocks of leaves among them."""
    seconds: float
    """Engine time."""
    notes: SweepNotes
    """What must be known of its ranking."""
    evidence: Evidence | None = None
    """What its runs are worth beside everything that was tried; None where nobody asked."""

    def __repr__(self) -> str:
        return f"Sweep({self._head})"

    def _repr_html_(self) -> str:
        """Return the configurations that did best, by Sharpe ratio, as a table."""
        best = sorted(self.runs, key=lambda run: -np.nan_to_num(run.metrics.get("sharpe", np.nan), nan=-np.inf))
        rows = [
            [", ".join(run.overrides) or "as it is", run.run_id[:12], run.status, *_key_metrics(run)]
            for run in best[:SHOWN]
        ]
        headings = ["Configuration", "Run", "Status", *(COLUMNS[name][0] for name in KEYS)]
        left = f"{len(best) - SHOWN:,} more, with lower Sharpe ratios." if len(best) > SHOWN else ""
        return table(f"Sweep {self._head}", headings, rows, left)

    @property
    def _head(self) -> str:
        failed = sum(run.status != "ok" for run in self.runs)
        return (
            f"{self.sweep_id[:12]}, {len(self.runs):,} configurations, {failed:,} failed; "
            f"{self.computed:,} blocks computed in {self.seconds:.1f} s"
        )


SHOWN = 30
"""Configurations that a notebook shows of a sweep."""
KEYS = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")
"""Metrics of each of them."""


def _key_metrics(run: Swept) -> list[str]:
    values = [run.metrics.get(name, np.nan) for name in KEYS]
    return [
        COLUMNS[name][1].format(it).strip() if np.isfinite(it) else "-" for name, it in zip(KEYS, values, strict=True)
    ]
