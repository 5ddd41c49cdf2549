"""SPA, StepM and the model confidence set are those of `arch` (Kevin Sheppard) on the same draws."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from metabt.luck.block_length import optimal_block_lengths
from metabt.luck.confidence_set import confidence_set
from metabt.luck.family_test import Draws, family_test
from metabt.luck.stationary_bootstrap import counts
from metabt.luck.superior_ability import bootstrap_variance, superior_ability
from metabt.luck.trial_returns import TrialReturns
from tests.luck.families import noise

bootstrap = pytest.importorskip("arch.bootstrap", reason="metabt[dev] brings arch")

DRAWS, LENGTH, SEED = 800, 8, 11


def family() -> np.ndarray:
    """Return 30 trials of 500 sessions: some with skill, some that lose, most with neither."""
    returns = noise(2, 500, 30, 0.4)
    returns += 0.01 * np.concatenate([np.linspace(-0.5, -0.2, 6), np.zeros(20), np.linspace(0.1, 0.25, 4)])
    return returns


@cache
def arch_counts() -> np.ndarray:
    """Return how often sessions come in arch's own draws."""
    drawn = bootstrap.StationaryBootstrap(LENGTH, np.arange(500), seed=SEED).bootstrap(DRAWS)
    return counts(np.array([positional[0] for positional, _ in drawn]))


def test_superior_predictive_ability() -> None:
    returns = family()[:, :27]  # the best of them is no clear case
    theirs = bootstrap.SPA(np.zeros(500), -returns, LENGTH, DRAWS, seed=SEED)
    theirs.compute()
    ours = superior_ability(returns, arch_counts(), LENGTH, studentised=False).p_values
    expected = {name: (1 + round(DRAWS * p)) / (1 + DRAWS) for name, p in theirs.pvalues.items()}
    assert ours == pytest.approx(expected, rel=1e-12)
    assert len(set(expected.values())) == 3 and max(expected.values()) < 0.9


@pytest.mark.parametrize("level", [0.02, 0.05, 0.3])
def test_stepm(level: float) -> None:
    """Their quantile of draws is interpolated, our p counts the data as one more: a trial at the edge may differ."""
    returns = family()
    theirs = bootstrap.StepM(np.zeros(500), -returns, level, LENGTH, DRAWS, seed=SEED)
    theirs.compute()
    ours = superior_ability(returns, arch_counts(), LENGTH, studentised=False).survivors(level)
    assert ours.tolist() == theirs.superior_models and 0 < len(ours) < 30


def test_the_variance_of_the_bootstrap() -> None:
    theirs = bootstrap.SPA(np.zeros(500), -family(), LENGTH, 2, seed=SEED)
    theirs.compute()
    assert bootstrap_variance(family(), LENGTH) == pytest.approx(theirs._loss_diff_var)


def test_the_model_confidence_set() -> None:
    returns = family()
    theirs = bootstrap.MCS(-returns, 0.05, DRAWS, LENGTH, method="max", seed=SEED)
    theirs.compute()
    ours = confidence_set(returns, arch_counts())
    expected = theirs.pvalues["Pvalue"].sort_index().to_numpy()
    assert ours == pytest.approx(expected, abs=1e-12)
    assert np.flatnonzero(ours > 0.05).tolist() == theirs.included and 1 < len(theirs.included) < 30


def test_the_studentised_family_is_arch_on_streams_of_one_deviation() -> None:
    """Their test compares means as they are: the same as t where all trials move alike."""
    returns = family()
    returns /= returns.std(axis=0, ddof=1)
    theirs = bootstrap.SPA(np.zeros(500), -returns, LENGTH, DRAWS, seed=SEED)
    theirs.compute()
    ours = superior_ability(returns, arch_counts(), LENGTH, studentised=False)
    test = family_test(TrialReturns.of(returns), Draws(DRAWS, block_length=LENGTH))
    assert ours.p_values["upper"] == pytest.approx((1 + round(DRAWS * theirs.pvalues["upper"])) / (1 + DRAWS))
    assert np.nanmin(test.p_luck) == pytest.approx(ours.p_values["upper"], abs=0.03)


def test_the_block_length_where_no_lag_is_significant() -> None:
    """Theirs takes twice one more than the last significant lag, the paper twice that lag: alike without any."""
    series = noise(5, 800, 40)
    theirs = bootstrap.optimal_block_length(series)["stationary"].to_numpy()
    ours = optimal_block_lengths(series)
    alike = np.isclose(ours, np.maximum(theirs, 1.0))
    assert alike.mean() > 0.8
