"""Estimators of the `fit(X)` / `weights_` convention behind metabt's interface, one window at a time.

1. For each decision, cut the window and the supported columns.
2. Build a fresh estimator and fit it: nothing of another decision can leak into this one.
3. A solver that fails is a decision without solution; its reason is kept in `failures_`.
4. A window of one item is not fitted: its weight is 1, or it has no solution within the bounds.
5. What comes back is checked at the boundary: finite, the right shape, summing to one, within the bounds. What a
   solver leaves as noise, at most 1e-4, is taken off, so that sum and bounds hold as exactly as for native optimizers.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metabt.errors import ConfigError, RunError
from metabt.estimators.current_decision import deciding
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.optimizers.capped import capped
from metabt.estimators.parameters import checked_parameters
from metabt.estimators.windows import Windows

FAILURES: tuple[type[Exception], ...] = (ValueError, ArithmeticError, np.linalg.LinAlgError)
"""What numerical code raises when a window has no solution; anything else is a defect, and surfaces."""

NOISE = 1e-4
"""How far a solver's weights may miss their sum and their bounds."""


class FittedOptimizer(Optimizer):
    """Any estimator whose `fit(X)` leaves `weights_`.

    Parameters
    ----------
    build : callable
        Returns a fresh estimator.
    failures : tuple of exception types
        What the estimator raises where a window has no solution.
    min_weight, max_weight : float
        Bounds that the estimator was built with; weights outside them are no solution.
    needs_variance : bool
        Whether it is not given what is constant over its window. A plug-in says so by an attribute of this name; one
        that does not is taken to measure risk, which a constant column spoils.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        *,
        failures: tuple[type[Exception], ...] = FAILURES,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
        needs_variance: bool = True,
    ) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.needs_variance = needs_variance
        self._build = build
        self._failures = failures
        self._last = threading.local()

    @property
    def failures_(self) -> tuple[tuple[int, str], ...]:  # type: ignore[override]  # native ones have none, ever
        """(decision, message) of what could not be solved in the last call of the thread that asks."""
        return getattr(self._last, "failures", ())

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        failed = []
        for d in np.flatnonzero(support.any(axis=1)):
            deciding(windows.when(d))
            try:
                columns = np.flatnonzero(support[d])
                fitted = self._alone(windows, columns) if len(columns) == 1 else self._fit(windows, d, columns)
                weights[d, columns] = self._checked(fitted, len(columns))
                solved[d] = True
            except self._failures as error:  # a window without solution falls back; the reason is kept
                failed.append((int(d), f"{type(error).__name__}: {error}"))
            except Exception as error:  # foreign code: whatever else it raises ends this sleeve, and no other
                raise RunError(
                    f"{windows.when(d)}: the optimizer failed on {int(support[d].sum())} assets "
                    f"with {type(error).__name__}: {error}; mend its parameters, or the plug-in it comes from"
                ) from error
        self._last.failures = tuple(failed)

    def _fit(self, windows: Windows, decision: int | np.integer, columns: np.ndarray) -> np.ndarray:
        """Return the weights of some columns, (n_supported,), fitted on the window of one decision."""
        built = self._build()
        built.fit(windows.window(decision)[:, columns])
        weights: np.ndarray = built.weights_
        return weights

    def _alone(self, windows: Windows, columns: np.ndarray) -> np.ndarray:
        """Return the weight of the only column that is supported, (1,)."""
        return np.ones(1)

    def _checked(self, fitted: np.ndarray, n_assets: int) -> np.ndarray:
        """Return the weights without the noise of a solver; a larger miss is a failure."""
        weights = np.asarray(fitted, dtype=np.float64)
        if weights.shape != (n_assets,) or not np.isfinite(weights).all():
            raise ValueError(f"weights of shape {weights.shape}, or not finite; wanted {n_assets} finite numbers")
        if abs(weights.sum() - 1.0) > NOISE:
            raise ValueError(f"weights sum to {weights.sum():.6g}; wanted 1")
        if weights.min() < self.min_weight - NOISE or weights.max() > self.max_weight + NOISE:
            raise ValueError(
                f"weights from {weights.min():.6g} to {weights.max():.6g}; "
                f"wanted them within [{self.min_weight:g}, {self.max_weight:g}]"
            )
        row = np.maximum(weights, 0.0)[None]
        return capped(row, np.ones(row.shape, bool), self.min_weight, self.max_weight)[0][0]


def fitted_optimizer(who: str, builder: Callable[..., Any], params: Mapping[str, Any]) -> FittedOptimizer:
    """Return an installed plug-in's optimizer, which gets bounds if its constructor takes them.

    Raises
    ------
    ConfigError
        For a parameter that the constructor lacks, bounds included.
    """
    parameters = checked_parameters(who, builder, params)
    bounds = {key: parameters[key] for key in ("min_weight", "max_weight") if key in parameters}
    if bounds and not set(bounds) <= set(inspect.signature(builder).parameters):
        raise ConfigError(f"{who} cannot honour bounds; leave out {', '.join(bounds)}")
    needs_variance = bool(getattr(builder, "needs_variance", True))
    return FittedOptimizer(lambda: builder(**parameters), **bounds, needs_variance=needs_variance)
