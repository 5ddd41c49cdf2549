"""The returns of a family of trials: a matrix that need not be in memory as a whole.

What reads it asks for columns `start : stop`, a block of trials after the other, as often as it needs them: from an
array, a file that is mapped, or a function that reads or makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from metabt.errors import DataError

BLOCK = 1024
"""Trials of a block: 20 years of them are 41 MB as float64."""


@dataclass(frozen=True)
class TrialReturns:
    """Excess returns a session of many trials, read by columns."""

    n_sessions: int
    """Rows: the sessions that the trials' span has, oldest first."""
    n_trials: int
    """Columns."""
    columns: Callable[[int, int], np.ndarray]
    """(start, stop) -> (n_sessions, stop - start) float32 or float64, fractions, NaN where a trial has no stream; the
    same numbers whenever it is asked."""

    @classmethod
    def of(cls, returns: np.ndarray | TrialReturns) -> TrialReturns:
        """Return a matrix as what is read by columns; what is so already is handed back.

        Parameters
        ----------
        returns : (n_sessions, n_trials) excess returns a session, NaN where a trial has no stream

        Raises
        ------
        DataError
            For an array that is not of two dimensions, or holds no floating-point numbers.
        """
        if isinstance(returns, TrialReturns):
            return returns
        matrix = np.asanyarray(returns)
        if matrix.ndim != 2 or matrix.dtype.kind != "f":
            raise DataError(
                f"returns of trials: shape {matrix.shape} of {matrix.dtype}; wanted (n_sessions, n_trials) of floats"
            )
        return cls(matrix.shape[0], matrix.shape[1], lambda start, stop: matrix[:, start:stop])

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the columns of each block and their returns, (n_sessions, at most size).

        Raises
        ------
        DataError
            For a block of another shape than was asked for, or with an infinite return.
        """
        for start in range(0, self.n_trials, size):
            place = slice(start, min(start + size, self.n_trials))
            yield place, self._checked(place)

    def _checked(self, place: slice) -> np.ndarray:
        block = np.asarray(self.columns(place.start, place.stop))
        wanted = (self.n_sessions, place.stop - place.start)
        if block.shape != wanted or block.dtype.kind != "f":
            raise DataError(
                f"returns of trials {place.start} to {place.stop - 1}: shape {block.shape} of {block.dtype}; "
                f"wanted {wanted} of floats"
            )
        # an infinite return makes the sum infinite or NaN; only then is it looked for
        if not np.isfinite(np.einsum("tk->", block)) and np.isinf(block).any():
            session, trial = np.argwhere(np.isinf(block))[0].tolist()
            raise DataError(
                f"trial {place.start + trial}: an infinite return in session {session}; wanted a fraction, or NaN "
                "where the trial has no stream"
            )
        return block
