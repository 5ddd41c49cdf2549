"""Superior predictive ability (Hansen 2005): whether any trial is better than nothing, the hopeless set aside.

The reality check (White 2000) centres every trial by its own mean, as if even the worst might truly earn zero: its
`upper` p is that of metabt.luck.family_test. Hansen leaves a trial's mean in place where it is so low that its truth is
surely below zero, and the trial cannot be the best of a draw any more:

    lower       centred by max(mean, 0)
    consistent  centred by the mean where  mean >= -w / sqrt(n) sqrt(2 ln ln n),  by 0 beneath
    upper       centred by the mean

with w^2 the variance that the stationary bootstrap gives sqrt(n) times the mean (Politis and Romano 1994, lemma 1):
`R(0) + 2 sum_k ((1 - k/n) (1 - q)^k + k/n (1 - q)^(n-k)) R(k)`, q = 1 / block length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.luck.block_length import autocovariances
from metabt.luck.maxima import Maxima, maxima
from metabt.luck.trial_returns import TrialReturns


@dataclass(frozen=True)
class SuperiorAbility:
    """The family's bootstrap under each of the three centrings."""

    lower: Maxima
    """The most liberal."""
    consistent: Maxima
    """Hansen's choice."""
    upper: Maxima
    """The reality check."""

    @property
    def p_values(self) -> dict[str, float]:
        """Centring -> how likely the family's best is as good by luck."""
        return {name: float(np.nanmin(getattr(self, name).single_step())) for name in ("lower", "consistent", "upper")}

    def survivors(self, level: float = 0.05) -> np.ndarray:
        """Return the trials that StepM keeps under the consistent centring, (n_survivors,) ascending."""
        return np.flatnonzero(self.consistent.step_down() <= level)


def superior_ability(
    returns: np.ndarray, counts: np.ndarray, block_length: float, studentised: bool = True
) -> SuperiorAbility:
    """Return the test of superior predictive ability of trials that have all sessions.

    Parameters
    ----------
    returns : (n_sessions, n_trials) in excess of what they are compared with, without NaN
    counts : (n_draws, n_sessions) float32, how often each session came
    block_length : expected block length of the draws, in sessions
    studentised : whether means are divided by w; else they are compared as they are

    Raises
    ------
    DataError
        For returns that are no matrix of floats, or infinite.
    """
    read, n, mean = TrialReturns.of(returns), len(returns), returns.mean(axis=0)
    w = np.sqrt(bootstrap_variance(returns, block_length))
    hopeless = mean < -w / np.sqrt(n) * np.sqrt(2.0 * np.log(np.log(n)))
    unit = w / np.sqrt(n) if studentised else np.ones_like(w)
    centres = (np.maximum(mean, 0.0), np.where(hopeless, 0.0, mean), mean)
    return SuperiorAbility(*(maxima(read, centre, unit * n, mean / unit, counts) for centre in centres))


def bootstrap_variance(returns: np.ndarray, block_length: float) -> np.ndarray:
    """Return the variance of sqrt(n) times the mean under the stationary bootstrap.

    Parameters
    ----------
    returns : (n_sessions, n_trials) without NaN
    block_length : expected, in sessions

    Returns
    -------
    (n_trials,) squared fractions
    """
    n = len(returns)
    R, share = autocovariances(returns, n - 1), np.arange(n) / n
    stay = 1.0 - 1.0 / block_length
    weight = (1.0 - share) * stay ** np.arange(n) + share * stay ** (n - np.arange(n))
    variance: np.ndarray = R[0] + 2.0 * weight[1:] @ R[1:]
    return variance
