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
from itertools import combinations, pairwise

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
    edges = np.linspace(0, returns.n_sessions, n_blocks + 1).astype(int)
    chosen = np.zeros(returns.n_trials, bool)
    chosen[members] = True
    parts = [_summed(block[:, chosen[place]], edges) for place, block in returns.blocks()]
    n, total, squares = (np.hstack(it) for it in zip(*parts, strict=True))
    return BlockSums(n, total, squares, np.diff(edges).astype(np.float64))


def _summed(block: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the number, the sum and the sum of squares by block of sessions, (n_blocks, n_trials) float64 each."""
    X = block.astype(np.float64)
    missing = np.isnan(X)
    X[missing] = 0.0
    within = [slice(begin, end) for begin, end in pairwise(edges.tolist())]
    n = [it.stop - it.start - np.count_nonzero(missing[it], axis=0) for it in within]
    squares = [np.einsum("tk,tk->k", X[it], X[it]) for it in within]
    return np.array(n, np.float64), np.array([X[it].sum(axis=0) for it in within]), np.array(squares)


def _halves(n_blocks: int) -> list[tuple[int, ...]]:
    """Return one half of each pair of halves: that with the first block."""
    return [(0, *rest) for rest in combinations(range(1, n_blocks), n_blocks // 2 - 1)]


def _logits(sums: BlockSums, half: np.ndarray) -> np.ndarray:
    """Return the logits of halves, (n_halves, n_blocks) of 0 and 1, and of the other halves: (2 n_halves,)."""
    one, other = _score(sums, half), _score(sums, 1.0 - half)
    missing = np.isneginf(one) | np.isneginf(other)
    one[missing], other[missing] = -np.inf, -np.inf
    absent = np.count_nonzero(missing, axis=1)
    return np.concatenate([_logit_of_best(one, other, absent), _logit_of_best(other, one, absent)])


def _score(sums: BlockSums, half: np.ndarray) -> np.ndarray:
    """Return what orders trials as their Sharpe ratios in a half do, (n_halves, n_trials).

    With n, T, Q the sessions, the sum and the sum of squares of a half, `T / sqrt(n Q - T^2) sqrt(1 - 1 / n)`; the last
    factor is left out where it is the same for all. -inf with less than half of the sessions, or without movement.
    """
    complete = bool((sums.n_sessions == sums.length[:, None]).all())
    n = half @ (sums.length[:, None] if complete else sums.n_sessions)
    T, Q = half @ sums.total, half @ sums.squares
    Q *= n
    squared = T * T
    Q -= squared
    squared *= 1e-12  # what is left of a variance after its digits cancel is rounding
    still = Q <= squared
    if not complete:
        still |= 2.0 * n < (half @ sums.length)[:, None]
        T *= np.sqrt(1.0 - 1.0 / np.maximum(n, 1.0))
    Q[still] = 1.0
    T /= np.sqrt(Q, out=Q)
    T[still] = -np.inf
    return T


def _logit_of_best(inside: np.ndarray, outside: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Return the logit of the rank outside of what is best inside, (n_halves,); `absent` trials are at -inf."""
    best = np.take_along_axis(outside, inside.argmax(axis=1)[:, None], axis=1)
    ranked, found = inside.shape[1] - absent, np.full(len(best), np.nan)
    near = 1e-12 * (1.0 + np.abs(best))  # equal streams may differ in last bits
    with np.errstate(invalid="ignore"):
        beneath = np.count_nonzero(outside < best - near, axis=1) - absent
        upto = np.count_nonzero(outside <= best + near, axis=1) - absent
    some = ranked > 1
    rank = (beneath + upto + 1)[some] / 2  # those that tie share the mean of their ranks
    found[some] = np.log(rank) - np.log(ranked[some] + 1 - rank)
    return found
