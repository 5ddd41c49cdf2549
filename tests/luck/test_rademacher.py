"""Rademacher complexity: by enumeration, by a plain loop, and what it must not grow with."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from metabt.errors import ConfigError
from metabt.luck.rademacher import rademacher_bound, rademacher_complexity
from metabt.luck.sharpe_evidence import SharpeRatio
from metabt.luck.trial_returns import TrialReturns
from tests.luck.families import late, noise


def complexity(returns: np.ndarray, scale: np.ndarray | None = None, **options: int) -> float:
    n = (~np.isnan(returns)).sum(axis=0)
    unit = np.ones(returns.shape[1]) if scale is None else scale
    return rademacher_complexity(TrialReturns.of(returns), unit, n, **options)


def test_two_coins_and_two_trials() -> None:
    assert complexity(np.array([[1.0, 1.0], [1.0, -1.0]])) == 0.5


def test_one_trial_has_none() -> None:
    assert complexity(noise(1, 6, 1)) == pytest.approx(0.0, abs=1e-9)


def test_a_trial_and_its_opposite() -> None:
    """The maximum of a sum and its opposite is its size: 1/T of the distance of a random walk, 3/8 for T = 4."""
    assert complexity(np.array([[1.0, -1.0]] * 4)) == pytest.approx(3 / 8)


@pytest.mark.parametrize("gaps", [False, True])
def test_all_tosses_are_those_of_a_plain_loop(gaps: bool) -> None:
    returns = noise(2, 7, 5) * 100
    returns = late(returns, 3, 4) if gaps else returns
    best = [
        max(np.nansum(np.array(signs) * x) / np.count_nonzero(~np.isnan(x)) for x in returns.T)
        for signs in product((-1, 1), repeat=7)
    ]
    assert complexity(returns) == pytest.approx(np.mean(best), rel=1e-5)


def test_drawn_tosses_are_near_all_of_them() -> None:
    returns = noise(3, 11, 6)
    every = complexity(returns, n_draws=2048)
    assert complexity(returns, n_draws=1500, seed=1) == pytest.approx(every, rel=0.08)
    assert complexity(returns, n_draws=1500, seed=1) != every


def test_many_unrelated_trials_are_the_expected_maximum_of_normals() -> None:
    returns = noise(4, 400, 200)
    found = complexity(returns, returns.std(axis=0))
    expected = np.mean(stats.norm.rvs(size=(4000, 200), random_state=1).max(axis=1)) / 20
    assert found == pytest.approx(expected, rel=0.04)


def test_copies_add_nothing_and_trials_that_take_no_part_neither() -> None:
    returns = noise(5, 300, 4)
    unit = returns.std(axis=0)
    expected = complexity(returns, unit)
    assert complexity(np.tile(returns, 5), np.tile(unit, 5)) == pytest.approx(expected)
    assert complexity(np.hstack([returns, noise(6, 300, 1)]), np.append(unit, np.nan)) == pytest.approx(expected)


def test_the_bound_takes_off_complexity_and_error() -> None:
    bound = rademacher_bound(SharpeRatio(per_session=0.2), 0.03, 2520, 100, 0.95)
    error = 3 * np.sqrt(2 * np.log(2 / 0.05) / 2520) + np.sqrt(2 * np.log(2 * 100 / 0.05) / 2520)
    assert bound.per_session == pytest.approx(0.2 - 0.06 - error)


def test_the_bound_holds_of_noise() -> None:
    held = []
    for seed in range(60):
        returns = noise(seed, 300, 30)
        unit = returns.std(axis=0, ddof=1)
        best = SharpeRatio(per_session=(returns.mean(axis=0) / unit).max())
        held.append(rademacher_bound(best, complexity(returns, unit, n_draws=64), 300, 30).per_session <= 0)
    assert all(held)


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 draws; wanted at least 1"):
        complexity(noise(7, 20, 2), n_draws=0)
    with pytest.raises(ConfigError, match="confidence 1.5: wanted a share"):
        rademacher_bound(SharpeRatio(per_session=0.1), 0.0, 100, 2, 1.5)
