"""Rademacher complexity: how well the best of a family fits coin tosses, and what is left of a Sharpe ratio after it.

Paleologo (2024), "The Elements of Quantitative Investing", Rademacher anti-serum:

    R = E[max_k 1/n_k sum_t e_t x_tk]

with e_t = +1 or -1 by the toss of a coin, one a session for all trials, and x the returns in units of their standard
deviation; the sum is over a trial's own sessions. Trials that are alike add nothing to it. With probability 1 - d at
least, of all trials at once, the true ratio a session is above

    x - 2 R - 3 sqrt(2 ln(2 / d) / n) - sqrt(2 ln(2 N / d) / n).

The bound holds without any law of returns and is far from tight: over twenty years it takes more than 2 a year off.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from metabt.errors import ConfigError
from metabt.luck.maxima import standardised
from metabt.luck.sharpe_evidence import SharpeRatio
from metabt.luck.trial_returns import TrialReturns
from metabt.numerics.platform import one_thread


def rademacher_complexity(
    returns: TrialReturns, scale: np.ndarray, n_sessions: np.ndarray, n_draws: int = 256, seed: int = 0
) -> float:
    """Return the expected maximum over trials of the mean of returns under random signs.

    Where there are no more than `n_draws` ways to toss the coins, all of them are gone through.

    Parameters
    ----------
    returns : of the trials
    scale : (n_trials,) what returns are divided by, their standard deviation; a trial with NaN takes no part
    n_sessions : (n_trials,) how many sessions each has
    n_draws : how many tosses of all coins; at 256 the error is some 3 % of a ratio's standard error
    seed : the same seed gives the same coins

    Raises
    ------
    ConfigError
        For no draws.
    DataError
        For blocks of another shape than was stated, or with an infinite return.

    Returns
    -------
    in units of `scale` a session: a Sharpe ratio a session for standard deviations; -inf without a trial
    """
    tosses = _signs(returns.n_sessions, n_draws, seed)
    best = np.full(tosses.shape[1], -np.inf, np.float32)
    with one_thread():
        for place, block in returns.blocks():
            members = np.flatnonzero(~np.isnan(scale[place]))
            if len(members):
                each = (scale * n_sessions)[place][members]
                Z = standardised(block[:, members], np.zeros(len(members)), each)
                np.maximum(best, (Z.T @ tosses).max(axis=0), out=best)
    return float(best.mean(dtype=np.float64))


def rademacher_bound(
    ratio: SharpeRatio, complexity: float, n_sessions: int, n_trials: int, confidence: float = 0.95
) -> SharpeRatio:
    """Return what the true Sharpe ratio is above, of all trials at once.

    Parameters
    ----------
    ratio : what was estimated
    complexity : R, a Sharpe ratio a session
    n_sessions, n_trials : n and N
    confidence : 1 - d

    Raises
    ------
    ConfigError
        For a confidence outside (0, 1).

    Returns
    -------
    SharpeRatio, of the ratio's shape
    """
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence {confidence!r}: wanted a share between 0 and 1, such as 0.95")
    d = 1.0 - confidence
    error = 3.0 * np.sqrt(2.0 * np.log(2.0 / d) / n_sessions) + np.sqrt(2.0 * np.log(2.0 * n_trials / d) / n_sessions)
    return SharpeRatio(per_session=ratio.per_session - 2.0 * complexity - error)


def _signs(n_sessions: int, n_draws: int, seed: int) -> np.ndarray:
    """Return tosses, (n_sessions, n_tosses) float32 of -1 and 1: all there are, or as many as asked for."""
    if n_draws < 1:
        raise ConfigError(f"Rademacher complexity: {n_draws} draws; wanted at least 1, such as 256")
    if n_sessions < 63 and 2**n_sessions <= n_draws:
        return np.array(list(product((-1.0, 1.0), repeat=n_sessions)), np.float32).T
    coins = np.random.default_rng(seed).integers(0, 2, (n_sessions, n_draws), dtype=np.int8)
    return 2.0 * coins.astype(np.float32) - 1.0
