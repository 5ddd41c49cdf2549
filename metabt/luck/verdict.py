"""What is said of a family of trials and their luck: of each trial, of the best one, and of all together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metabt.luck.overfitting import Overfitting
from metabt.luck.sharpe_evidence import SharpeRatio


@dataclass(frozen=True)
class TrialLuck:
    """What is said of each trial, (n_trials,) each; NaN where `reasons` says why not."""

    n_sessions: np.ndarray
    """Sessions of each trial's stream."""
    sharpe: SharpeRatio
    """Sharpe ratios, of excess returns."""
    t: np.ndarray
    """Means over their standard errors: the Sharpe ratio a session times the root of the sessions."""
    p_luck: np.ndarray
    """How likely the family's best would have been as good, had nothing a mean above zero."""
    survivor: np.ndarray
    """bool: StepM keeps it at 5 % (Romano and Wolf 2005): of all survivors none is luck, with 95 % confidence."""
    psr: np.ndarray
    """Probability that the true Sharpe ratio is above zero, had nothing else been tried."""
    dsr: np.ndarray
    """The same above what the best of the raw number of trials shows without skill, each unrelated to the others."""
    reasons: Mapping[int, str]
    """Trial -> why it has no numbers."""


@dataclass(frozen=True)
class BestTrial:
    """What is said of the trial with the largest t."""

    trial: int
    """Which one."""
    track_record: float
    """Years until its Sharpe ratio, were it the true one, would be above zero with 95 % confidence; it may be inf."""
    backtest: float
    """Years that so many trials need lest their best is expected to show its Sharpe ratio by luck; it may be inf."""
    bound: SharpeRatio
    """What its true Sharpe ratio is above with 95 % confidence, by Rademacher complexity."""


@dataclass(frozen=True)
class Luck:
    """How much of a family of trials is luck."""

    trials: TrialLuck
    """What is said of each."""
    n_trials: int
    """Trials that take part in the bootstrap."""
    n_tried: int
    """The raw number of trials, with those that were left out."""
    n_sessions: int
    """Sessions of the family's span."""
    sessions_per_year: float
    """What turned sessions into years."""
    block_length: float | None
    """Expected block length of the draws, in sessions."""
    maxima: np.ndarray
    """(n_draws,) of each draw the largest t: what the best of the family is by luck; empty where nothing was drawn."""
    best: BestTrial | None
    """The best trial; None where none takes part."""
    overfitting: Overfitting | None
    """PBO and its logits."""
    complexity: SharpeRatio | None
    """Rademacher complexity: what the best of the family makes of coin tosses."""
    reason: str | None
    """Why nothing is said of the family."""
