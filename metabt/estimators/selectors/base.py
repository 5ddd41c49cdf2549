"""What a selector is: `fit(X)` leaves a support; `select(windows, eligible)` selects for a whole stack of windows.

A decision's selection is a function of its own window and its own eligible columns, and a subset of the latter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from metabt.estimators.windows import Windows


class Selector(ABC):
    """Which of the eligible assets a decision may hold."""

    reads_volume: ClassVar[bool] = False
    """It looks at traded volume, so volume is part of what its answers depend on."""
    support_: np.ndarray
    """(n_assets,) bool, after `fit`."""

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Select from X, (n_observations, n_assets) simple returns, oldest first, all of them eligible."""
        windows = Windows.single(np.asarray(X, dtype=np.float64))
        self.support_ = self.select(windows, np.ones((1, windows.returns.shape[1]), bool))[0]
        return self

    def get_support(self) -> np.ndarray:
        """Return the (n_assets,) bool support that `fit` found."""
        return self.support_

    @abstractmethod
    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return the (n_decisions, n_assets) bool support of every decision, a subset of `eligible`."""

    @abstractmethod
    def most(self, n_assets: int) -> int:
        """Return how many of `n_assets` can be selected at most: what bounds on weights are checked against."""
