"""How much of a family of trials is luck: everything that is said of it, from its returns alone.

1. Each trial with enough sessions gets its Sharpe ratio, t, PSR and deflated Sharpe over its own sessions.
2. The bootstrap of the family's maximum gives `p_luck`, and StepM's survivors from the same draws.
3. The family gets PBO, its Rademacher complexity, and of its best trial the least track record and backtest.
4. What cannot be said has a reason in place of a number.

Trials that have no numbers were tried all the same: N of the deflated Sharpe is the raw number of trials, these and
any that are only counted. An effective number of trials is not offered: where trials are correlated it calls 8 to 29 %
of noise significant at 95 %.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metabt.errors import ConfigError
from metabt.luck.family_test import Draws, FamilyTest, family_test
from metabt.luck.overfitting import BLOCKS, overfitting
from metabt.luck.rademacher import rademacher_bound, rademacher_complexity
from metabt.luck.sharpe_evidence import (
    SharpeEstimate,
    SharpeRatio,
    deflated_sharpe,
    minimum_backtest,
    minimum_track_record,
    probabilistic_sharpe,
)
from metabt.luck.trial_returns import TrialReturns
from metabt.luck.verdict import BestTrial, Luck, TrialLuck

CONFIDENCE = 0.95
"""Of the bound and of the least track record; StepM's survivors have a p of at most one less it."""

NOTHING: dict[str, Any] = {"best": None, "overfitting": None, "complexity": None}
"""What is said of a family that is too small."""


def luck(
    returns: np.ndarray | TrialReturns,
    sessions_per_year: float,
    *,
    n_tried: int | None = None,
    draws: Draws | None = None,
) -> Luck:
    """Return how much of a family of trials is luck.

    Parameters
    ----------
    returns : (n_sessions, n_trials) excess returns a session as fractions, NaN where a trial has no stream; or what
        reads them by columns, for families that need not be in memory
    sessions_per_year : what turns sessions into years
    n_tried : the raw number of trials, where more were tried than have a column; None for as many as columns
    draws : how the family is drawn anew; None for 1,000 draws with the block length of Politis and White

    Raises
    ------
    ConfigError
        For sessions a year that are not positive, fewer trials tried than there are columns, or a block length above
        the number of sessions.
    DataError
        For returns that are no matrix of floats, or infinite.
    """
    read, how = TrialReturns.of(returns), draws or Draws()
    tried = read.n_trials if n_tried is None else n_tried
    if not (sessions_per_year > 0 and np.isfinite(sessions_per_year)):
        raise ConfigError(f"luck: {sessions_per_year!r} sessions a year; wanted a positive number, such as 252")
    if tried < read.n_trials:
        raise ConfigError(f"luck: n_tried is {tried}, with returns of {read.n_trials} trials; wanted at least as many")
    test = family_test(read, how)
    members = test.members
    return Luck(
        trials=_trials(test, tried, how.min_sessions),
        n_trials=len(members),
        n_tried=tried,
        n_sessions=read.n_sessions,
        sessions_per_year=sessions_per_year,
        block_length=test.block_length,
        maxima=test.maxima,
        **_of_family(read, test, tried, sessions_per_year, how.seed) if len(members) > 1 else NOTHING,
        reason=None if len(members) > 1 else _too_few(test, how.min_sessions),
    )


def _trials(test: FamilyTest, n_tried: int, min_sessions: int) -> TrialLuck:
    """Return what is said of each trial; nothing of those that have too few sessions, or do not move."""
    taking, estimate = ~np.isnan(test.t), test.moments.sharpe
    return TrialLuck(
        n_sessions=test.moments.n_sessions.astype(np.int64),
        sharpe=SharpeRatio(per_session=np.where(taking, estimate.ratio.per_session, np.nan)),
        t=test.t,
        p_luck=test.p_luck,
        survivor=test.p_step <= 1.0 - CONFIDENCE + 1e-12,
        psr=np.where(taking, probabilistic_sharpe(estimate), np.nan),
        dsr=np.where(taking, deflated_sharpe(estimate, max(n_tried, 1)), np.nan),
        reasons={k: _why_not(test, k, min_sessions) for k in np.flatnonzero(~taking).tolist()},
    )


def _why_not(test: FamilyTest, trial: int, min_sessions: int) -> str:
    n = int(test.moments.n_sessions[trial])
    if n < min_sessions:
        return f"{n} sessions; {min_sessions} are wanted"
    return "its returns are the same in every session"


def _too_few(test: FamilyTest, min_sessions: int) -> str:
    return (
        f"{len(test.members)} of {len(test.t)} trials with {min_sessions} sessions and returns that move; "
        "luck needs two to choose from"
    )


def _of_family(
    returns: TrialReturns, test: FamilyTest, n_tried: int, sessions_per_year: float, seed: int
) -> dict[str, Any]:
    """Return what is said of the family as a whole and of its best trial."""
    found, best = test.moments, int(np.nanargmax(test.t))
    estimate, taking = found.sharpe, ~np.isnan(test.t)
    unit = np.where(taking, found.deviation, np.nan)
    complexity = rademacher_complexity(returns, unit, found.n_sessions, seed=seed)
    own = SharpeEstimate(
        ratio=SharpeRatio(per_session=float(estimate.ratio.per_session[best])),
        n_sessions=int(found.n_sessions[best]),
        skew=float(found.skew[best]),
        excess_kurtosis=float(found.excess_kurtosis[best]),
    )
    picked = BestTrial(
        trial=best,
        track_record=float(minimum_track_record(own, confidence=CONFIDENCE)) / sessions_per_year,
        backtest=float(minimum_backtest(n_tried, own.ratio)) / sessions_per_year,
        bound=rademacher_bound(own.ratio, complexity, own.n_sessions, len(test.members), CONFIDENCE),
    )
    spread = overfitting(returns, test.members) if returns.n_sessions >= 2 * BLOCKS else None
    return {"best": picked, "overfitting": spread, "complexity": SharpeRatio(per_session=complexity)}
