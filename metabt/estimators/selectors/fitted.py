"""Selectors of the `fit(X)` / `get_support()` convention behind metabt's interface, one window at a time.

1. For each decision, cut the window and the eligible columns, build a fresh selector and fit it.
2. Its support is checked for shape and written back to the columns it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metabt.errors import RunError
from metabt.estimators.current_decision import deciding
from metabt.estimators.selectors.base import Selector
from metabt.estimators.windows import Windows


class FittedSelector(Selector):
    """Any estimator whose `fit(X)` makes `get_support()` answer.

    Parameters
    ----------
    build : callable
        Returns a fresh selector.
    needs_variance : bool
        Whether it is not given what is constant over its window. A plug-in says so by an attribute of this name; one
        that does not is taken to measure risk.
    """

    def __init__(self, build: Callable[[], Any], *, needs_variance: bool = True) -> None:
        self._build = build
        self.needs_variance = needs_variance

    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return the support of every decision; a decision without eligible columns has none."""
        support = np.zeros(eligible.shape, bool)
        for d in np.flatnonzero(eligible.any(axis=1)):
            deciding(windows.when(d))
            support[d, eligible[d]] = self._fit(windows.window(d)[:, eligible[d]], windows.when(d))
        return support

    def _fit(self, X: np.ndarray, when: str) -> np.ndarray:
        try:
            built = self._build()
            built.fit(X)
            chosen = np.asarray(built.get_support())
        except Exception as error:  # foreign code: whatever it raises ends this sleeve, and no other
            raise RunError(
                f"{when}: the selector failed on {X.shape[1]} assets with {type(error).__name__}: {error}; "
                "mend its parameters, or the plug-in it comes from"
            ) from error
        if chosen.shape != (X.shape[1],) or chosen.dtype != np.bool_:
            raise RunError(
                f"{when}: the selector returned {chosen.dtype} of shape {chosen.shape}; wanted {X.shape[1]} booleans"
            )
        return chosen

    def most(self, n_assets: int) -> int:
        """Return `n_assets`: what such a selector does is known only once it is fitted."""
        return n_assets
