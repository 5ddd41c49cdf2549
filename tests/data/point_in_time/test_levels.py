"""What a rule draws: a naive ranking in every session, whatever else is there."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.point_in_time.levels import at_least, largest, seen_by


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
def test_the_largest_are_those_of_a_naive_ranking(seed: int, count: int, lookback: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.choice([1.0, 2.0, 3.0, np.nan], (30, 7))
    allowed = rng.random((24, 7)) < 0.7
    found = largest(levels, allowed, count, lookback)
    for t in range(24):
        means = {}
        for a in np.flatnonzero(allowed[t]).tolist():
            seen = [x for x in levels[max(t + 7 - lookback, 0) : t + 7, a].tolist() if not np.isnan(x)]
            if seen:
                means[a] = sum(seen) / len(seen)
        assert np.flatnonzero(found[t]).tolist() == sorted(sorted(means, key=lambda a: (-means[a], a))[:count])


@given(st.integers(0, 10_000))
def test_bits_depend_on_no_other_session_and_no_other_asset(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels, allowed = rng.lognormal(size=(60, 9)), np.ones((40, 9), bool)
    whole = largest(levels, allowed, 4, 21)
    np.testing.assert_array_equal(largest(levels[20:], allowed[20:], 4, 21), whole[20:])
    some = np.flatnonzero(whole[-1])
    assert largest(levels[:, some], allowed[:, some], 4, 21)[-1].all()


def test_prices_are_compared_and_counted() -> None:
    close = np.array([[5.0, np.nan], [4.99, 6.0], [np.nan, 7.0]])
    assert at_least(close, 5.0).tolist() == [[True, False], [False, True], [False, True]]
    assert seen_by(~np.isnan(close), np.array([2, 0])).tolist() == [[3, 0], [4, 1], [4, 2]]
