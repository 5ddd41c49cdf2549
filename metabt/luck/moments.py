"""Moments of every trial, each over its own sessions.

What comes after works with the mean, its standard error and the shape: t is the mean over its standard error, which is
the Sharpe ratio a session times the root of the number of sessions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from metabt.luck.sharpe_evidence import SharpeEstimate, SharpeRatio
from metabt.luck.trial_returns import TrialReturns
from metabt.numerics.dispersion import within_rounding


@dataclass(frozen=True)
class Moments:
    """Moments of returns a session, (n_trials,) float64 each; NaN where too few sessions or no movement leave none."""

    n_sessions: np.ndarray
    """(n_trials,) how many sessions each has; never NaN."""
    mean: np.ndarray
    """(n_trials,) fractions a session."""
    deviation: np.ndarray
    """(n_trials,) standard deviation (ddof 1), fractions a session; 0 where the stream is constant up to rounding."""
    skew: np.ndarray
    """(n_trials,) third standardised moment (population)."""
    excess_kurtosis: np.ndarray
    """(n_trials,) fourth standardised moment less 3 (population)."""

    @property
    def sharpe(self) -> SharpeEstimate:
        """The Sharpe ratios (n_trials,), with what their errors depend on."""
        moving = np.where(self.deviation > 0, self.deviation, np.nan)
        return SharpeEstimate(
            ratio=SharpeRatio(per_session=self.mean / moving),
            n_sessions=self.n_sessions,
            skew=self.skew,
            excess_kurtosis=self.excess_kurtosis,
        )

    @property
    def standard_error(self) -> np.ndarray:
        """(n_trials,) standard errors of the means, `deviation / sqrt(n_sessions)`; NaN without movement."""
        return np.where(self.deviation > 0, self.deviation, np.nan) / np.sqrt(np.maximum(self.n_sessions, 1))

    @property
    def t(self) -> np.ndarray:
        """(n_trials,) means over their standard errors."""
        return self.mean / self.standard_error


def moments(returns: TrialReturns, n_sampled: int = 0) -> tuple[Moments, dict[int, np.ndarray]]:
    """Return the moments of every trial, read block by block, and a sample of the trials from the same reading.

    Parameters
    ----------
    returns : of the trials
    n_sampled : at most how many trials are sampled, evenly spaced

    Returns
    -------
    the moments, and trial -> (n_sessions,) float64 of the sampled trials

    Raises
    ------
    DataError
        For blocks of another shape than was stated, or with an infinite return.
    """
    chosen = np.unique(np.linspace(0, returns.n_trials - 1, min(n_sampled, returns.n_trials)).astype(int))
    found: list[Moments] = []
    sample: dict[int, np.ndarray] = {}
    for place, block in returns.blocks():
        found.append(_of_block(block))
        within = chosen[(chosen >= place.start) & (chosen < place.stop)]
        sample |= {k: block[:, k - place.start].astype(np.float64) for k in within.tolist()}
    return Moments(*(_joined([getattr(it, field.name) for it in found]) for field in fields(Moments))), sample


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)


def _of_block(block: np.ndarray) -> Moments:
    X = block.astype(np.float64)  # a copy, which is written to
    missing = np.isnan(X)
    n = X.shape[0] - missing.sum(axis=0).astype(np.float64)
    constant = within_rounding(np.fmin.reduce(X, axis=0, initial=np.nan), np.fmax.reduce(X, axis=0, initial=np.nan))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(missing, 0.0, X).sum(axis=0) / n
        X -= mean
        X[missing] = 0.0
        squared = X * X
        second, third = squared.sum(axis=0) / n, np.einsum("tk,tk->k", squared, X) / n
        fourth = np.einsum("tk,tk->k", squared, squared) / n
        deviation = np.where(n > 1, np.where(constant, 0.0, np.sqrt(second * n / (n - 1.0))), np.nan)
        spread = np.where(deviation > 0, second, np.nan)
        return Moments(n, mean, deviation, third / spread**1.5, fourth / spread**2 - 3.0)
