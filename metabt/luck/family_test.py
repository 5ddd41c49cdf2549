"""How likely the best of a family is as good as a trial by luck: the test behind every `p_luck`.

1. the moments of each trial over its own sessions, and t, its mean over its standard error
2. one block length for the family, from the trials that take part; or the one that is given
3. all trials are drawn anew jointly, and the maximum of their studentised, centred means is kept (metabt.luck.maxima)
4. `p_luck`: how often that maximum reaches a trial's t; `p_step`: the same held against those that are not better

t is studentised by the standard deviation, not by a long-run one: it orders trials of equal length as their Sharpe
ratios do. Dependence in time is what the blocks are for: a stream with trends has wider sums in the draws as well.

Each draw is studentised by its own deviation. With that of the data in all of them (Hansen 2005) streams with rare
large losses look better than they are: of 100 families of noise with a skew of -3 it calls 20 significant at 5 %, of
a skew of 3 none, where studentised draws call 5 and 3. The mean and the deviation of a sample go together where returns
are skewed, and only draws that have both show it.

A trial with a part of the sessions has its own mean and deviation; what a draw says of it is over its own sessions that
came, so that its spread is that of as many sessions as it has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.errors import ConfigError
from metabt.luck.block_length import SAMPLE, family_block_length
from metabt.luck.maxima import Maxima, maxima
from metabt.luck.moments import Moments, moments
from metabt.luck.stationary_bootstrap import counts, stationary_indices
from metabt.luck.trial_returns import TrialReturns

MIN_SESSIONS = 252
"""Sessions that a trial needs to be measured; fewer say nothing of luck."""


@dataclass(frozen=True)
class Draws:
    """How a family is drawn anew."""

    n_draws: int = 1000
    """How many times; the smallest p is 1 / (1 + n_draws)."""
    seed: int = 0
    """The same seed and the same matrix give the same numbers."""
    block_length: float | None = None
    """Expected block length in sessions; None chooses it by Politis and White."""
    min_sessions: int = MIN_SESSIONS
    """Sessions that a trial needs to take part."""

    def __post_init__(self) -> None:
        if self.n_draws < 1:
            raise ConfigError(f"draws: n_draws is {self.n_draws}; wanted at least 1, such as 1000")
        if self.min_sessions < 2:
            raise ConfigError(f"draws: min_sessions is {self.min_sessions}; wanted at least 2, such as {MIN_SESSIONS}")


@dataclass(frozen=True)
class FamilyTest:
    """What a family's bootstrap says of each trial; NaN of those that do not take part."""

    moments: Moments
    """(n_trials,) each."""
    t: np.ndarray
    """(n_trials,) means over their standard errors."""
    p_luck: np.ndarray
    """(n_trials,) how likely the family's best would have been as good, had nothing a mean above zero."""
    p_step: np.ndarray
    """(n_trials,) the same held against the trials that are not better (Romano and Wolf 2005)."""
    block_length: float | None
    """Expected block length in sessions; None where nothing was drawn."""
    maxima: np.ndarray
    """(n_draws,) of each draw the largest t of the family: what the best is by luck; empty where nothing was drawn."""

    @property
    def members(self) -> np.ndarray:
        """(n_members,) the trials that take part."""
        return np.flatnonzero(~np.isnan(self.t))


def family_test(returns: TrialReturns, draws: Draws) -> FamilyTest:
    """Return what the bootstrap of a family's maximum says of its trials; nothing where fewer than two take part.

    Parameters
    ----------
    returns : of the trials, in excess of cash
    draws : how they are drawn anew

    Raises
    ------
    ConfigError
        For a block length below 1 or above the number of sessions.
    DataError
        For blocks of another shape than was stated, or with an infinite return.
    """
    found, sample = moments(returns, SAMPLE)
    enough = (found.n_sessions >= draws.min_sessions) & (found.deviation > 0)
    t = np.where(enough, found.t, np.nan)
    members = np.flatnonzero(enough)
    if len(members) < 2:
        nothing = np.full(len(t), np.nan)
        return FamilyTest(found, t, nothing, nothing, None, np.empty(0, np.float32))
    length = draws.block_length
    if length is None:
        taking = [series for trial, series in sample.items() if enough[trial]]
        length = family_block_length(np.column_stack(taking)) if taking else 1.0
    up_to = _maxima(returns, found, t, length, draws)
    return FamilyTest(found, t, up_to.single_step(), up_to.step_down(), length, up_to.of_all)


def _maxima(returns: TrialReturns, found: Moments, t: np.ndarray, length: float, draws: Draws) -> Maxima:
    drawn = counts(stationary_indices(returns.n_sessions, draws.n_draws, length, draws.seed))
    scale = found.standard_error * found.n_sessions
    return maxima(returns, found.mean, scale, t, drawn, found.n_sessions)
