"""What the oracle leaves to metabt: one window decided near what is held, checked by tests of the optimizer itself."""

from __future__ import annotations

import numpy as np

from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.oracle import IN_TURN

__all__ = ["IN_TURN", "near"]


def near(name: str, X: np.ndarray, settings: dict, held: np.ndarray, sold: np.ndarray) -> np.ndarray | None:
    """Return the weights of one window, decided while something is held (tests/estimators/optimizers/test_turnover).

    `held`, (n_items,), is what is held of the columns of X, `sold` what is held of others; None is no solution.
    """
    columns, support = np.hstack([X, np.zeros((len(X), len(sold)))]), np.zeros((1, X.shape[1] + len(sold)), bool)
    support[0, : X.shape[1]] = True
    decisions = optimizer(name, **settings).in_turn(Windows.single(columns), support)
    weights, solved = decisions.weigh(0, np.concatenate([held, sold]))
    return weights[: X.shape[1]] if solved else None
