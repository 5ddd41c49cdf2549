"""Ranked: sweeps without a walk, for what is said of them."""

from __future__ import annotations

from types import SimpleNamespace as Namespace
from typing import Any

from metabt.runs.sweep_notes import SweepNotes
from metabt.runs.swept import Swept

METRICS = {"sharpe": 0.5, "cagr": 0.07, "volatility": 0.14, "max_drawdown": 0.3, "turnover": 0.25}


def swept(number: int, *overrides: str, error: str | None = None, **metrics: float) -> Swept:
    """Return what became of one configuration."""
    status = "ok" if error is None else "failed"
    values = {**METRICS, **metrics} if error is None else {}
    return Swept(f"{number:064x}"[::-1], overrides, status, error, found=False, metrics=values)


def sweep_of(*runs: Any) -> Any:
    figures = {"computed": 7, "leaf_computed": 4, "seconds": 1.25}
    return Namespace(sweep_id="5" * 64, runs=runs, notes=SweepNotes(0), evidence=None, **figures)


def outlook(**numbers: int) -> Any:
    names = "n_jobs n_failed n_found n_blocks n_distinct n_known n_leaf_distinct n_leaf_known".split()
    return Namespace(**{**dict.fromkeys(names, 0), "notes": (), **numbers})
