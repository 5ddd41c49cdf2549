"""Candidates: the items that decisions may give weight to, and the windows that these are estimated on.

1. An estimator that needs variance is not given an item whose window is constant up to rounding
   (metabt.numerics.dispersion): it would take everything, or leave the others without a solution.
2. Every estimator of a chain is asked for itself: one that needs no variance is given all of them.
3. A window may depend on who is in it, as that of a meta sleeve does. Those that are constant on it are left out, and
   the others' window is cut anew, until none is constant. Who is left out does not come back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.windows import Windows
from metabt.values.lazy_property import lazy_property


class Candidates:
    """What some decisions may hold, as each estimator is given it."""

    def __init__(self, support: np.ndarray, window: Callable[[np.ndarray], Windows]) -> None:
        """Take what has enough history.

        Parameters
        ----------
        support : (n_decisions, n_items) bool
        window : returns the decisions' windows, given the items that are in them, (n_decisions, n_items) bool
        """
        self._support, self._window = support, window

    @classmethod
    def on(cls, windows: Windows, support: np.ndarray) -> Candidates:
        """Return candidates whose windows are the same whoever is left out, as those of a leaf are."""
        return cls(support, lambda _: windows)

    def of(self, optimizer: Optimizer) -> tuple[Windows, np.ndarray]:
        """Return the windows that an optimizer is given, and its support, (n_decisions, n_items) bool."""
        return self._varying if optimizer.needs_variance else self._whole

    def risk(self, weights: np.ndarray, varied: np.ndarray) -> np.ndarray:
        """Return ex-ante shares of variance of `weights`, both (n_decisions, n_items), on the windows they came from.

        `varied` (n_decisions,) bool: weights of an optimizer that needs variance.
        """
        one, other = (pair[0] for pair in (self._varying, self._whole))
        if one is other or varied.all():
            return one.risk(weights)
        return np.where(varied[:, None], one.risk(weights), other.risk(weights))

    @lazy_property
    def _whole(self) -> tuple[Windows, np.ndarray]:
        return self._window(self._support), self._support

    @lazy_property
    def _varying(self) -> tuple[Windows, np.ndarray]:
        windows, support = self._whole
        left = support & ~windows.constant
        while (left != support).any():
            support, windows = left, self._window(left)
            left = support & ~windows.constant
        return windows, support
