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

    needs_variance: bool = True
    """Whether it measures risk: it is then not given what is constant over its window; see `unranked`."""
    reads_volume: ClassVar[bool] = False
    """Whether it reads traded volume; if so, digests of volumes are part of a block's key."""
    support_: np.ndarray
    """(n_assets,) bool, after `fit`."""

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Set `support_`, (n_assets,) bool, from one window of returns.

        Parameters
        ----------
        X : (n_observations, n_assets)
            Simple returns, oldest first, 0 in gaps; all columns are eligible.
        y : ignored
            For tools that pass one.

        Returns
        -------
        Self
            The selector itself.
        """
        windows = Windows.single(np.asarray(X, dtype=np.float64))
        self.support_ = self.select(windows, np.ones((1, windows.returns.shape[1]), bool))[0]
        return self

    def get_support(self) -> np.ndarray:
        """Return the support that `fit` found.

        Returns
        -------
        (n_assets,) bool
        """
        return self.support_

    @abstractmethod
    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return which columns each decision may hold.

        Parameters
        ----------
        windows : Windows
            Training windows of `n_decisions` decisions over `n_assets` columns.
        eligible : (n_decisions, n_assets) bool
            The columns that each decision may choose from.

        Returns
        -------
        (n_decisions, n_assets) bool
            The support of every decision, a subset of `eligible`.
        """

    def unranked(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return what decisions may hold in which every eligible column is constant, so that there is no risk to rank.

        Parameters
        ----------
        windows : Windows
            Training windows of `n_decisions` decisions over `n_assets` columns.
        eligible : (n_decisions, n_assets) bool
            The columns that each decision may choose from.

        Returns
        -------
        (n_decisions, n_assets) bool
            All of them, but for those that are ruled out for another reason.
        """
        return eligible

    @abstractmethod
    def most(self, n_assets: int) -> int:
        """Return how many assets can be selected at most; bounds on weights are checked against it.

        Parameters
        ----------
        n_assets : int
            Assets in the universe.

        Returns
        -------
        int
            At most `n_assets`.
        """
