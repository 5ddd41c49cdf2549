"""Year windows: what is measured of the sessions inside `(t - 1 year, t]`, for many t at once.

The window is one of the calendar: a stream whose calendar changes, because a sleeve on another one joins it, has more
sessions in later windows than in earlier ones. Each window is annualised by the sessions that it has inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metabt.analysis.calendar_time import year_before
from metabt.numerics.dispersion import within_rounding


@dataclass(frozen=True)
class Inside:
    """A series inside windows."""

    centred: np.ndarray
    """(n_inside,) returns less the mean of their window, window after window."""
    squares: np.ndarray
    """(n_windows,) sums of their squares."""
    constant: np.ndarray
    """(n_windows,) bool, up to rounding."""


@dataclass(frozen=True)
class YearWindows:
    """Windows over the sessions of one series, or of several on common sessions."""

    starts: np.ndarray
    """(n_windows,) first row inside."""
    stops: np.ndarray
    """(n_windows,) one after the last row inside."""

    @classmethod
    def of(cls, dates: np.ndarray, ends: np.ndarray) -> YearWindows:
        """Return the windows that end at dates.

        Parameters
        ----------
        dates : (n_sessions,) datetime64[D], strictly increasing
        ends : (n_windows,) datetime64[D], whether sessions or not

        Returns
        -------
        A window for each of `ends`, in their order
        """
        starts, stops = (np.searchsorted(dates, limits, side="right") for limits in (year_before(ends), ends))
        return cls(starts, stops)

    @cached_property
    def counts(self) -> np.ndarray:
        """(n_windows,) sessions inside, which is how many a year has as measured there."""
        return self.stops - self.starts

    @cached_property
    def _window(self) -> np.ndarray:
        """(n_inside,) which window each row that is inside one is of, window after window."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @cached_property
    def _rows(self) -> np.ndarray:
        """(n_inside,) the rows themselves."""
        before = np.cumsum(self.counts) - self.counts
        return np.arange(len(self._window)) + np.repeat(self.starts - before, self.counts)

    def moments(self, returns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and sample standard deviation (ddof 1) of each window.

        Parameters
        ----------
        returns : (n_sessions,) simple returns of the sessions that the windows were made of

        Returns
        -------
        mean, deviation : (n_windows,) a session each; the mean of none is NaN. The deviation is exactly 0 where the
            returns are constant (metabt.numerics.dispersion), and NaN of fewer than two
        """
        mean, centred = self._centred(returns)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = self._sums(centred**2) / (self.counts - 1)
        moves = ~self._constant(returns)
        return mean, np.where(self.counts > 1, np.sqrt(np.where(moves, variance, 0.0)), np.nan)

    def correlation(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the correlation of two series in each window.

        Parameters
        ----------
        one, other : (n_sessions,) simple returns of the sessions that the windows were made of

        Returns
        -------
        (n_windows,) correlations; NaN where one of them is constant
        """
        return self.correlation_of(self.inside(one), self.inside(other))

    def inside(self, returns: np.ndarray) -> Inside:
        """Return what is known of a series in each window, for its correlations with several others."""
        _, centred = self._centred(returns)
        return Inside(centred, self._sums(centred * centred), self._constant(returns))

    def correlation_of(self, one: Inside, other: Inside) -> np.ndarray:
        """Return `correlation` of two series, given what is known of each."""
        moves = ~(one.constant | other.constant)
        squares = np.where(moves, one.squares * other.squares, np.nan)
        return np.clip(self._sums(one.centred * other.centred) / np.sqrt(squares), -1.0, 1.0)

    def _centred(self, returns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of each window, (n_windows,), and what is inside less that of its own, (n_inside,)."""
        inside = returns[self._rows]
        with np.errstate(invalid="ignore"):
            mean = self._sums(inside) / self.counts
        return mean, inside - mean[self._window]

    def _sums(self, inside: np.ndarray) -> np.ndarray:
        return np.bincount(self._window, inside, len(self.counts))

    def _constant(self, returns: np.ndarray) -> np.ndarray:
        """Return which windows are constant, (n_windows,); one without a session is."""
        found = np.ones(len(self.counts), bool)
        there = self.counts > 0
        firsts = (np.cumsum(self.counts) - self.counts)[there]
        inside = returns[self._rows]
        if len(firsts):
            low, high = np.minimum.reduceat(inside, firsts), np.maximum.reduceat(inside, firsts)
            found[there] = within_rounding(low, high)
        return found
