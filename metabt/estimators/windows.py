"""Windows: the training windows of a stack of decisions, cut from one matrix of returns.

Decision d may see rows `stops[d] - lengths[d] : stops[d]`, no others. Windows of one sleeve overlap, so they are
kept as row ranges over the matrix they share.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

import numpy as np

from metabt.estimators.moments.arrays import index, matrix
from metabt.estimators.moments.risk_contribution import ex_ante, ex_ante_of_returns
from metabt.estimators.moments.sample import mean_and_covariance, sample_variance
from metabt.numerics.dispersion import constant_windows
from metabt.values.lazy_property import lazy_property

WIDE = 100
"""Columns from which on a covariance is not formed where its products with a few vectors are all that is wanted."""

REMEMBERED = 2
"""Estimates that windows keep, the newest ones: a sweep over selectors has one for each."""


@dataclass(frozen=True)
class Windows:
    """Training windows of `n_decisions` decisions over `n_assets` columns."""

    returns: np.ndarray
    """(n_rows, n_assets) simple returns, C-contiguous, oldest first, 0 in gaps."""
    stops: np.ndarray
    """(n_decisions,) int64: the row after the last one that a decision may see."""
    lengths: np.ndarray
    """(n_decisions,) int64: rows in the window."""
    dollar_volume: np.ndarray | None = None
    """(n_rows, n_assets) close x volume, NaN where unknown; None where the dataset has no volume."""
    names: tuple[str, ...] = ()
    """(n_assets,) for estimators that know items by name: symbols, or the digests of a meta sleeve's children."""
    sessions: np.ndarray | None = None
    """(n_decisions,) datetime64[D] sessions that are decided on, for messages; None where they are not known."""
    idle: np.ndarray | None = None
    """(n_rows,) simple returns of cash in the same rows; None where it earns nothing."""
    signs: np.ndarray | None = None
    """(n_assets,) -1 where the column has -r of an asset that is held short, else 1; None for all 1."""

    def __len__(self) -> int:
        """Return the number of decisions."""
        return len(self.stops)

    def rows(self, decision: int | np.integer) -> slice:
        """Return the rows that a decision may see."""
        return slice(int(self.stops[decision] - self.lengths[decision]), int(self.stops[decision]))

    def window(self, decision: int | np.integer) -> np.ndarray:
        """Return X, (lookback, n_assets): a view of the returns that a decision may see."""
        return self.returns[self.rows(decision)]

    @lazy_property
    def idle_mean(self) -> np.ndarray | None:
        """(n_decisions, n_assets) mean return of cash in every window, as it counts against a column's mean.

        What is held short gives its proceeds to cash: beyond cash it returns -r + f. None where cash earns nothing.
        """
        if self.idle is None:
            return None
        rows = np.ascontiguousarray(self.idle[:, None])
        mean, _ = mean_and_covariance(rows, self.stops, self.lengths)
        return mean * (np.ones(self.returns.shape[1]) if self.signs is None else self.signs)

    @property
    def mean(self) -> np.ndarray:
        """(n_decisions, n_assets) mean return of every window."""
        return self._moments[0]

    @property
    def covariance(self) -> np.ndarray:
        """(n_decisions, n_assets, n_assets) sample covariance (ddof 1) of every window."""
        return self._moments[1]

    @property
    def variance(self) -> np.ndarray:
        """(n_decisions, n_assets) sample variance (ddof 1) of every window: the diagonal of `covariance`, to the bit.

        Of few columns it is that: the risk contributions of whatever is decided need the whole matrix anyway.
        """
        if self.returns.shape[1] >= WIDE:
            return self._variance
        return np.diagonal(self.covariance, axis1=1, axis2=2)

    @lazy_property
    def _variance(self) -> np.ndarray:
        return sample_variance(self.returns, self.stops, self.lengths)

    @lazy_property
    def constant(self) -> np.ndarray:
        """(n_decisions, n_assets) bool: the asset's returns are the same in the whole window, up to rounding."""
        return constant_windows(matrix(self.returns), index(self.stops), index(self.lengths))

    def risk(self, weights: np.ndarray) -> np.ndarray:
        """Return ex-ante shares of variance of `weights`, both (n_decisions, n_assets); NaN without variance.

        What is constant in its window has no variance, whatever rounding left of it.
        """
        weights = np.where(self.constant, 0.0, weights)
        if self.returns.shape[1] >= WIDE:
            return ex_ante_of_returns(self.returns, self.stops, self.lengths, weights)
        return ex_ante(self.covariance, weights)

    @lazy_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        return mean_and_covariance(self.returns, self.stops, self.lengths)

    def estimated(self, key: Hashable, estimate: Callable[[], np.ndarray]) -> np.ndarray:
        """Return `estimate()`, kept under `key` for the next sleeve over these windows; the newest REMEMBERED stay."""
        if key not in self._estimates:
            found = estimate()
            while len(self._estimates) >= REMEMBERED:
                del self._estimates[next(iter(self._estimates))]
            self._estimates[key] = found
        return self._estimates[key]

    @lazy_property
    def _estimates(self) -> dict[Hashable, np.ndarray]:
        return {}

    def names_of(self, columns: np.ndarray) -> list[str]:
        """Return the names of some columns; x0, x1, ... by position where columns have none."""
        return [self.names[column] if self.names else f"x{column}" for column in columns]

    def when(self, decision: int | np.integer) -> str:
        """Return the name of a decision in messages: its session (ISO date), or its number where that is not known."""
        return f"decision {decision}" if self.sessions is None else str(self.sessions[decision])

    def take(self, decisions: np.ndarray | slice) -> Windows:
        """Return the windows of some decisions, given by positions, a mask or a slice; returns are shared."""
        sessions = None if self.sessions is None else self.sessions[decisions]
        return replace(self, stops=self.stops[decisions], lengths=self.lengths[decisions], sessions=sessions)

    @classmethod
    def single(cls, X: np.ndarray) -> Windows:
        """Return one window that is all of X, (n_observations, n_assets)."""
        returns = np.ascontiguousarray(X, dtype=np.float64)
        size = np.array([len(returns)], dtype=np.int64)
        return cls(returns, size, size)
