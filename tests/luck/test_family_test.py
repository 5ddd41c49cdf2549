"""The bootstrap of a family's maximum: equal to a plain loop, whatever the blocks, and to StepM's rounds."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.errors import ConfigError, DataError
from metabt.luck import maxima as maxima_module
from metabt.luck.family_test import Draws, family_test
from metabt.luck.maxima import Maxima
from metabt.luck.moments import moments
from metabt.luck.stationary_bootstrap import stationary_indices
from metabt.luck.trial_returns import TrialReturns
from tests.luck.families import late, noise

DRAWS = Draws(300, seed=3, block_length=4.0)


def family() -> np.ndarray:
    """Return 40 trials of 400 sessions, of several deviations, the last three with skill."""
    returns = noise(1, 400, 40, 0.3) * np.linspace(0.2, 3, 40)
    returns[:, 37:] += np.array([0.1, 0.2, 0.3]) * returns[:, 37:].std(axis=0)
    return returns


def drawn_sums(returns: np.ndarray, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Return t (n_trials,) and t of the centred draws (n_draws, n_trials), by a loop, over own sessions."""
    t, sums = np.empty(returns.shape[1]), np.empty((draws.n_draws, returns.shape[1]))
    drawn = stationary_indices(len(returns), draws.n_draws, draws.block_length or 1.0, draws.seed)
    for k, series in enumerate(returns.T):
        own = series[~np.isnan(series)]
        error = own.std(ddof=1) / np.sqrt(len(own))
        t[k] = own.mean() / error
        for b, sessions in enumerate(drawn):
            came = series[sessions]
            if len(own) == len(series):
                sums[b, k] = (came.mean() - own.mean()) / (came.std(ddof=1) / np.sqrt(len(came)))
                continue
            z = (came - own.mean()) / own.std(ddof=1)
            deviation = np.sqrt(np.nansum(z**2) - np.nansum(z) ** 2 / len(own))
            sums[b, k] = np.nansum(z) / deviation * np.sqrt(1 - 1 / len(own))
    return t, sums


def rounds(t: np.ndarray, sums: np.ndarray, level: float) -> set[int]:
    """Return StepM's survivors (Romano and Wolf 2005, algorithm 3.1): rounds of rejections by p of those left."""
    left, survivors = list(range(len(t))), set()
    while left:
        best = sums[:, left].max(axis=1)
        out = {k for k in left if (1 + (best >= t[k]).sum()) / (1 + len(best)) <= level}
        if not out:
            break
        survivors |= out
        left = [k for k in left if k not in out]
    return survivors


@pytest.mark.parametrize("gaps", [False, True])
def test_it_is_that_of_a_plain_loop(gaps: bool) -> None:
    returns = late(late(family(), 39, 120), 5, 100) if gaps else family()
    t, sums = drawn_sums(returns, DRAWS)
    test = family_test(TrialReturns.of(returns), DRAWS)
    best = sums.max(axis=1)
    assert test.t == pytest.approx(t) and test.maxima == pytest.approx(best, rel=1e-4)
    assert test.p_luck == pytest.approx((1 + (best[:, None] >= t).sum(axis=0)) / 301)


@pytest.mark.parametrize("level", [0.02, 0.05, 0.2, 0.6])
def test_the_step_down_keeps_what_rounds_of_stepm_keep(level: float) -> None:
    t, sums = drawn_sums(family(), DRAWS)
    kept = np.flatnonzero(family_test(TrialReturns.of(family()), DRAWS).p_step <= level)
    assert set(kept.tolist()) == rounds(t, sums, level) and len(kept) >= 2


def test_the_step_down_finds_more_than_a_single_step_and_never_less() -> None:
    test = family_test(TrialReturns.of(family()), DRAWS)
    assert (test.p_step <= test.p_luck).all() and (test.p_step < test.p_luck).any()
    best = int(np.argmax(test.t))
    assert test.p_step[best] == test.p_luck[best] == test.p_luck.min()


def test_a_better_trial_has_no_larger_p() -> None:
    test = family_test(TrialReturns.of(family()), DRAWS)
    order = np.argsort(test.t)
    for p in (test.p_luck, test.p_step):
        assert (np.diff(p[order]) <= 0).all()


def test_a_stream_that_rarely_moves_does_not_rule_the_family() -> None:
    """Draws without its moves have hardly a deviation; what they say of its mean is bounded."""
    returns = noise(9, 1000, 10)
    rare = np.zeros((1000, 1))
    rare[[100, 500], 0] = -0.03, -0.02
    alone = family_test(TrialReturns.of(returns), Draws(300, block_length=1.0))
    beside = family_test(TrialReturns.of(np.hstack([returns, rare])), Draws(300, block_length=1.0))
    assert np.quantile(beside.maxima, 0.95) == pytest.approx(np.quantile(alone.maxima, 0.95), abs=0.4)
    assert beside.maxima.max() < 8


def test_skill_moves_the_t_of_its_own_trial_alone() -> None:
    returns = family()
    before = family_test(TrialReturns.of(returns), DRAWS)
    returns[:, 11] += 0.002
    after = family_test(TrialReturns.of(returns), DRAWS)
    assert after.maxima == pytest.approx(before.maxima, rel=1e-4)
    assert np.delete(after.t, 11) == pytest.approx(np.delete(before.t, 11))
    assert after.t[11] == pytest.approx(before.t[11] + 0.002 / before.moments.standard_error[11])


def test_trials_that_are_much_alike_are_one() -> None:
    alone = noise(4, 500, 1) + 0.0007
    copies = np.repeat(alone, 50, axis=1)
    assert len(set(family_test(TrialReturns.of(copies), DRAWS).p_luck.tolist())) == 1
    two = family_test(TrialReturns.of(copies[:, :2]), DRAWS).p_luck[0]
    many = family_test(TrialReturns.of(copies), DRAWS).p_luck[0]
    unrelated = family_test(TrialReturns.of(np.hstack([alone, noise(5, 500, 49)])), DRAWS).p_luck[0]
    assert two == many < unrelated


def test_neither_leverage_nor_order_matters() -> None:
    returns = family()
    expected = family_test(TrialReturns.of(returns), DRAWS).p_luck
    scaled = family_test(TrialReturns.of(returns * np.linspace(0.1, 5, 40)), DRAWS).p_luck
    order = np.random.default_rng(6).permutation(40)
    assert scaled == pytest.approx(expected)
    assert family_test(TrialReturns.of(returns[:, order]), DRAWS).p_luck == pytest.approx(expected[order])


def test_blocks_of_any_size_and_a_reader_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = family()
    expected = family_test(TrialReturns.of(returns), DRAWS)
    asked: list[int] = []

    def columns(start: int, stop: int) -> np.ndarray:
        asked.append(stop - start)
        return returns[:, start:stop]

    monkeypatch.setattr(TrialReturns.blocks, "__defaults__", (7,))
    found = family_test(TrialReturns(400, 40, columns), DRAWS)
    assert max(asked) == 7
    assert found.p_luck.tolist() == expected.p_luck.tolist() and found.p_step.tolist() == expected.p_step.tolist()


def test_steps_of_a_large_family_are_never_too_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = family_test(TrialReturns.of(family()), DRAWS)
    monkeypatch.setattr(maxima_module, "STEPS", 10)
    found = family_test(TrialReturns.of(family()), DRAWS)
    assert found.p_luck.tolist() == expected.p_luck.tolist()
    assert (found.p_step > expected.p_step).any()
    assert (found.p_step >= expected.p_step).all() and (found.p_step <= found.p_luck).all()


def test_the_same_matrix_gives_the_same_and_another_seed_another() -> None:
    first, again = (family_test(TrialReturns.of(family()), Draws(200)).p_luck.tolist() for _ in range(2))
    assert first == again != family_test(TrialReturns.of(family()), Draws(200, seed=1)).p_luck.tolist()


def test_more_sessions_than_wanted_are_needed_and_some_movement() -> None:
    returns = np.hstack([late(family(), 3, 300), np.full((400, 1), 1e-4), np.full((400, 1), np.nan)])
    test = family_test(TrialReturns.of(returns), Draws(100))
    out = [3, 40, 41]
    assert test.members.tolist() == [k for k in range(42) if k not in out]
    for found in (test.t, test.p_luck, test.p_step):
        assert np.isnan(found[out]).all() and np.isfinite(found[test.members]).all()
    without = family_test(TrialReturns.of(np.delete(returns, out, axis=1)), Draws(100, block_length=test.block_length))
    assert test.p_luck[test.members].tolist() == without.p_luck.tolist()


@pytest.mark.parametrize("n_trials", [0, 1])
def test_fewer_than_two_trials_are_no_family(n_trials: int) -> None:
    test = family_test(TrialReturns.of(family()[:, :n_trials]), Draws(100))
    assert np.isnan(test.p_luck).all() and len(test.maxima) == 0 and test.block_length is None


def test_trends_make_luck_likelier() -> None:
    """Returns with a memory have wider means: blocks keep it, single sessions would not."""
    returns = noise(8, 1500, 20)
    trending = np.apply_along_axis(lambda x: np.convolve(x, np.ones(10))[:1500], 0, returns)
    test = family_test(TrialReturns.of(trending), Draws(400))
    single = family_test(TrialReturns.of(trending), Draws(400, block_length=1.0))
    assert test.block_length is not None and test.block_length > 15
    assert np.median(test.maxima) > 1.8 * np.median(single.maxima)


def test_probabilities_count_the_data_as_a_draw() -> None:
    found = Maxima(
        np.array([1.0, 2.0, np.nan, 9.0]), np.array([0, 1, -1, 2]), np.array([[0, 1], [1, 2], [2, 3]], np.float32)
    )
    assert found.single_step().tolist() == pytest.approx([1.0, 1.0, np.nan, 1 / 3], nan_ok=True)
    assert found.step_down().tolist() == pytest.approx([2 / 3, 2 / 3, np.nan, 1 / 3], nan_ok=True)


def test_moments_are_those_of_own_sessions() -> None:
    from scipy import stats

    returns = late(family(), 7, 90)
    found, sample = moments(TrialReturns.of(returns), 5)
    own = returns[90:, 7]
    assert found.n_sessions[7] == 310 and found.mean[7] == pytest.approx(own.mean())
    assert found.deviation[7] == pytest.approx(own.std(ddof=1))
    assert found.skew[7] == pytest.approx(stats.skew(own))
    assert found.excess_kurtosis[7] == pytest.approx(stats.kurtosis(own))
    assert sorted(sample) == [0, 9, 19, 29, 39] and sample[9].tolist() == returns[:, 9].tolist()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigError, match="n_draws is 0; wanted at least 1"):
        Draws(0)
    with pytest.raises(ConfigError, match="min_sessions is 1; wanted at least 2"):
        Draws(min_sessions=1)
    with pytest.raises(ConfigError, match="block length 900; wanted 1 to 400"):
        family_test(TrialReturns.of(family()), Draws(10, block_length=900.0))


def test_a_matrix_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(3,\) of float64; wanted \(n_sessions, n_trials\) of floats"):
        TrialReturns.of(np.zeros(3))
    with pytest.raises(DataError, match="of int64; wanted"):
        TrialReturns.of(np.zeros((3, 2), np.int64))
    wide = TrialReturns(400, 40, lambda start, stop: np.zeros((399, stop - start)))
    with pytest.raises(DataError, match=r"trials 0 to 39: shape \(399, 40\) of float64; wanted \(400, 40\)"):
        family_test(wide, DRAWS)
    returns = family()
    returns[17, 31] = np.inf
    with pytest.raises(DataError, match="trial 31: an infinite return in session 17"):
        family_test(TrialReturns.of(returns), DRAWS)
