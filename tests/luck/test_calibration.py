"""Calibration: of families of pure noise 5 % are called significant at 5 %, and what is skill is found.

150 families x pairwise correlation 0, 0.6, 0.9 x 200 trials x 1,260 sessions, as the field would meet them.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from metabt.luck.family_test import Draws, family_test
from metabt.luck.trial_returns import TrialReturns
from tests.luck.families import late, noise

FAMILIES = 150


def share_called(returns: list[np.ndarray], trial: int | None = None) -> float:
    """Return the share of families in which the best trial, or a certain one, has a p of at most 5 %."""
    tests = [family_test(TrialReturns.of(each.astype(np.float32)), Draws()) for each in returns]
    return float(np.mean([np.nanmin(it.p_luck) <= 0.05 if trial is None else it.p_luck[trial] <= 0.05 for it in tests]))


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_noise_is_called_noise_and_skill_is_found(correlation: float) -> None:
    families = [noise(seed, 1260, 200, correlation) for seed in range(FAMILIES)]
    called = share_called(families)
    for returns in families:
        returns[:, 77] += 0.01 * 1.9 / math.sqrt(252)
    found = share_called(families, 77)
    print(f"\ncorrelation {correlation}: {called:.1%} of noise called significant, {found:.1%} of 1.9 a year found")
    assert 0.02 <= called <= 0.09
    assert found >= 0.75


@pytest.mark.slow
def test_heavy_tails_trends_and_late_starts_are_no_skill() -> None:
    """Trials as they come: Student's t of 4 degrees, volatility that clusters, and half of them late."""
    families = []
    for seed in range(FAMILIES):
        random = np.random.default_rng([1, seed])
        volatility = np.exp(0.5 * np.convolve(random.standard_normal(1300), np.ones(40) / np.sqrt(40), "valid"))
        common = random.standard_t(4, (1260, 1))
        returns = 0.005 * volatility[:1260, None] * (random.standard_t(4, (1260, 60)) + common)
        for trial in range(0, 60, 2):
            returns = late(returns, trial, int(random.integers(1, 900)))
        families.append(returns)
    called = share_called(families)
    print(f"\nheavy tails, clusters, late starts: {called:.1%} of noise called significant")
    assert 0.01 <= called <= 0.09


@pytest.mark.slow
def test_returns_with_a_memory_are_no_skill() -> None:
    """An autoregression of 0.3, as smoothed prices have it: single sessions would call far more of it skill."""
    families = []
    for seed in range(FAMILIES):
        x = noise(seed, 1300, 50, 0.5)
        for t in range(1, len(x)):
            x[t] += 0.3 * x[t - 1]
        families.append(x[40:])
    called = share_called(families)
    single = [family_test(TrialReturns.of(each), Draws(300, block_length=1.0)) for each in families]
    without = float(np.mean([np.nanmin(it.p_luck) <= 0.05 for it in single]))
    print(f"\nautoregression of 0.3: {called:.1%} called significant, by single sessions {without:.1%}")
    assert called <= 0.12 and without > 1.5 * called
