"""Forwards: what they earn by covered interest parity, in closed form, and when they are set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metabt.data.point_in_time.hedging import Hedges, forward_returns, month_opens

small = st.floats(-0.02, 0.02)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.2, 5), st.floats(0.2, 5), small, small)
def test_what_is_bought_at_the_spot_and_sold_forward_earns_what_cash_does(
    then: float, now: float, here: float, there: float
) -> None:
    """A deposit abroad, its end sold forward, is money at home: 1 / then (1 + there) forward = 1 + here."""
    hedge = forward_returns(np.array([now]), then, np.array([here]), np.array([there])).item()
    forward = then * (1 + here) / (1 + there)
    assert hedge - here == pytest.approx((now - forward) / then, abs=1e-12)
    deposit = (1 + there) * now / then - 1  # unhedged, in the currency at home
    assert deposit - (1 + there) * (hedge - here) == pytest.approx(here, abs=1e-12)


def test_at_the_forward_rate_a_hedge_earns_no_more_than_cash() -> None:
    worth = np.array([1.1 * 1.0004 / 1.0001])
    assert forward_returns(worth, 1.1, np.array([4e-4]), np.array([1e-4])) == pytest.approx([4e-4], abs=1e-15)


def test_before_the_first_rate_of_exchange_there_is_no_forward() -> None:
    idle = np.array([1e-4, 2e-4, 3e-4])
    earned = forward_returns(np.array([np.nan, 1.0, 1.1]), np.nan, idle, np.zeros(3))
    assert earned[:2].tolist() == idle[:2].tolist()
    assert earned[2] == pytest.approx(0.1, abs=1e-15)


def test_it_is_set_in_the_first_session_of_a_month_wherever_sessions_are_cut() -> None:
    sessions = np.array(["2020-01-15", "2020-01-31", "2020-02-03", "2020-02-04", "2020-04-01"], "datetime64[D]")
    expected = [False, False, True, False, True]
    for cut in range(6):
        parts = [month_opens(sessions, slice(0, cut)), month_opens(sessions, slice(cut, 5))]
        assert np.concatenate(parts).tolist() == expected


def test_the_notional_is_what_is_held_of_each_currency() -> None:
    hedges = Hedges(np.zeros((1, 2)), np.array([1, -1, 0, 1]), np.ones(1, bool))
    assert hedges.notional(np.array([0.25, 0.5, -0.125, 0.25])).tolist() == [-0.125, 0.5]
