"""Calibration: of families of pure noise 5 % are called significant at 5 %, and what is skill is found.

150 families x pairwise correlation 0, 0.6, 0.9 x 200 trials x 1,260 sessions, as the field would meet them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from scipy.signal import lfilter

from metabt.luck.family_test import Draws, family_test
from metabt.luck.trial_returns import TrialReturns
from tests.luck.families import noise

FAMILIES = 150
SKILL = 1.9
"""A true Sharpe ratio a year."""
ONE = Draws()


def called_significant(families: Iterable[np.ndarray], draws: Draws = ONE) -> float:
    """Return the share of families in which the best trial has a p of at most 5 %."""
    tests = [family_test(TrialReturns.of(returns), draws) for returns in families]
    return float(np.mean([np.nanmin(test.p_luck) <= 0.05 for test in tests]))


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_noise_is_called_noise_and_skill_is_found(correlation: float) -> None:
    """Skill that is given to a trial moves its t alone (tests/luck/test_family_test.py): each trial has it in turn."""
    called, found = [], []
    for seed in range(FAMILIES):
        returns = noise(seed, 1260, 200, correlation).astype(np.float32)
        test = family_test(TrialReturns.of(returns), ONE)
        called.append(np.nanmin(test.p_luck) <= 0.05)
        skilled = test.t + 0.01 * SKILL / math.sqrt(252) / test.moments.standard_error
        reached = (test.maxima[:, None] >= skilled).sum(axis=0)
        found.append(np.mean((1 + reached) / (1 + len(test.maxima)) <= 0.05))
    print(
        f"\ncorrelation {correlation}: {np.mean(called):.1%} of noise called significant, "
        f"{np.mean(found):.1%} of trials with {SKILL} a year found"
    )
    assert 0.02 <= np.mean(called) <= 0.09
    assert np.mean(found) >= 0.75


def as_they_come(seed: int) -> np.ndarray:
    """Return trials with Student's t of 4 degrees, volatility that clusters, and half of them late."""
    random = np.random.default_rng([1, seed])
    volatility = np.exp(0.5 * np.convolve(random.standard_normal(1299), np.ones(40) / np.sqrt(40), "valid"))
    common = random.standard_t(4, (1260, 1))
    returns = 0.005 * volatility[:, None] * (random.standard_t(4, (1260, 60)) + common)
    for trial in range(0, 60, 2):
        returns[: int(random.integers(1, 900)), trial] = np.nan
    return returns


def skewed(seed: int, sign: int) -> np.ndarray:
    """Return trials with a skew of 3, or of -3: many small losses and rare large gains, or the other way round."""
    steps = np.random.default_rng([2, seed]).gamma(4 / 9, 1.0, (1260, 100)) - 4 / 9
    return 0.015 * sign * steps


def smoothed(seed: int) -> np.ndarray:
    """Return trials with an autoregression of 0.3, as smoothed prices have it."""
    steps = noise(seed, 1300, 50, 0.5)
    return np.asarray(lfilter([1.0], [1.0, -0.3], steps, axis=0))[40:]


@pytest.mark.slow
def test_heavy_tails_clusters_and_late_starts_are_no_skill() -> None:
    called = called_significant(map(as_they_come, range(FAMILIES)))
    print(f"\nheavy tails, clusters, late starts: {called:.1%} of noise called significant")
    assert 0.01 <= called <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize("sign", [-1, 1])
def test_rare_large_losses_and_gains_are_no_skill(sign: int) -> None:
    """With the deviation of the data in all draws 20 % of a skew of -3 are called, and none of 3."""
    called = called_significant(skewed(seed, sign) for seed in range(FAMILIES))
    print(f"\nskew of {3 * sign}: {called:.1%} of noise called significant")
    assert 0.01 <= called <= 0.09


@pytest.mark.slow
def test_returns_with_a_memory_are_no_skill() -> None:
    """Draws of single sessions would call far more of them skill."""
    called = called_significant(map(smoothed, range(FAMILIES)))
    without = called_significant(map(smoothed, range(FAMILIES)), Draws(300, block_length=1.0))
    print(f"\nautoregression of 0.3: {called:.1%} called significant, by single sessions {without:.1%}")
    assert called <= 0.12 and without > 1.5 * called
