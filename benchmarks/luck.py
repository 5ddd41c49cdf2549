"""What the luck of a large family takes: `python benchmarks/luck.py [--trials 100000 --years 20 --draws 1000]`.

1. A family of noise with a common factor is made block by block, so that its matrix is never in memory. Making it is
   timed by itself and taken off.
2. Seconds of the processor and peak memory of the bootstrap of its maximum (`family_test`, one thread), then of the
   whole answer (`luck`: PBO, Rademacher complexity and all closed forms as well).
3. On a small family the same probabilities by a plain loop over draws, side by side.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from metabt.luck.family_test import Draws, family_test
from metabt.luck.luck import luck
from metabt.luck.stationary_bootstrap import stationary_indices
from metabt.luck.trial_returns import BLOCK, TrialReturns
from metabt.numerics.platform import one_thread

PER_YEAR = 252


def noise(n_sessions: int, n_trials: int) -> TrialReturns:
    """Return a family without any skill, correlated by 0.6 in pairs, that is made when it is asked for."""
    common = np.random.default_rng(0).standard_normal((n_sessions, 1), np.float32) * np.float32(0.6**0.5)

    def columns(start: int, stop: int) -> np.ndarray:
        # a column's numbers may not depend on what is asked for beside it: blocks are made whole
        first, last = start // BLOCK, -(-stop // BLOCK)
        own = [
            np.random.default_rng([1, k]).standard_normal((n_sessions, BLOCK), np.float32) for k in range(first, last)
        ]
        drawn = np.hstack(own) if len(own) > 1 else own[0]
        drawn *= np.float32(0.4**0.5)
        drawn += common
        drawn *= np.float32(0.01)
        return drawn[:, start - first * BLOCK : stop - first * BLOCK]

    return TrialReturns(n_sessions, n_trials, columns)


def plain(returns: np.ndarray, n_draws: int, block_length: float) -> np.ndarray:
    """Return the p of every trial by a loop over draws, each of which draws the matrix of returns anew."""
    n, mean = len(returns), returns.mean(axis=0)
    best = np.empty(n_draws)
    for k, sessions in enumerate(stationary_indices(n, n_draws, block_length, 0)):
        drawn = returns[sessions]
        best[k] = ((drawn.mean(axis=0) - mean) / drawn.std(axis=0, ddof=1)).max() * np.sqrt(n)
    reached = (best[:, None] >= mean / returns.std(axis=0, ddof=1) * np.sqrt(n)).sum(axis=0)
    return (1 + reached) / (1 + n_draws)


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    """Return the processor's seconds that work takes, and what it returns."""
    before = time.process_time()
    found = work()
    return time.process_time() - before, found


def peak() -> float:
    """Return the most memory that the process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def made(family: TrialReturns) -> None:
    """Make every block once."""
    for _ in family.blocks():
        pass


def beside_a_loop(n_sessions: int, n_draws: int) -> None:
    """Print a small family by both ways."""
    small = np.hstack([block for _, block in noise(n_sessions, 200).blocks()]).astype(np.float64)
    looped, expected = seconds(lambda: plain(small, n_draws, 5.0))
    took, test = seconds(lambda: family_test(TrialReturns.of(small), Draws(n_draws, block_length=5.0)))
    apart = np.abs(test.p_luck - expected).max()  # type: ignore[attr-defined]
    print(f"200 trials: plain loop {looped:.2f} s, metabt {took:.2f} s, ratio {looped / took:.1f}, p apart {apart:.1e}")


def main() -> None:
    """Print what a family takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--draws", type=int, default=1000)
    asked = parser.parse_args()
    family = noise(asked.years * PER_YEAR, asked.trials)
    with one_thread():
        beside_a_loop(family.n_sessions, asked.draws)
        making, _ = seconds(partial(made, family))
        print(f"{asked.trials} trials x {family.n_sessions} sessions x {asked.draws} draws; making them {making:.1f} s")
        took, test = seconds(lambda: family_test(family, Draws(asked.draws)))
        smallest = np.nanmin(test.p_luck)  # type: ignore[attr-defined]
        print(f"p_luck: {took:.1f} s with making them, peak {peak():.2f} GB, smallest p {smallest:.3f}")
        took, _ = seconds(lambda: luck(family, PER_YEAR, draws=Draws(asked.draws)))
        print(f"luck: {took:.1f} s with making them, peak {peak():.2f} GB")


if __name__ == "__main__":
    main()
