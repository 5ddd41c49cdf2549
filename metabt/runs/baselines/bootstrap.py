"""Bootstrap: how sure the difference between two Sharpe ratios is, given that sessions depend on those before them.

1. Resample the sessions of both streams together, in blocks that run on from a random session, round the end.
2. A block ends after each session with probability 1 / `block`: lengths are geometric, `block` sessions on average, and
   the resampled streams are stationary.
3. Sums over a block are differences of running sums, so that a sample costs its blocks and not its sessions.
4. The interval is that of the quantiles of the difference over all samples.

References
----------
Politis and Romano (1994), "The stationary bootstrap", Journal of the American Statistical Association.
Ledoit and Wolf (2008), "Robust performance hypothesis testing with the Sharpe ratio", Journal of Empirical Finance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK = 2**20
"""Number of blocks that are drawn at a time, about."""
STILL = 1e-12
"""Variance, as a share of the mean square, up to which returns do not move: what rounding leaves."""


@dataclass(frozen=True)
class Blocks:
    """Resampled histories as blocks of consecutive sessions, sample after sample."""

    starts: np.ndarray
    """(n_blocks,) first session of each."""
    lengths: np.ndarray
    """(n_blocks,) sessions of each; those of a sample add up to all that there are."""
    firsts: np.ndarray
    """(samples,) the block that each sample begins with."""

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of values, (n_sessions,), over every sample, (samples,)."""
        running = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])  # a block runs on round the end
        return np.add.reduceat(running[self.starts + self.lengths] - running[self.starts], self.firsts)


@dataclass(frozen=True)
class Bootstrap:
    """Parameters of the stationary bootstrap."""

    samples: int = 1000
    """Number of resampled histories."""
    block: int = 21
    """Mean number of sessions of a block: a month of weekdays."""
    level: float = 0.9
    """Probability of the interval, between 0 and 1."""
    seed: int = 0
    """Fixes every draw: the same streams give the same interval."""

    @property
    def fewest(self) -> int:
        """Least number of sessions for an interval."""
        return 2 * self.block

    def blocks(self, n_sessions: int, samples: int, rng: np.random.Generator) -> Blocks:
        """Return the blocks of `samples` resampled histories of `n_sessions` each, drawn from `rng`."""
        size = samples * n_sessions
        scale = -1.0 / np.log1p(-1.0 / self.block) if self.block > 1 else 0.0
        ends = np.zeros(1, np.int64)
        while ends[-1] < size:  # what a sample's end cuts off a block is forgotten: lengths have no memory
            n_drawn = int(1.1 * (size - ends[-1]) / self.block) + 10
            lengths = 1 + (rng.standard_exponential(n_drawn) * scale).astype(np.int64)  # geometric
            ends = np.concatenate([ends, ends[-1] + np.cumsum(lengths)])
        bounds = np.arange(0, size, n_sessions)
        at = np.searchsorted(ends, bounds)
        begins = np.insert(ends, at, bounds)
        begins = begins[: np.searchsorted(begins, size)]
        begins = begins[np.diff(begins, prepend=-1) > 0]
        starts = rng.integers(0, n_sessions, len(begins))
        return Blocks(starts, np.diff(begins, append=size), np.searchsorted(begins, bounds))

    def sharpe_difference(self, one: np.ndarray, other: np.ndarray, per_year: float) -> tuple[float, float, float]:
        """Return the difference of two annual Sharpe ratios, and the ends of its interval; NaN where undefined.

        `one` and `other` (n_sessions,) are returns of the same sessions, of which a year has `per_year`. Fewer than two
        blocks have no interval: samples would be nothing but the streams themselves, begun elsewhere.
        """
        n_sessions, rng = len(one), np.random.default_rng(self.seed)
        if n_sessions < 2:
            return np.nan, np.nan, np.nan
        scale = np.sqrt(per_year)
        difference = float((_sharpe(one) - _sharpe(other)) * scale)
        if n_sessions < self.fewest:
            return difference, np.nan, np.nan
        size, drawn = max(CHUNK * self.block // n_sessions, 1), []
        for first in range(0, self.samples, size):
            blocks = self.blocks(n_sessions, min(size, self.samples - first), rng)
            drawn.append(_resampled(one, blocks) - _resampled(other, blocks))
        found = np.concatenate(drawn)
        found, tail = found[np.isfinite(found)], (1.0 - self.level) / 2
        low, high = np.quantile(found, [tail, 1.0 - tail]) if len(found) else (np.nan, np.nan)
        return difference, float(low * scale), float(high * scale)


def _sharpe(returns: np.ndarray) -> float:
    """Return mean over standard deviation (ddof 1); NaN without dispersion."""
    deviation = float(returns.std(ddof=1)) if np.ptp(returns) > 0.0 else np.nan
    return float(returns.mean()) / deviation


def _resampled(returns: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Return mean over standard deviation of every resampled history, (samples,); NaN without dispersion."""
    n_sessions = len(returns)
    mean, square = blocks.sums(returns) / n_sessions, blocks.sums(returns**2) / n_sessions
    variance = square - mean**2
    moves = variance > STILL * square
    deviation = np.sqrt(np.where(moves, variance, np.nan) * n_sessions / (n_sessions - 1))
    sharpe: np.ndarray = mean / deviation
    return sharpe
