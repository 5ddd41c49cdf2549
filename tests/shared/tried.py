"""Sweeps that never were: configurations of a grid with metrics that are drawn or stated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from metabt.report.sweep.tried import METRICS, Curve, Tried

DAYS = np.arange("2015-01-01", "2018-01-01", dtype="datetime64[D]")


def tried_of(
    grid: dict[str, Sequence[object]],
    sharpe: Callable[..., float],
    failing: Callable[..., str | None] = lambda *values: None,
) -> Tried:
    """Return a sweep over every combination of `grid`, its Sharpe ratios and errors those of each combination."""
    rows = [*product(*grid.values())]
    errors = [failing(*row) for row in rows]
    scores = np.array([np.nan if error else sharpe(*row) for row, error in zip(rows, errors, strict=True)], float)
    metrics = {name: scores * (0.1 if name != "sharpe" else 1.0) for name in METRICS}
    overrides = [("portfolio=mine", *(f"{key}={value}" for key, value in zip(grid, row, strict=True))) for row in rows]
    run_ids = tuple(f"{number:064x}" for number in range(len(rows)))
    return Tried("ab" * 32, ("mine",), "2026-01-02 03:04:05", run_ids, tuple(overrides), tuple(errors), metrics, curves)


def curves(wanted: Sequence[str]) -> dict[str, Curve]:
    """Return a curve for each run, another one for every identity."""
    steps = {run_id: np.random.default_rng(int(run_id, 16)).normal(0, 0.01, len(DAYS)) for run_id in wanted}
    return {run_id: (DAYS, np.exp(np.cumsum(step))) for run_id, step in steps.items()}
