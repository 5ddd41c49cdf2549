"""PBO: equal to a loop over splits, and what it must be of trials whose answer is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from metabt.errors import ConfigError
from metabt.luck import overfitting as module
from metabt.luck.overfitting import overfitting
from metabt.luck.trial_returns import TrialReturns
from tests.luck.families import late, noise


def logits_of(returns: np.ndarray, n_blocks: int = 16) -> np.ndarray:
    return overfitting(TrialReturns.of(returns), np.arange(returns.shape[1]), n_blocks).logits


def probability(returns: np.ndarray, n_blocks: int = 16) -> float:
    return overfitting(TrialReturns.of(returns), np.arange(returns.shape[1]), n_blocks).probability


def looped(returns: np.ndarray, n_blocks: int) -> list[float]:
    """Return the logits of all splits in ascending order, by the steps of the paper."""
    edges = np.linspace(0, len(returns), n_blocks + 1).astype(int)
    blocks = [np.arange(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    found = []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        halves = [
            np.concatenate([b for k, b in enumerate(blocks) if (k in chosen) == inside]) for inside in (True, False)
        ]
        ratios = []
        for half in halves:
            X = returns[half]
            n = (~np.isnan(X)).sum(axis=0)
            ratio = np.nanmean(X, axis=0) / np.nanstd(X, axis=0, ddof=1)
            ratios.append(np.where(2 * n >= len(half), ratio, np.nan))
        ranked = ~np.isnan(ratios[0] + ratios[1])
        inside, outside = ratios[0][ranked], ratios[1][ranked]
        own = outside[np.argmax(inside)]
        rank = (outside < own).sum() + ((outside == own).sum() + 1) / 2
        w = rank / (len(inside) + 1)
        found.append(float(np.log(w / (1 - w))))
    return sorted(found)


@pytest.mark.parametrize("n_trials", [2, 7, 30])
def test_it_is_that_of_a_plain_loop(n_trials: int) -> None:
    returns = noise(1, 203, n_trials, 0.3)
    assert sorted(logits_of(returns, 8)) == pytest.approx(looped(returns, 8))


def test_late_trials_are_ranked_where_they_have_half_of_both_halves() -> None:
    returns = late(late(noise(2, 200, 9), 4, 45), 5, 70)
    assert sorted(logits_of(returns, 8)) == pytest.approx(looped(returns, 8))
    assert probability(returns, 8) != probability(np.delete(returns, [4, 5], axis=1), 8)


def test_ratios_of_few_sessions_are_ordered_as_sharpe_ratios_are() -> None:
    """Their deviations are corrected for as many sessions as each has."""
    for seed in range(40):
        returns = late(noise(seed, 24, 5), 2, 6)
        assert sorted(logits_of(returns, 4)) == pytest.approx(looped(returns, 4))


def test_pieces_of_the_work_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = noise(3, 160, 12)
    whole = logits_of(returns, 8)
    monkeypatch.setattr(module, "TOGETHER", 40)
    monkeypatch.setattr(TrialReturns.blocks, "__defaults__", (5,))
    assert sorted(logits_of(returns, 8)) == pytest.approx(sorted(whole))


def test_trials_without_a_mean_are_always_overfitted() -> None:
    """What a demeaned trial earns in one half it loses in the other."""
    returns = noise(4, 800, 30)
    assert probability(returns - returns.mean(axis=0)) == 1.0


def test_one_strong_trial_is_never_overfitted() -> None:
    returns = noise(5, 800, 30)
    returns[:, 11] += 0.01
    assert probability(returns) == 0.0
    assert logits_of(returns) == pytest.approx(np.log(30.0))


@pytest.mark.parametrize("n_trials", [2, 3, 4, 9, 10])
def test_trials_that_cannot_be_told_apart_are_overfitted_half_the_time(n_trials: int) -> None:
    found = [probability(noise(seed, 240, n_trials), 8) for seed in range(200)]
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.std(found) / 200**0.5)


@pytest.mark.parametrize("n_trials", [2, 3, 8])
def test_equal_trials_are_exactly_one_half(n_trials: int) -> None:
    assert probability(np.repeat(noise(6, 320, 1), n_trials, axis=1)) == 0.5
    leveraged = noise(6, 320, 1) * np.linspace(0.3, 3.1, n_trials)  # equal but for last bits
    assert probability(leveraged) == 0.5


def test_the_middle_of_an_odd_number_counts_half() -> None:
    returns = noise(7, 160, 3)
    logits = logits_of(returns, 8)
    assert (logits == 0).any()
    assert probability(returns, 8) == pytest.approx(np.mean(logits < 0) + np.mean(logits == 0) / 2)


def test_there_are_12870_splits() -> None:
    assert len(logits_of(noise(8, 320, 3))) == 12_870


def test_neither_order_nor_leverage_matters() -> None:
    returns = noise(9, 240, 8, 0.5)
    order = np.random.default_rng(1).permutation(8)
    other = (returns * np.linspace(0.3, 4, 8))[:, order]
    assert sorted(logits_of(other, 8)) == pytest.approx(sorted(logits_of(returns, 8)))


def test_what_does_not_move_in_a_half_is_not_ranked_there() -> None:
    returns = noise(10, 160, 5)
    returns[:80, 2] = 1e-4
    expected = [logits_of(returns[:, [0, 1, 3, 4]], 2), logits_of(returns, 2)]
    assert expected[0].tolist() == pytest.approx(expected[1].tolist())


def test_one_trial_has_no_rank() -> None:
    assert np.isnan(probability(noise(11, 100, 1)))


@pytest.mark.parametrize(("n_blocks", "n_sessions"), [(15, 300), (0, 300), (22, 300), (16, 31)])
def test_blocks_are_even_in_number_and_not_empty(n_blocks: int, n_sessions: int) -> None:
    with pytest.raises(ConfigError, match=f"{n_blocks} blocks of {n_sessions} sessions; wanted an even number"):
        probability(noise(12, n_sessions, 3), n_blocks)
