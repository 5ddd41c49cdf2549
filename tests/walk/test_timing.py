"""Where a stream begins, and which decisions are its own."""

from __future__ import annotations

import numpy as np
import pytest

import metabt
from metabt.errors import RunError
from metabt.walk.block import Decisions
from metabt.walk.timing import begin_of, from_first
from tests.shared import panels

LEAF = {
    "dataset": "stocks",
    "universe": ["AA", "CC", "EE"],
    "optimizer": {"name": "min_variance", "max_weight": 0.4},
    "lookback": 8,
    "schedule": {"every": 1},
}


def test_a_stream_begins_one_session_after_its_first_trade() -> None:
    assert begin_of(False, np.array([0.0, 0.0, 0.5, 0.0, 0.1])) == (3, True)
    assert begin_of(True, np.array([0.0, 0.5])) == (0, True)
    assert begin_of(False, np.zeros(4)) == (4, False)


def test_what_rounding_leaves_of_trades_that_cancel_begins_no_stream() -> None:
    assert begin_of(False, np.array([0.0, 3e-17, 2e-16, 0.25])) == (4, True)
    assert begin_of(False, np.array([3e-17, 2e-16])) == (2, False)


def test_a_long_and_a_short_child_that_hold_the_same_trade_nothing() -> None:
    pair = {"long": LEAF, "short": {**LEAF, "direction": "short"}}
    with pytest.raises(RunError, match="nothing was traded"):
        metabt.backtest(
            {"name": "root", "optimizer": "equal", "schedule": {"every": 1}, "sleeves": pair}, panels.market(1)
        )


def test_decisions_from_the_first_that_holds_anything_on_are_kept_with_all_that_is_known_of_them() -> None:
    rng = np.random.default_rng(1)
    weights, risk = rng.random((5, 3)), rng.random((5, 3))
    weights[[0, 1, 3]] = 0.0  # the fourth, which sells everything, is a decision as well
    reasons = rng.integers(0, 3, (5, 3)).astype(np.int8)
    made = Decisions(np.array([2, 4, 5, 7, 11]), weights, risk, tuple("abcde"), reasons)
    found = from_first(made, live=False)
    assert (found.rows.tolist(), found.status) == ([5, 7, 11], ("c", "d", "e"))
    assert (found.weights == weights[2:]).all() and (found.risk == risk[2:]).all()
    assert (found.reasons == reasons[2:]).all()
    assert from_first(made, live=True).rows.tolist() == made.rows.tolist()
