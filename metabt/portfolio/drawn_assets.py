"""Drawn assets: which of a leaf's universe a rule on raw closes and volumes draws at each decision.

1. Only what has a price in the session can be drawn, of those that the rule may choose from.
2. `min_price` is a close of the session, `min_prices` a count of closes up to it, the session's own included. Closes
   before the partition are counted in the state, up to as many as are asked for.
3. `largest` ranks the mean of what was observed in the last sessions; of equals those whose symbol comes first. What
   was never observed in them is not drawn.

Means are taken over each decision's own window, row after row: bits depend on no other session and no other asset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.portfolio.drawn import Drawn


@dataclass(frozen=True)
class Levels:
    """What a rule reads of a leaf's assets."""

    close: np.ndarray
    """(before + n_sessions, n_assets) raw closes, NaN where there was none."""
    ranked: np.ndarray
    """(before + n_sessions, n_assets) what assets are ranked by, NaN where it was not observed."""


def drawn_assets(
    rule: Drawn, levels: Levels, before: int, rows: np.ndarray, allowed: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """Return which assets a rule draws at each decision.

    Parameters
    ----------
    rule : Drawn
    levels : Levels
        Of the partition's sessions, and `before` sessions ahead of them.
    rows : (n_decisions,) int64
        Sessions of the partition that decide.
    allowed : (n_decisions, n_assets) bool
        What it may choose from.
    seen : (n_assets,) int64
        Closes that each asset had before the partition, as far as the rule asks for them.

    Returns
    -------
    (n_decisions, n_assets) bool
    """
    close = levels.close[before:]
    found = allowed & ~np.isnan(close[rows])
    if rule.min_price is not None:
        found &= np.nan_to_num(close[rows], nan=-1.0) >= rule.min_price
    if rule.min_prices is not None:
        found &= (seen + np.cumsum(~np.isnan(close), axis=0))[rows] >= rule.min_prices
    if rule.largest is None:
        return found
    return largest(levels.ranked, before + rows + 1, found, rule.largest, rule.lookback)


def counted(rule: Drawn, close: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return how many closes each asset has had after some more, (n_sessions, n_assets), as far as a rule asks."""
    assert rule.min_prices is not None  # else nothing is counted
    # capped: a state that kept counting would never again be what it was
    return np.minimum(seen + np.count_nonzero(~np.isnan(close), axis=0), rule.min_prices)


def largest(levels: np.ndarray, stops: np.ndarray, allowed: np.ndarray, count: int, lookback: int) -> np.ndarray:
    """Return the largest assets as of some sessions.

    Parameters
    ----------
    levels : (n_rows, n_assets) float64
        What they are ranked by, NaN where it was not observed.
    stops : (n_decisions,) int64
        The row after each of the sessions.
    allowed : (n_decisions, n_assets) bool
        What may be chosen.
    count : int
        How many are kept.
    lookback : int
        Sessions that a mean is taken over, at most; fewer where there are no more.

    Returns
    -------
    (n_decisions, n_assets) bool
    """
    found = np.zeros(allowed.shape, bool)
    for place, stop in enumerate(stops.tolist()):
        window = levels[max(stop - lookback, 0) : stop]
        seen = ~np.isnan(window)
        n_seen = seen.sum(axis=0)
        chosen = np.flatnonzero(allowed[place] & (n_seen > 0))
        means = np.add.reduce(np.where(seen, window, 0.0), axis=0)[chosen] / n_seen[chosen]
        found[place, chosen[np.argsort(-means, kind="stable")[:count]]] = True
    return found
