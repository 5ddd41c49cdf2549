"""The maximum over a family in every draw of a bootstrap, and the probabilities that follow from it.

1. A trial's sum in draw b is `A = sum_t c_bt z_t`, `z = (r - m) / s`, over its own sessions: c how often a session came
   (metabt.luck.stationary_bootstrap), m what it is centred by, s its scale. With the trial's mean for m, that is a
   world in which nothing has a mean above zero (White 2000; Hansen 2005). All draws of a block of trials are one
   product of matrices in float32, and only maxima are kept.
2. Where s is `deviation sqrt(n)`, the sum may be studentised once more by the draw's own deviation, as the data's mean
   is by the data's (Romano and Wolf 2005): `A sqrt(1 - 1/n) / sqrt(Q - A^2 / n)`, `Q = sum_t c_bt z_t^2`, a
   second product. A draw's deviation counts as half of the data's at least: a stream that rarely moves has draws in
   which it does not.
3. Trials are put in order of their statistic. Of each draw the maximum over the trials up to the k-th is kept, for
   every k; of more than 4,096 trials for every 4,096th part of them, whose trials count as equally good.
4. Single step: `p = (1 + #{maximum of all >= t}) / (1 + draws)`.
5. Step down (Romano and Wolf 2005): a trial is held against the maximum of those that are not better than it, and its p
   is at least that of each better one. The trials with p at most 5 % are StepM's survivors: it rejects in rounds those
   above the critical value of what remains, and both stop at the same trial.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metabt.luck.trial_returns import TrialReturns
from metabt.numerics.platform import one_thread

STEPS = 4096
"""Of how many parts of a family, in order of the statistic, a maximum of its own is kept: 16 MB at 1,000 draws."""


LEAST = 0.5
"""What a draw's deviation counts as at least, in units of the data's."""


@dataclass(frozen=True)
class Maxima:
    """Maxima of every draw over the trials that are not better than one."""

    statistic: np.ndarray
    """(n_trials,) what trials are compared by; NaN of those that are no part of the family."""
    step: np.ndarray
    """(n_trials,) int64, which row of `up_to` goes up to a trial; -1 of those that are no part of the family."""
    up_to: np.ndarray
    """(n_steps, n_draws) float32, not falling along the first axis."""

    @property
    def n_draws(self) -> int:
        """How many draws there are."""
        return self.up_to.shape[1]

    @property
    def of_all(self) -> np.ndarray:
        """(n_draws,) the maxima over the whole family."""
        return self.up_to[-1]

    def single_step(self) -> np.ndarray:
        """Return how likely the family's best is at least as good as each trial by luck.

        Returns
        -------
        (n_trials,) probabilities, `(1 + #) / (1 + n_draws)`; NaN of those that are no part of the family
        """
        beneath = np.searchsorted(np.sort(self.of_all.astype(np.float64)), self.statistic, side="left")
        found: np.ndarray = (1.0 + self.n_draws - beneath) / (1.0 + self.n_draws)
        return np.where(self.step >= 0, found, np.nan)

    def step_down(self) -> np.ndarray:
        """Return the same with each trial held against those that are not better (Romano and Wolf 2005).

        Returns
        -------
        (n_trials,) probabilities, not above those of the single step; NaN of those that are no part of the family
        """
        found = np.full(len(self.step), np.nan)
        order = np.flatnonzero(self.step >= 0)
        order = order[np.argsort(-self.statistic[order], kind="stable")]
        reached = [np.count_nonzero(self.up_to[self.step[k]] >= self.statistic[k]) for k in order.tolist()]
        found[order] = np.maximum.accumulate((1.0 + np.array(reached, float)) / (1.0 + self.n_draws))
        return found


def maxima(
    returns: TrialReturns,
    centre: np.ndarray,
    scale: np.ndarray,
    statistic: np.ndarray,
    counts: np.ndarray,
    n_sessions: np.ndarray | None = None,
) -> Maxima:
    """Return the maxima over a family of what the trials' sums are in every draw.

    Parameters
    ----------
    returns : of the trials; where a trial has no stream it adds nothing
    centre : (n_trials,) what is taken off a return, fractions a session: the trial's mean
    scale : (n_trials,) what the sum is divided by: `deviation * sqrt(n_sessions)` for studentised means
    statistic : (n_trials,) what the sums are compared with; a trial with NaN is no part of the family
    counts : (n_draws, n_sessions) float32, how often each session came
    n_sessions : (n_trials,) sessions of each trial, where sums are studentised once more; None where they are not

    Raises
    ------
    DataError
        For blocks of another shape than was stated, or with an infinite return.
    """
    step = _steps(statistic)
    up_to = np.full((max(step.max(initial=-1) + 1, 1), len(counts)), -np.inf, np.float32)
    drawn = np.ascontiguousarray(counts.T)
    with one_thread():
        for place, block in returns.blocks():
            members = np.flatnonzero(step[place] >= 0)
            members = members[np.argsort(step[place][members], kind="stable")]
            if len(members):
                Z = standardised(block[:, members], centre[place][members], scale[place][members])
                sums = Z.T @ drawn
                if n_sessions is not None:
                    studentise(sums, np.square(Z, out=Z).T @ drawn, n_sessions[place][members])
                steps, firsts = np.unique(step[place][members], return_index=True)
                up_to[steps] = np.maximum(up_to[steps], np.maximum.reduceat(sums, firsts, axis=0))
    return Maxima(statistic, step, np.maximum.accumulate(up_to, axis=0))


def standardised(block: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return `(r - centre) / scale`, 0 where a trial has no stream: (n_sessions, n_trials) float32."""
    Z = block.astype(np.float32)
    Z -= centre.astype(np.float32)
    Z *= (1.0 / scale).astype(np.float32)
    Z[np.isnan(Z)] = 0.0
    return Z


def studentise(sums: np.ndarray, squares: np.ndarray, n_sessions: np.ndarray) -> None:
    """Divide sums by the deviations of their own draws, in place.

    Parameters
    ----------
    sums, squares : (n_trials, n_draws) A and Q, of returns in units of `deviation * sqrt(n_sessions)`; both are changed
    n_sessions : (n_trials,)
    """
    n = n_sessions.astype(np.float32)[:, None]
    squares -= np.square(sums) / n
    np.maximum(squares, np.float32(LEAST**2), out=squares)
    sums /= np.sqrt(squares, out=squares)
    sums *= np.sqrt(1.0 - 1.0 / n)


def _steps(statistic: np.ndarray) -> np.ndarray:
    """Return the place of each trial in ascending order of its statistic, in at most STEPS steps; -1 without one."""
    members = np.flatnonzero(~np.isnan(statistic))
    found = np.full(len(statistic), -1)
    places = np.arange(len(members))
    if len(members) > STEPS:
        places = places * STEPS // len(members)
    found[members[np.argsort(statistic[members], kind="stable")]] = places
    return found
