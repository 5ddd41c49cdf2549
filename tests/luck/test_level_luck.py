"""Levels: a choice that matters is found, one that does nothing is not, and the slices are what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metabt.errors import ConfigError
from metabt.luck.family_test import Draws
from metabt.luck.level_luck import LevelLuck, level_luck
from metabt.luck.slices import differences, differing, slices
from metabt.luck.stationary_bootstrap import stationary_indices
from metabt.luck.trial_returns import TrialReturns
from tests.luck.families import late, noise

GRID: list[dict[str, Any]] = [
    {"optimizer": optimizer, "lookback": lookback, "lag": 1}
    for optimizer in ("erc", "hrp", "equal")
    for lookback in (63, 126, 252, 504)
]


ALL = np.arange(12)


def by_name(returns: np.ndarray, settings: Any = GRID, **options: Any) -> dict[str, LevelLuck]:
    return {level.level: level for level in level_luck(returns, settings, 252, **options)}


def sweep(seed: int, skill: float = 0.0) -> np.ndarray:
    """Return a sweep over the grid, pairs correlated by 0.8; what is under `hrp` has a Sharpe ratio of `skill` more."""
    returns = noise(seed, 1260, 12, 0.8)
    returns[:, 4:8] += skill * 0.01
    return returns


def test_what_matters_is_found_and_what_does_not_is_luck() -> None:
    found = by_name(sweep(1, 0.1))
    optimizer, lookback = found["optimizer"], found["lookback"]
    assert optimizer.choice == {"optimizer": "hrp"} and optimizer.p_luck is not None and optimizer.p_luck < 0.02
    assert lookback.p_luck is not None and lookback.p_luck > 0.2
    assert (optimizer.n_choices, optimizer.n_slices) == (3, 4) and (lookback.n_choices, lookback.n_slices) == (4, 3)
    assert optimizer.reason is lookback.reason is None and optimizer.n_sessions == 1260


def test_the_statistic_is_that_of_the_difference() -> None:
    returns = sweep(2, 0.1)
    level = by_name(returns)["optimizer"]
    own = [k for k in range(12) if GRID[k]["lookback"] == GRID[level.best]["lookback"]]
    d = returns[:, level.best] - returns[:, own].mean(axis=1)
    assert level.t == pytest.approx(d.mean() / d.std(ddof=1) * np.sqrt(1260))
    assert level.advantage == pytest.approx(d.mean() * 252)
    assert level.best == np.argmax(returns.mean(axis=0) / returns.std(axis=0))


def test_p_is_that_of_a_plain_loop_over_all_slices() -> None:
    draws, seen = Draws(200, seed=5, block_length=3.0), 0
    drawn = stationary_indices(1260, 200, 3.0, 5)
    for seed in range(4):
        returns = sweep(seed)
        level = by_name(returns, draws=draws, levels={"leaf": ["lookback"]})["leaf"]
        D = np.hstack([returns[:, part] - returns[:, part].mean(axis=1, keepdims=True) for part in np.split(ALL, 3)])
        error = D.std(axis=0, ddof=1) / np.sqrt(1260)
        drawn_errors = [D[rows].std(axis=0, ddof=1) / np.sqrt(1260) for rows in drawn]
        gained = [D[rows].mean(axis=0) - D.mean(axis=0) for rows in drawn]
        best = np.array([(gain / each).max() for gain, each in zip(gained, drawn_errors, strict=True)])
        t = D.mean(axis=0) / error
        assert level.p_luck == pytest.approx((1 + (best >= t[level.best]).sum()) / 201)
        seen += int(np.argmax(t) != level.best)  # the best trial need not be the one with the largest advantage
    assert seen > 0


def test_what_all_choices_earn_alike_is_no_matter() -> None:
    returns = sweep(3, 0.1)
    market = 0.05 * np.random.default_rng(4).standard_normal((1260, 1))
    plain, moved = by_name(returns)["optimizer"], by_name(returns + market)["optimizer"]
    if plain.best == moved.best:
        assert moved.t == pytest.approx(plain.t)
    assert moved.p_luck is not None and moved.p_luck < 0.05


def test_keys_may_be_chosen_together() -> None:
    found = by_name(sweep(5, 0.1), levels={"both": ["optimizer", "lookback"], "leaf": ["lookback"]})
    assert (found["both"].n_choices, found["both"].n_slices) == (12, 1)
    assert found["both"].choice == {key: GRID[found["both"].best][key] for key in ("optimizer", "lookback")}
    assert found["leaf"].p_luck == by_name(sweep(5, 0.1))["lookback"].p_luck


def test_values_are_told_apart_by_kind_and_a_missing_key_is_a_value() -> None:
    values: list[dict[str, Any]] = [{"a": 1, "b": 1}, {"a": 1.5}, {"a": 1, "b": 2}, {"a": [1, 2], "b": 1}]
    found = by_name(noise(6, 400, 4), values)
    assert list(found) == ["a", "b"]
    assert differing([{"a": "x", "b": "y"}, {"a": "x"}]) == ["b"]
    assert [part.tolist() for part in slices([{"a": 1}, {"a": 2}, {"a": 2, "b": 1}], ["b"])] == [[1, 2]]


def test_a_random_sweep_has_nothing_to_compare() -> None:
    settings = [{"x": k, "y": -k} for k in range(12)]
    for level in level_luck(sweep(7), settings, 252):
        assert level.p_luck is level.t is level.advantage is None
        assert level.n_choices == 1 and level.reason == "no other trial has the same settings but for this level"


def test_too_few_sessions_are_told() -> None:
    returns = sweep(8, 0.2)
    returns[200:, [k for k in range(12) if k not in (4, 5, 6, 7)]] = np.nan
    level = by_name(returns)["optimizer"]
    assert level.p_luck is None and level.reason == "200 sessions to compare on; 252 are wanted"
    assert level_luck(returns[:100], GRID, 252) == ()


def test_a_choice_without_effect_is_told() -> None:
    returns = noise(9, 500, 6)
    settings = [{"real": k, "idle": side} for k in range(6) for side in (0, 1)]
    level = by_name(np.repeat(returns, 2, axis=1), settings)["idle"]
    assert level.p_luck is None and level.reason == "the choices have the same returns" and level.advantage == 0.0


def test_differences_are_within_a_session_and_a_slice() -> None:
    returns = late(late(noise(10, 50, 7), 2, 20), 5, 30)
    parts = [np.array([0, 2, 4]), np.array([5, 1])]
    read = differences(TrialReturns.of(returns), parts)
    whole = read.columns(0, 5)
    assert whole[:20, 1].tolist() == pytest.approx([np.nan] * 20, nan_ok=True)
    assert whole[:20, 0] == pytest.approx((returns[:20, 0] - returns[:20, 4]) / 2)
    assert whole[20:, 0] == pytest.approx(returns[20:, 0] - returns[20:, [0, 2, 4]].mean(axis=1))
    assert np.isnan(whole[:30, 3:]).all() and whole[30:, 3] == pytest.approx(-whole[30:, 4])
    for start in range(5):
        for stop in range(start + 1, 6):
            np.testing.assert_array_equal(read.columns(start, stop), whole[:, start:stop])


def test_another_number_of_settings_and_unknown_keys_are_refused() -> None:
    with pytest.raises(ConfigError, match="settings of 11 trials, returns of 12; wanted as many"):
        level_luck(sweep(11), GRID[:11], 252)
    with pytest.raises(ConfigError, match="level 'top': no trial has a setting 'optimiser'"):
        level_luck(sweep(11), GRID, 252, {"top": ["optimiser"]})


@pytest.mark.slow
def test_a_level_that_does_nothing_is_called_significant_as_seldom_as_it_says() -> None:
    grid = [{"a": i, "b": j} for i in range(5) for j in range(20)]
    counts = {"all slices": 0, "own slice": 0}
    for seed in range(60):
        returns = noise(seed, 756, 100, 0.6)
        (level,) = level_luck(returns, grid, 252, {"a": ["a"]}, Draws(300))
        own = [k for k in range(100) if grid[k]["b"] == grid[level.best]["b"]]
        (alone,) = level_luck(returns[:, own], [grid[k] for k in own], 252, {"a": ["a"]}, Draws(300))
        counts["all slices"] += level.p_luck is not None and level.p_luck <= 0.05
        counts["own slice"] += alone.p_luck is not None and alone.p_luck <= 0.05
    print(f"\nof 60 sweeps of noise, a level significant at 5 %: {counts}")
    assert counts["all slices"] <= 8 and counts["own slice"] > 12
