"""The stationary bootstrap (Politis and Romano 1994): series drawn anew in blocks of random length.

A session drawn is followed by the next one with probability 1 - 1 / b, else by any other, all equally likely; the last
is followed by the first. Blocks have b sessions on average, and what is drawn is stationary. A family is drawn jointly:
one draw says which sessions come for all trials at once, so their correlation stays as it is.

A mean over a draw needs only how often each session came: all draws are one matrix of counts, and their means one
product with the returns.
"""

from __future__ import annotations

import numpy as np

from metabt.errors import ConfigError


def stationary_indices(n_sessions: int, n_draws: int, block_length: float, seed: int) -> np.ndarray:
    """Return which sessions are drawn.

    Parameters
    ----------
    n_sessions : of the series, and of each draw
    n_draws : how many draws
    block_length : expected length of a block, b, in sessions, at least 1
    seed : the same seed gives the same draws

    Raises
    ------
    ConfigError
        For a block length below 1 or above the number of sessions, or no draws.

    Returns
    -------
    (n_draws, n_sessions) int64, each within 0 and n_sessions - 1
    """
    if not 1.0 <= block_length <= max(n_sessions, 1):
        raise ConfigError(
            f"stationary bootstrap: expected block length {block_length:g}; wanted 1 to {n_sessions}, the sessions"
        )
    if n_draws < 1:
        raise ConfigError(f"stationary bootstrap: {n_draws} draws; wanted at least 1, such as 1000")
    random = np.random.default_rng(seed)
    starts = random.integers(0, n_sessions, (n_draws, n_sessions))
    anew = random.random((n_draws, n_sessions)) < 1.0 / block_length
    here = np.arange(n_sessions)
    begun = np.maximum.accumulate(np.where(anew, here, 0), axis=1)  # the first session begins a block in any case
    return (np.take_along_axis(starts, begun, axis=1) + here - begun) % n_sessions


def counts(indices: np.ndarray) -> np.ndarray:
    """Return how often each session comes in each draw.

    Parameters
    ----------
    indices : (n_draws, n_sessions) integers

    Returns
    -------
    (n_draws, n_sessions) float32 whole numbers, n_sessions in sum
    """
    n_draws, n_sessions = indices.shape
    places = indices + n_sessions * np.arange(n_draws)[:, None]
    found = np.bincount(places.ravel(), minlength=n_draws * n_sessions)
    return found.reshape(n_draws, n_sessions).astype(np.float32)
