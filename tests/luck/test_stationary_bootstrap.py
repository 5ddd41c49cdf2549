"""The stationary bootstrap: blocks of the stated length, every session as likely, counts of what was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.errors import ConfigError
from metabt.luck.stationary_bootstrap import counts, stationary_indices
from metabt.luck.superior_ability import bootstrap_variance


def follows(drawn: np.ndarray, n: int) -> np.ndarray:
    """Return whether each session drawn is the one after the session before it."""
    found: np.ndarray = drawn[:, 1:] == (drawn[:, :-1] + 1) % n
    return found


@pytest.mark.parametrize("length", [1.0, 2.5, 20.0])
def test_blocks_have_the_stated_length_on_average(length: float) -> None:
    drawn = stationary_indices(300, 400, length, 1)
    # by chance, too, the next session comes once in 300 times
    expected = (1 - 1 / length) + 1 / length / 300
    assert follows(drawn, 300).mean() == pytest.approx(expected, abs=0.005)


def test_the_ends_of_blocks_are_geometric() -> None:
    ended = ~follows(stationary_indices(2000, 300, 4.0, 2), 2000)
    after_one, after_three = ended[:, 1:][ended[:, :-1]].mean(), ended[:, 3:][~ended[:, :-3]].mean()
    assert after_one == pytest.approx(0.25, abs=0.01) and after_three == pytest.approx(0.25, abs=0.01)


def test_every_session_is_as_likely() -> None:
    drawn = counts(stationary_indices(50, 20_000, 7.0, 3))
    assert (drawn.sum(axis=1) == 50).all()
    assert np.abs(drawn.mean(axis=0) - 1).max() < 0.06


def test_a_whole_block_goes_round() -> None:
    drawn = stationary_indices(40, 200, 40.0, 4)
    assert follows(drawn, 40).mean() > 0.95 and drawn.min() == 0 and drawn.max() == 39


def test_counts_are_those_of_a_loop() -> None:
    drawn = stationary_indices(30, 12, 3.0, 5)
    looped = [[np.count_nonzero(row == t) for t in range(30)] for row in drawn]
    assert counts(drawn).tolist() == looped


def test_a_mean_is_the_product_with_counts() -> None:
    returns = np.random.default_rng(6).standard_normal(60)
    drawn = stationary_indices(60, 25, 5.0, 6)
    assert counts(drawn) @ returns / 60 == pytest.approx(returns[drawn].mean(axis=1))


def test_the_variance_of_draws_is_that_of_politis_and_romano() -> None:
    x = np.random.default_rng(7).standard_normal(250)
    trending = np.convolve(x, [1, 0.8, 0.6, 0.4])[:250, None]
    means = counts(stationary_indices(250, 20_000, 6.0, 7)) @ trending / 250
    assert means.var() * 250 == pytest.approx(float(bootstrap_variance(trending, 6.0)[0]), rel=0.03)


def test_a_seed_is_a_draw() -> None:
    same = [stationary_indices(100, 5, 4.0, 9).tolist() for _ in range(2)]
    assert same[0] == same[1] != stationary_indices(100, 5, 4.0, 10).tolist()


@pytest.mark.parametrize("length", [0.5, 101.0, float("nan")])
def test_a_block_is_no_shorter_than_a_session_and_no_longer_than_all(length: float) -> None:
    with pytest.raises(ConfigError, match=f"expected block length {length:g}; wanted 1 to 100"):
        stationary_indices(100, 10, length, 0)


def test_no_draws_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 draws; wanted at least 1"):
        stationary_indices(100, 0, 2.0, 0)
