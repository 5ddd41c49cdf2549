"""Bootstrap: how sure the difference between two Sharpe ratios is, given that sessions depend on those before them.

1. Resample the sessions of both streams together, in blocks that run on from a random session, round the end.
2. A block ends after each session with probability 1 / `block`: lengths are geometric, `block` sessions on average, and
   the resampled streams are stationary.
3. The interval is that of the quantiles of the difference over all samples.

References
----------
Politis and Romano (1994), "The stationary bootstrap", Journal of the American Statistical Association.
Ledoit and Wolf (2008), "Robust performance hypothesis testing with the Sharpe ratio", Journal of Empirical Finance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK = 2**20
"""Sessions that are resampled at a time."""


@dataclass(frozen=True)
class Bootstrap:
    """How to resample."""

    samples: int = 1000
    """Resampled histories."""
    block: int = 21
    """Sessions of a block on average: a month of weekdays."""
    level: float = 0.9
    """Probability that the interval covers."""
    seed: int = 0
    """Fixes every draw: the same streams give the same interval."""

    def rows(self, n_sessions: int, samples: int, rng: np.random.Generator) -> np.ndarray:
        """Return which sessions some samples are made of, (samples, n_sessions)."""
        begins = rng.random((samples, n_sessions)) < 1.0 / self.block
        begins[:, 0] = True
        starts = rng.integers(0, n_sessions, (samples, n_sessions))
        t = np.arange(n_sessions)
        begun = np.maximum.accumulate(np.where(begins, t, 0), axis=1)
        rows: np.ndarray = (np.take_along_axis(starts, begun, axis=1) + t - begun) % n_sessions
        return rows

    def sharpe_difference(self, one: np.ndarray, other: np.ndarray, per_year: float) -> tuple[float, float, float]:
        """Return the difference of two annual Sharpe ratios, and the ends of its interval; NaN where undefined.

        `one` and `other` (n_sessions,) are returns of the same sessions, of which a year has `per_year`.
        """
        n_sessions, rng = len(one), np.random.default_rng(self.seed)
        if n_sessions < 2:
            return np.nan, np.nan, np.nan
        size, drawn = max(CHUNK // n_sessions, 1), []
        for first in range(0, self.samples, size):
            rows = self.rows(n_sessions, min(size, self.samples - first), rng)
            drawn.append(_sharpe(one[rows]) - _sharpe(other[rows]))
        found = np.concatenate(drawn)
        found, tail = found[np.isfinite(found)], (1.0 - self.level) / 2
        low, high = np.quantile(found, [tail, 1.0 - tail]) if len(found) else (np.nan, np.nan)
        scale, difference = np.sqrt(per_year), _sharpe(one[None]) - _sharpe(other[None])
        return float(difference[0] * scale), float(low * scale), float(high * scale)


def _sharpe(returns: np.ndarray) -> np.ndarray:
    """Return mean over standard deviation (ddof 1) of every row, (n_samples,); NaN without dispersion."""
    deviation = returns.std(axis=1, ddof=1)
    sharpe: np.ndarray = returns.mean(axis=1) / np.where(deviation > 0.0, deviation, np.nan)
    return sharpe
