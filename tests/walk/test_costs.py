"""Costs: what is traded is charged to the next session, as a loop over sessions charges it; wherever it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.portfolio.sleeve import Costs
from metabt.walk.costs import ROUNDING, Trades, Unpaid, charge, saved_by_netting

COSTS = Costs(commission_bp=7.0, slippage_bp=3.0, borrow_bp=90.0)
DRAWS = st.integers(0, 2**32)


def drawn(seed: int, n: int) -> tuple[np.ndarray, Trades, np.ndarray, Unpaid]:
    """Return gross returns, trades and shorts of which many are 0, days since the session before, what is unpaid."""
    rng = np.random.default_rng(seed)
    traded, short = rng.uniform(0, 2, (2, n)) * (rng.random((2, n)) < 0.4)
    unpaid = Unpaid(*(rng.uniform(0, 1, 3) * (rng.random(3) < 0.5)))
    return rng.normal(0, 0.02, n), Trades(traded, short), rng.integers(1, 5, n).astype(float), unpaid


@given(DRAWS, st.integers(1, 9))
def test_a_loop_over_sessions_agrees(seed: int, n: int) -> None:
    gross, trades, days, unpaid = drawn(seed, n)
    cost, net, left = charge(gross, trades, days, COSTS, unpaid)
    traded, short = unpaid.traded, unpaid.short
    for t in range(n):
        expected = 10e-4 * traded + 0.009 / 365 * days[t] * short
        assert cost[t] == pytest.approx(expected, rel=1e-14)
        assert net[t] == pytest.approx((1 - expected) * (1 + gross[t]) - 1, abs=1e-15)
        assert expected or net[t] == gross[t]  # to the bit
        traded, short = trades.traded[t], trades.short[t]
    assert left == Unpaid(traded, short, 0.0)


@given(DRAWS, st.integers(2, 9), st.integers(1, 8))
def test_it_does_not_matter_where_it_is_cut(seed: int, n: int, cut: int) -> None:
    cut = min(cut, n - 1)
    gross, trades, days, unpaid = drawn(seed, n)
    whole = charge(gross, trades, days, COSTS, unpaid)
    parts, left = [], unpaid
    for rows in (slice(0, cut), slice(cut, n)):
        cost, net, left = charge(gross[rows], Trades(trades.traded[rows], trades.short[rows]), days[rows], COSTS, left)
        parts.append((cost, net))
    for at in (0, 1):
        assert np.concatenate([part[at] for part in parts]).tobytes() == whole[at].tobytes()
    assert left == whole[2]


@given(DRAWS, st.integers(1, 9))
def test_netting_saves_the_cost_of_what_cancelled_a_session_later(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    _, netted, _, unpaid = drawn(seed, n)
    cancelled = rng.uniform(0, 1, n) * (rng.random(n) < 0.5)
    apart = Trades(netted.traded + cancelled, netted.short)
    saved, left = saved_by_netting(apart, netted, COSTS, unpaid)
    expected = [unpaid.saved, *(1e-3 * cancelled)]
    assert saved.tolist() == pytest.approx(expected[:-1], abs=1e-17) and left == pytest.approx(expected[-1], abs=1e-17)


def test_what_rounding_leaves_of_trades_is_not_saved() -> None:
    traded = np.array([1.0, 1.0, 1.0, 0.0])
    assert ROUNDING == 1e-12
    apart = Trades(traded + np.array([0.9e-12, -0.9e-12, 1.1e-12, 0.0]), np.zeros(4))
    saved, left = saved_by_netting(apart, Trades(traded, np.zeros(4)), COSTS, Unpaid())
    assert saved[:3].tolist() == [0.0, 0.0, 0.0] and saved[3] > 0.0 and left == 0.0
