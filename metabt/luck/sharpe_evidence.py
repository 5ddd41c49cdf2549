"""What one Sharpe ratio is worth, by itself and after many trials, in closed form.

1. `SharpeRatio` carries its unit: it is made of a ratio a session, or of one a year and the sessions of a year. Every
   formula here takes it, and refuses a bare number.
2. PSR: the probability that the true ratio is above a benchmark (Bailey and Lopez de Prado 2012, equation 11).
3. DSR: the same beside what the best of N trials without any skill would be expected to show (2014, equations 1 and 2).
4. The least track record, and the least backtest for N trials (2012, equation 13; Bailey et al. 2014, theorem 1).

DSR takes the raw number of trials, and for the variance among them, where none is stated, that of a ratio whose truth
is zero, 1 / (n - 1). An "effective" number of trials is not estimated: it lets noise through where trials are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from metabt.analysis.metrics.sharpe_error import sharpe_z_score, unit_variance
from metabt.errors import ConfigError

EULER = float(np.euler_gamma)


@dataclass(frozen=True, kw_only=True)
class SharpeRatio:
    """One Sharpe ratio or many, with the unit said when it is made."""

    per_session: Any
    """Mean over standard deviation of the returns of a session: a number, or an array of any shape."""

    @classmethod
    def of_year(cls, ratio: Any, sessions_per_year: float) -> SharpeRatio:
        """Return an annualised ratio as one a session, `ratio / sqrt(sessions_per_year)`."""
        return cls(per_session=np.asarray(ratio) / math.sqrt(sessions_per_year))

    def per_year(self, sessions_per_year: float) -> Any:
        """Return it annualised, of the same shape."""
        return self.per_session * math.sqrt(sessions_per_year)


ZERO = SharpeRatio(per_session=0.0)


@dataclass(frozen=True, kw_only=True)
class SharpeEstimate:
    """Estimated Sharpe ratios, and what their errors depend on; all of one shape.

    Raises
    ------
    ConfigError
        For a ratio that is a bare number, whose unit nobody has said.
    """

    ratio: SharpeRatio
    """The ratios, NaN where there is none."""
    n_sessions: Any
    """How many sessions each was estimated from."""
    skew: Any = 0.0
    """Third standardised moment of the sessions' returns."""
    excess_kurtosis: Any = 0.0
    """Fourth standardised moment less 3: 0 of a normal distribution."""

    def __post_init__(self) -> None:
        _per_session(self.ratio)


def probabilistic_sharpe(estimate: SharpeEstimate, benchmark: SharpeRatio = ZERO) -> Any:
    """Return the probability that the true Sharpe ratio is above a benchmark (PSR).

    `Phi((x - x0) sqrt(n - 1) / sqrt(1 - g3 x + (g4 - 1) / 4 x^2))`, Bailey and Lopez de Prado (2012), equation 11.

    Raises
    ------
    ConfigError
        For a benchmark that is a bare number.

    Returns
    -------
    of the estimate's shape, within 0 and 1; NaN where the moments fit no ratio of this size
    """
    x, reference = _per_session(estimate.ratio), _per_session(benchmark)
    return ndtr(sharpe_z_score(x, estimate.n_sessions, estimate.skew, estimate.excess_kurtosis, reference))


def expected_maximum(n_trials: int) -> float:
    """Return the expected maximum of N independent standard normal numbers.

    `(1 - g) z(1 - 1 / N) + g z(1 - 1 / (N e))` with g Euler's constant and z the normal quantile (Bailey and Lopez de
    Prado 2014, equation 1): an approximation, by 0.04 above the truth at N = 10; 0 of one number.

    Raises
    ------
    ConfigError
        For fewer than one trial.
    """
    if n_trials < 1:
        raise ConfigError(f"expected maximum: {n_trials} trials; wanted at least 1")
    if n_trials == 1:
        return 0.0
    # z(1 - 1/N) = -z(1/N), which keeps its digits for large N
    return float(-(1.0 - EULER) * ndtri(1.0 / n_trials) - EULER * ndtri(1.0 / (n_trials * math.e)))


def deflated_sharpe(estimate: SharpeEstimate, n_trials: int, spread: SharpeRatio | None = None) -> Any:
    """Return the probability that a Sharpe ratio is above what the best of N trials shows without skill (DSR).

    PSR against `sqrt(V) E[max_N]` (Bailey and Lopez de Prado 2014, equation 2). N is the raw number of trials.

    Parameters
    ----------
    estimate : the ratios that were picked
    n_trials : how many were tried
    spread : standard deviation of the ratios among trials, sqrt(V); None for that of ratios whose truth is zero,
        `1 / sqrt(n - 1)`, which takes trials for unrelated and so is never too kind to noise

    Raises
    ------
    ConfigError
        For fewer than one trial, or a spread that is a bare number.

    Returns
    -------
    of the estimate's shape, within 0 and 1
    """
    alone = np.maximum(np.asarray(estimate.n_sessions, dtype=float) - 1.0, 1.0) ** -0.5
    deviation = alone if spread is None else _per_session(spread)
    return probabilistic_sharpe(estimate, SharpeRatio(per_session=deviation * expected_maximum(n_trials)))


def minimum_track_record(estimate: SharpeEstimate, benchmark: SharpeRatio = ZERO, confidence: float = 0.95) -> Any:
    """Return how many sessions are needed before PSR against a benchmark reaches a confidence (MinTRL).

    `1 + (1 - g3 x + (g4 - 1) / 4 x^2) (z / (x - x0))^2` (Bailey and Lopez de Prado 2012, equation 13). The estimate's
    own number of sessions has no part in it.

    Raises
    ------
    ConfigError
        For a benchmark that is a bare number, or a confidence outside (0, 1).

    Returns
    -------
    of the estimate's shape, in sessions; infinite where the ratio is not above the benchmark
    """
    x, gap = _per_session(estimate.ratio), _per_session(estimate.ratio) - _per_session(benchmark)
    z = float(ndtri(_share(confidence)))
    variance = unit_variance(x, estimate.skew, estimate.excess_kurtosis)
    needed = 1.0 + np.maximum(variance, 0.0) * (z / np.where(gap > 0, gap, np.nan)) ** 2
    return np.where(gap > 0, needed, np.where(np.isnan(gap), np.nan, np.inf))[()]


def minimum_backtest(n_trials: int, ratio: SharpeRatio) -> Any:
    """Return how many sessions N trials need lest the best of them is expected to show a ratio without skill (MinBTL).

    `(E[max_N] / x)^2` (Bailey, Borwein, Lopez de Prado, Zhu 2014, theorem 1): beneath so many sessions a best ratio of
    x is what luck brings.

    Raises
    ------
    ConfigError
        For fewer than one trial, or a ratio that is a bare number.

    Returns
    -------
    of the ratio's shape, in sessions; infinite where the ratio is not above 0
    """
    x = np.asarray(_per_session(ratio), dtype=float)
    found = (expected_maximum(n_trials) / np.where(x > 0, x, np.nan)) ** 2
    return np.where(x > 0, found, np.where(np.isnan(x), np.nan, np.inf))[()]


def _per_session(ratio: SharpeRatio) -> Any:
    if not isinstance(ratio, SharpeRatio):
        raise ConfigError(
            f"a Sharpe ratio of {ratio!r} without a unit; wanted SharpeRatio(per_session=...), or "
            f"SharpeRatio.of_year(..., sessions_per_year) for an annualised one"
        )
    return ratio.per_session


def _share(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence {confidence!r}: wanted a share between 0 and 1, such as 0.95")
    return confidence
