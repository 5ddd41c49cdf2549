"""Choices: numbers that no formula gives, and that weights follow from, to the last bit or in hard cases further.

Who changes one changes results, and says so here too.
"""

from __future__ import annotations

from importlib import import_module

import pytest

CHOICES: dict[str, dict[str, float]] = {
    "estimators.clustering": {"ROUNDING": 1e-12},
    "estimators.moments.eigenpairs": {
        "PASSES": 40,
        "TURNS": 3,
        "NONE": 1e-140,
        "SMALL": -1e-300,
        "GOLDEN": (5**0.5 - 1) / 2,
    },
    "estimators.moments.ewma": {"HALF_LIFE": 63.0},
    "estimators.moments.rolling_scatter": {"BLOCK": 21, "MEANS": 0, "VARIANCES": 1, "COVARIANCES": 2},
    "estimators.optimizers.fitted": {"NOISE": 1e-4},
    "estimators.selectors._metrics": {"EFFICIENCY_ROWS": 120, "UNITS": 2.0**36},
    "estimators.selectors.decorrelate": {"ROUNDING": 1e-12},
    "estimators.solvers.active_set": {
        "ROUNDING": 1e-15,
        "CANCELLED": 1e-9,
        "MULTIPLIER": 1e-13,
        "SINGULAR": 1e-10,
    },
    "estimators.solvers.barrier": {"KEPT": 1e-2, "ENOUGH": 1e-16},
    "estimators.solvers.crash": {"OWN": 0.1, "SLACK": 1e-9},
    "estimators.solvers.frontier": {"RIDGE": 1e-8},
    "estimators.solvers.nearby": {"GAIN": 1e-13, "STEPS": 200},
    "estimators.solvers.one_factor": {"STEPS": 24, "NEAR": 3e-14, "OWN": 0.05},
    "estimators.solvers.tail_risk": {"GAP": 1e-10, "ROUNDING": 1e-15, "STEPS": 50, "STILL": 1e-14, "WHOLE": 1e-9},
    "estimators.solvers.tail_simplex": {"GAIN": 1e-13, "MOVES": 1e-11},
    "estimators.solvers.tail_start": {"JOLT": 1e-12, "GOLDEN": (5**0.5 - 1) / 2},
    "estimators.solvers.tolerance": {"FEASIBLE": 1e-12, "DUST": 1e-13},
    "estimators.solvers.wide": {"MANY": 150},
    "estimators.windows": {"WIDE": 100},
    "walk.costs": {"ROUNDING": 1e-12},
    "walk.holdings": {"ALIVE": -1},
}


@pytest.mark.parametrize("module", CHOICES)
def test_numbers_that_weights_follow_from_are_those_that_are_stated(module: str) -> None:
    found = vars(import_module(f"metabt.{module}"))
    assert {name: found[name] for name in CHOICES[module]} == CHOICES[module]
