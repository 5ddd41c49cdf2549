"""The probability of backtest overfitting by combinatorially symmetric cross-validation.

Bailey, Borwein, Lopez de Prado, Zhu (2015), "The probability of backtest overfitting":

1. The sessions are cut into S blocks of equal length (but for one session), S even.
2. Each of the C(S, S/2) choices of half the blocks is in sample once; the other half is out of sample. Sharpe ratios of
   a half follow from sums of returns and of squares by block, so that all halves are two products of matrices.
3. The best in sample has a rank out of sample among N trials, ties counted half: w = rank / (N + 1), logit
   l = ln(w / (1 - w)).
4. PBO is the share of logits below 0, those of exactly 0 (the middle one of an odd N) counted half: so 1/2 is what
   trials give that cannot be told apart.

Each ratio is over a trial's own sessions. A trial takes part in a split if it has half of the sessions of both halves
and moves in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from metabt.errors import ConfigError
from metabt.luck.trial_returns import TrialReturns

BLOCKS = 16
"""S of the paper: 12,870 splits."""

TOGETHER = 2_000_000
"""Sharpe ratios that are worked on at a time: 16 MB."""


@dataclass(frozen=True)
class BlockSums:
    """Sums of returns by block of sessions, (n_blocks, n_trials) float64 each."""

    n_sessions: np.ndarray
    """(n_blocks, n_trials) sessions on which a trial has a return."""
    total: np.ndarray
    """(n_blocks, n_trials) sums of returns."""
    squares: np.ndarray
    """(n_blocks, n_trials) sums of squared returns."""
    length: np.ndarray
    """(n_blocks,) sessions of each block."""


@dataclass(frozen=True)
class Overfitting:
    """How the trials that were best in sample fared out of sample."""

    logits: np.ndarray
    """(n_splits,) logit of the relative rank out of sample, NaN where fewer than two trials could be ranked."""
    n_blocks: int
    """S, into how many blocks the sessions were cut."""

    @cached_property
    def probability(self) -> float:
        """PBO, within 0 and 1; NaN where no split could be ranked."""
        ranked = self.logits[~np.isnan(self.logits)]
        return float(np.mean((ranked < 0) + 0.5 * (ranked == 0))) if len(ranked) else float("nan")


def overfitting(returns: TrialReturns, members: np.ndarray, n_blocks: int = BLOCKS) -> Overfitting:
    """Return how trials that are best in one half of the sessions fare in the other.

    Parameters
    ----------
    returns : of the trials
    members : (n_members,) which of them take part
    n_blocks : S, even, at most 20; at least two sessions each

    Raises
    ------
    ConfigError
        For an odd number of blocks, less than 2 or more than 20, or more than half the sessions.
    DataError
        For blocks of trials of another shape than was stated, or with an infinite return.
    """
    if n_blocks % 2 or not 2 <= n_blocks <= 20 or 2 * n_blocks > returns.n_sessions:
        raise ConfigError(
            f"overfitting: {n_blocks} blocks of {returns.n_sessions} sessions; wanted an even number from 2 to 20, "
            "and at least two sessions a block"
        )
    sums = block_sums(returns, members, n_blocks)
    first = np.array([[block in half for block in range(n_blocks)] for half in _halves(n_blocks)], np.float64)
    together = max(1, TOGETHER // max(len(members), 1))
    found = [_logits(sums, first[at : at + together]) for at in range(0, len(first), together)]
    return Overfitting(np.concatenate(found), n_blocks)


def block_sums(returns: TrialReturns, members: np.ndarray, n_blocks: int) -> BlockSums:
    """Return the sums by block of the trials that take part, in their order."""
    edges = np.linspace(0, returns.n_sessions, n_blocks + 1).astype(int)[:-1]
    chosen = np.zeros(returns.n_trials, bool)
    chosen[members] = True
    parts = []
    for place, block in returns.blocks():
        X = block[:, chosen[place]].astype(np.float64)
        observed = ~np.isnan(X)
        X[~observed] = 0.0
        parts.append([np.add.reduceat(it, edges, axis=0) for it in (observed.astype(np.float64), X, X * X)])
    n, total, squares = (np.hstack(it) for it in zip(*parts, strict=True))
    return BlockSums(n, total, squares, np.diff(edges, append=returns.n_sessions).astype(np.float64))


def _halves(n_blocks: int) -> list[tuple[int, ...]]:
    """Return one half of each pair of halves: that with the first block."""
    return [(0, *rest) for rest in combinations(range(1, n_blocks), n_blocks // 2 - 1)]


def _logits(sums: BlockSums, half: np.ndarray) -> np.ndarray:
    """Return the logits of halves, (n_halves, n_blocks) of 0 and 1, and of the other halves: (2 n_halves,)."""
    one, other = _sharpe(sums, half), _sharpe(sums, 1.0 - half)
    missing = np.isnan(one) | np.isnan(other)
    ranked = np.count_nonzero(~missing, axis=1)
    one[missing], other[missing] = -np.inf, -np.inf
    return np.concatenate([_logit_of_best(one, other, ranked), _logit_of_best(other, one, ranked)])


def _sharpe(sums: BlockSums, half: np.ndarray) -> np.ndarray:
    """Return the Sharpe ratios of halves, (n_halves, n_trials); NaN with less than half the sessions or no movement."""
    n, total, squares = half @ sums.n_sessions, half @ sums.total, half @ sums.squares
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, second = total / n, squares / n
        variance = second - mean * mean
        # what is left of a variance after its digits cancel is rounding
        moves = (variance > 1e-12 * second) & (2.0 * n >= (half @ sums.length)[:, None]) & (n > 1)
        return np.where(moves, mean / np.sqrt(np.where(moves, variance, 1.0) * n / (n - 1.0)), np.nan)


def _logit_of_best(inside: np.ndarray, outside: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """Return the logit of the rank outside of what is best inside, (n_halves,); those at -inf are not ranked."""
    best = np.take_along_axis(outside, inside.argmax(axis=1)[:, None], axis=1)
    with np.errstate(invalid="ignore"):
        near = 1e-12 * np.abs(best)  # equal streams may differ in a last bit
        beneath = np.count_nonzero((outside < best - near) & np.isfinite(outside), axis=1)
        tied = np.count_nonzero(np.abs(outside - best) <= near, axis=1)
    rank = beneath + (tied + 1) / 2
    found: np.ndarray = np.full(len(rank), np.nan)
    some = ranked > 1
    found[some] = np.log(rank[some]) - np.log(ranked[some] + 1 - rank[some])
    return found
