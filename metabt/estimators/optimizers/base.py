"""What an optimizer is: `fit(X)` leaves `weights_`; `weigh(windows, support)` solves a whole stack of windows.

1. The engine hands over the windows of many decisions and, for each, which columns the selector left: the support.
2. A native optimizer solves them in one call of its kernel, each window by itself, on its supported columns alone.
3. A window without a solution says so (`solved` False, weights 0): the caller falls back, no number is made up.
4. `fit` is `weigh` on one window, so both give the same bits.
5. An optimizer that looks at what is held solves the windows of a stack one after another (`in_turn`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from metabt.errors import ConfigError, RunError, nearest
from metabt.estimators.solvers.tolerance import DUST
from metabt.estimators.windows import Windows


class Optimizer(ABC):
    """Weights for the supported columns of every window; they sum to one and respect the bounds.

    Parameters
    ----------
    min_weight, max_weight : float
        Bounds of every supported asset's weight, `0 <= min_weight <= max_weight <= 1`; 0 and 1 bind nothing.

    Raises
    ------
    ConfigError
        For bounds out of order or range.
    """

    needs_variance: bool = True
    """Whether it measures risk: it is then not given what is constant over its window (metabt.walk.candidates)."""
    needs_history: bool = True
    """Whether it estimates anything: a meta sleeve then has a warm-up, until its children have streams to estimate."""
    weights_: np.ndarray
    """(n_assets,) weights, after `fit`."""
    named: tuple[str, ...] = ()
    """Items that its parameters speak of: symbols, or names of children."""
    by_name: Mapping[str, object] = MappingProxyType({})
    """Parameters that are mappings by item -> the value of an item that such a mapping leaves out, or None."""
    texts: tuple[str, ...] = ()
    """Parameters that are texts, or lists of them, which speak of items."""
    by_position: tuple[str, ...] = ()
    """Parameters that go by the position of items."""
    failures_: tuple[tuple[int, str], ...] = ()
    """(decision, message) of what a plug-in could not solve in the last call; native ones give no message."""

    def __init__(self, *, min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        if not (0.0 <= min_weight <= max_weight <= 1.0 and max_weight > 0.0):
            raise ConfigError(
                f"{type(self).__name__}: min_weight {min_weight:g} and max_weight {max_weight:g}; "
                "wanted 0 <= min_weight <= max_weight <= 1 and max_weight above 0"
            )
        self.min_weight = float(min_weight)
        self.max_weight = float(max_weight)

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Set `weights_`, (n_assets,), from one window of returns.

        Parameters
        ----------
        X : (n_observations, n_assets)
            Simple returns, oldest first, 0 in gaps; all columns are supported.
        y : ignored
            For tools that pass one.

        Returns
        -------
        Self
            The optimizer itself.

        Raises
        ------
        RunError
            If this window has no solution.
        """
        windows = Windows.single(np.asarray(X, dtype=np.float64))
        weights, solved = self.weigh(windows, np.ones((1, windows.returns.shape[1]), bool))
        if not solved[0]:
            raise RunError(
                f"{type(self).__name__}: no solution for {windows.returns.shape[0]} observations of "
                f"{windows.returns.shape[1]} assets within [{self.min_weight:g}, {self.max_weight:g}]; "
                "look for assets without variance, values that are not finite, or bounds that cannot sum to one"
            )
        self.weights_ = weights[0]
        return self

    def check_names(self, names: Sequence[str], who: str, where: str) -> None:
        """Raise ConfigError where its parameters speak of an item that is not among `names`.

        Parameters
        ----------
        names : sequence of str
            Symbols of the universe, or names of children.
        who, where : str
            The optimizer and the place of those names, as the message has them: "in its universe".

        Raises
        ------
        ConfigError
            Naming the first that is not there, and the nearest that is.
        """
        known = set(names)
        for name in self.named:
            if name not in known:
                raise ConfigError(f"{who} speaks of '{name}', which is not {where}{nearest(name, known)}")

    @property
    def path_dependent(self) -> bool:
        """Whether a decision depends on what is held when it is taken, so that decisions are taken one by one."""
        return False

    def weigh(self, windows: Windows, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of every decision, as if nothing were held when it is taken.

        Parameters
        ----------
        windows : Windows
            Training windows of `n_decisions` decisions over `n_assets` columns.
        support : (n_decisions, n_assets) bool
            The columns that each decision may hold.

        Returns
        -------
        weights : (n_decisions, n_assets)
            0 outside the support, and in rows without a solution.
        solved : (n_decisions,) bool
            Whether the decision has a solution.
        """
        support = np.array(support, dtype=np.bool_)  # a fresh one: what is read-only is another type to numba
        weights, solved = np.zeros(support.shape), np.zeros(len(support), bool)
        self._solve(windows, support, weights, solved)
        self.put_on_bounds(weights, support)
        weights[~solved] = 0.0
        return weights, solved

    def put_on_bounds(self, weights: np.ndarray, support: np.ndarray) -> None:
        """Put weights that a solver left next to a bound on it, in place: what is not held is exactly 0.

        Parameters
        ----------
        weights : (..., n_assets)
        support : bool, of that shape
            The columns that have bounds.
        """
        for bound in (self.min_weight, self.max_weight):
            np.copyto(weights, bound, where=support & (np.abs(weights - bound) <= DUST))

    def in_turn(self, windows: Windows, support: np.ndarray) -> PathDependent:
        """Return an object that takes the same decisions one after another, each from what is held by then.

        Parameters
        ----------
        windows : Windows
            Training windows of `n_decisions` decisions over `n_assets` columns.
        support : (n_decisions, n_assets) bool
            The columns that each decision may hold.

        Returns
        -------
        PathDependent
            `weigh(decision, previous)` returns the weights of one of them.
        """
        return PathDependent(self, windows, np.array(support, dtype=np.bool_))

    @abstractmethod
    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        """Write weights and solved, which arrive as zeros and False."""


@dataclass
class PathDependent:
    """Decisions that are taken one after another, each from what is held by then; here, whatever is held."""

    optimizer: Optimizer
    """What decides."""
    windows: Windows
    """Training windows of `n_decisions` decisions over `n_assets` columns."""
    support: np.ndarray
    """(n_decisions, n_assets) bool, the columns that each decision may hold."""

    def weigh(self, decision: int, previous: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the weights of one decision.

        Parameters
        ----------
        decision : int
            Which of the windows.
        previous : (n_assets,)
            Weights that are held when it is taken, and traded away from.

        Returns
        -------
        weights : (n_assets,)
            0 where there is no solution.
        solved : bool
            Whether there is one.
        """
        one = slice(decision, decision + 1)
        weights, solved = self.optimizer.weigh(self.windows.take(one), self.support[one])
        return weights[0], bool(solved[0])
