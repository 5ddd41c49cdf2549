"""Realised risk: which child, and which asset, made how much of the variance of a sleeve's stream before costs.

Shares are `cov(x_c, R) / var(R)`, with x_c what item c contributed to R. Children on other calendars are streams side
by side, so both are taken between the sessions that all datasets beneath the sleeve have
(metabt.analysis.common_sessions): stocks earn nothing on Saturday, and what they earn on Monday is of the same days.

1. R compounds between common sessions.
2. What an item contributed in a session counts with what the sleeve had grown to by then since the last common one,
   `x_kc = sum_t G_{t-1} x_tc` with `G_t = prod (1 + R)`, so that contributions add up to the compounded R.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.analysis.common_sessions import Series, compounded, on_common_sessions
from metabt.analysis.sleeve_history import SleeveHistory
from metabt.estimators.moments.risk_contribution import realised, realised_by


def realised_by_child(history: SleeveHistory) -> np.ndarray:
    """Return the realised shares of variance of a meta sleeve's children and, last, of cash.

    Parameters
    ----------
    history : a meta sleeve whose stream has begun

    Returns
    -------
    (n_children + 1,) shares that sum to one; NaN where the stream is constant
    """
    periods, earned = _Periods.of(history), history.earned[history.begin :]
    return realised(periods.added_up(earned), periods.gross)


def realised_by_asset(root: SleeveHistory) -> np.ndarray:
    """Return the realised shares of variance of the root's assets, looked through, and last of cash.

    Parameters
    ----------
    root : whose stream has begun

    Returns
    -------
    (n_assets + 1,) shares that sum to one; NaN where the stream is constant
    """
    periods = _Periods.of(root)

    def earned(weights: np.ndarray) -> np.ndarray:
        whole = np.zeros(len(root.block.dates))
        whole[root.begin : root.size] = periods.spread(weights)
        return root.book.earned(whole)

    return realised_by(earned, periods.gross, len(root.layout.symbols))


@dataclass(frozen=True)
class _Periods:
    """A stream cut at its common sessions."""

    gross: np.ndarray
    """(n_periods,) returns before costs from one common session to the next."""
    growth: np.ndarray
    """(n_sessions,) what the stream had grown to before each session since the last common one; 0 outside."""
    bounds: np.ndarray
    """(n_periods + 1,) rows of the common sessions in the stream, -1 for its inception."""

    @classmethod
    def of(cls, history: SleeveHistory) -> _Periods:
        """Cut the stream of a sleeve at the sessions that all datasets beneath it have."""
        gross, dates = history.rows("gross")[history.begin :], history.dates[history.begin :]
        clock = Series(history.common, np.zeros(len(history.common)))
        bounds, _ = on_common_sessions(Series(dates, gross, history.inception), clock).bounds
        growth = np.zeros(len(gross))
        if len(bounds) > 1:
            inside = slice(bounds[0] + 1, bounds[-1] + 1)
            nav = np.cumprod(np.append(1.0, 1.0 + gross))  # by row, before the session
            growth[inside] = nav[:-1][inside] / np.repeat(nav[bounds[:-1] + 1], np.diff(bounds))
        return cls(compounded(gross, bounds), growth, bounds)

    def added_up(self, amounts: np.ndarray) -> np.ndarray:
        """Return contributions by period, (n_periods, n_items), of those by session, (n_sessions, n_items)."""
        if len(self.bounds) < 2:
            return np.empty((0, amounts.shape[1]))
        grown = self.growth[:, None] * amounts
        found: np.ndarray = np.add.reduceat(grown[: self.bounds[-1] + 1], self.bounds[:-1] + 1, axis=0)
        return found

    def spread(self, weights: np.ndarray) -> np.ndarray:
        """Return a weight by session, (n_sessions,), that adds amounts up as weights of periods, (n_periods,), do."""
        found = np.zeros(len(self.growth))
        if len(self.bounds) > 1:
            inside = slice(self.bounds[0] + 1, self.bounds[-1] + 1)
            found[inside] = self.growth[inside] * np.repeat(weights, np.diff(self.bounds))
        return found
