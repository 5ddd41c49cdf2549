"""What a rule draws: a naive ranking at every decision, whatever else is there."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.portfolio.drawn import Drawn
from metabt.portfolio.drawn_assets import Levels, counted, drawn_assets, largest


@given(
    st.integers(0, 10_000),
    st.integers(1, 6) | st.none(),
    st.integers(1, 9),
    st.sampled_from([None, 2.0]),
    st.integers(1, 12) | st.none(),
)
def test_what_is_drawn_is_that_of_a_naive_ranking(
    seed: int, count: int | None, lookback: int, least: float | None, n_prices: int | None
) -> None:
    rng = np.random.default_rng(seed)
    close = rng.choice([1.0, 2.0, 3.0, np.nan], (40, 7))
    volume = rng.choice([1.0, 2.0, np.nan], (40, 7))
    rule = Drawn(None, count, lookback=lookback, min_price=least, min_prices=n_prices)
    rows, before, ahead = np.arange(0, 30, 1 + seed % 4), min(9, rule.reach), 10
    allowed = rng.random((len(rows), 7)) < 0.7
    seen = np.zeros(7, np.int64) if n_prices is None else counted(rule, close[:ahead], np.zeros(7, np.int64))
    levels = Levels(close[ahead - before :], (close * volume)[ahead - before :])
    found = drawn_assets(rule, levels, before, rows, allowed, seen)
    for place, row in enumerate(rows.tolist()):
        t, means = ahead + row, {}
        for a in np.flatnonzero(allowed[place]).tolist():
            history = [x for x in close[: t + 1, a].tolist() if not np.isnan(x)]
            values = [x for x in (close * volume)[t + 1 - lookback : t + 1, a].tolist() if not np.isnan(x)]
            ok = not np.isnan(close[t, a]) and close[t, a] >= (least or 0) and len(history) >= (n_prices or 0)
            if ok and (values or count is None):
                means[a] = sum(values) / len(values) if count is not None else 0
        ranked = sorted(means, key=lambda a: (-means[a], a))
        assert np.flatnonzero(found[place]).tolist() == sorted(ranked[:count])


@given(st.integers(0, 10_000))
def test_bits_depend_on_no_other_session_and_no_other_asset(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels, stops = rng.lognormal(size=(60, 9)), np.arange(21, 61)
    allowed = np.ones((40, 9), bool)
    whole = largest(levels, stops, allowed, 4, 21)
    np.testing.assert_array_equal(largest(levels[20:], stops[20:] - 20, allowed[20:], 4, 21), whole[20:])
    some = np.flatnonzero(whole[-1])
    assert largest(levels[:, some], stops[-1:], allowed[-1:, some], 4, 21).all()


def test_closes_are_counted_as_far_as_is_asked_for() -> None:
    close = np.array([[5.0, np.nan], [4.99, 6.0], [np.nan, 7.0]])
    rule = Drawn(min_prices=3)
    assert counted(rule, close, np.array([2, 0])).tolist() == [3, 2]
    assert counted(rule, close[:0], np.array([2, 0])).tolist() == [2, 0]
