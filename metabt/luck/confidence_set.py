"""The model confidence set (Hansen, Lunde, Nason 2011): trials that cannot be told from the best one.

1. Of each draw, each trial's mean less its own mean over all sessions, less the average of that over the trials left.
2. t of a trial is its shortfall, the average mean of those left less its own, over the root mean square of 1 over draws
   (the statistic T_max of the paper, equation 9).
3. The largest t is held against the largest of each draw; the trial that has it is taken out, and its p is at least
   that of each one before it.
4. Again until one is left. The set at a level is what has a p above it.
"""

from __future__ import annotations

import numpy as np

from metabt.errors import DataError


def confidence_set(returns: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how likely a trial is as good as the best, for each.

    Parameters
    ----------
    returns : (n_sessions, n_trials) without NaN, no two trials with the same returns
    counts : (n_draws, n_sessions), how often each session came

    Raises
    ------
    DataError
        For returns with NaN, or trials among which draws show no difference.

    Returns
    -------
    (n_trials,) probabilities `# / n_draws`; the set at 5 % is where they are above 0.05, and has the best trial
    """
    if np.isnan(returns).any():
        raise DataError("confidence set: returns with NaN; wanted trials that have all sessions")
    mean = returns.mean(axis=0)
    drawn = counts.astype(np.float64) @ (returns - mean) / len(returns)
    p, left, reached = np.ones(len(mean)), np.arange(len(mean)), 0.0
    while len(left) > 1:
        worst, found = _worst(mean[left], drawn[:, left])
        reached = max(reached, found)
        p[left[worst]] = reached
        left = left[~worst]
    return p


def _worst(mean: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, float]:
    """Return which of the trials left have the largest t, and how often a draw has one as large."""
    shortfall = drawn.mean(axis=1, keepdims=True) - drawn
    deviation = np.sqrt(np.square(shortfall).mean(axis=0))
    if not (deviation > 0).all():
        raise DataError("confidence set: trials with the same returns; wanted each stream once")
    t = (mean.mean() - mean) / deviation
    return t == t.max(), float(np.mean((shortfall / deviation).max(axis=1) > t.max()))
