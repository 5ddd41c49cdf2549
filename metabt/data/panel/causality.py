"""Causality: whether what a panel says of a session depends on later ones.

1. Take away every session behind T, prices and all, and compute the last partition of what is left.
2. Its last row, that of T, must be what the whole panel has at T, to the bit.
3. Do so for sessions spread over the panel, most of them inside a partition, where a function is shown later ones.
4. Steps beneath it, between prices and returns, are checked by themselves (metabt.data.panel.step_causality).
"""

from __future__ import annotations

import numpy as np

from metabt.data.panel.plan import Plan
from metabt.data.panel.scheduling import Scheduler
from metabt.data.panel.sheet import Sheet
from metabt.data.panel.step_causality import check_step
from metabt.data.panel.stepped import layers
from metabt.errors import DataError


def check_causal(plan: Plan, scheduler: Scheduler, sessions: int) -> None:
    """Raise DataError where a session's row changes when later sessions are taken away.

    `sessions` of them, spread over the plan, are compared to the bit; `scheduler` computes them.
    """
    for dataset in plan.datasets:
        for layer in layers(dataset):
            check_step(layer)
    chosen = np.unique(np.linspace(0, len(plan.dates) - 1, sessions, dtype=int)).tolist()
    for row in chosen:
        _compare(_last(plan.cut(slice(row, row + 1)), scheduler), _last(plan.until(row + 1), scheduler))


def _last(plan: Plan, scheduler: Scheduler) -> Sheet:
    """Return the last session of a plan alone."""
    n_sessions = len(plan.dates)
    (sheet,) = scheduler.sheets(plan.cut(slice(n_sessions - 1, n_sessions)))
    return sheet


def _compare(whole: Sheet, alone: Sheet) -> None:
    for field, matrix in whole.fields.items():
        differs = matrix[0].view(np.uint64) != alone[field][0].view(np.uint64)
        if differs.any():
            column = int(np.flatnonzero(differs)[0])
            raise DataError(
                f"field '{field}' of {whole.symbols[column]} on {whole.dates[0]} is {matrix[0, column]:g}, and "
                f"{alone[field][0, column]:g} when later sessions are taken away: its function looks ahead; "
                "let each row of its answer depend on that row and earlier ones alone"
            )
