"""Tolerances: by how much bounds may miss a budget, and from where on a weight lies on its bound."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.errors import ConfigError
from metabt.estimators.registry import OPTIMIZERS, optimizer
from metabt.estimators.solvers.tolerance import DUST, FEASIBLE
from metabt.estimators.windows import Windows
from tests.shared.returns import market_returns

FOUR = Windows.single(market_returns(1, 120, 4) + 0.002)
OTHERS = sorted(set(OPTIMIZERS) - {"fixed"})
LEAVE_CASH = ("equal", "inverse_volatility")


def solved(name: str, low: float, high: float) -> bool:
    """Return whether four assets can be held within the bounds; what is held then are quarters."""
    weights, found = optimizer(name, min_weight=low, max_weight=high).weigh(FOUR, np.ones((1, 4), bool))
    assert np.allclose(weights, 0.25 if found[0] else 0.0, rtol=0, atol=1e-11)
    return bool(found[0])


@pytest.mark.parametrize("name", OTHERS)
def test_bounds_may_miss_the_budget_by_rounding_and_by_no_more(name: str) -> None:
    """A trillionth of it."""
    quarter = 0.25
    assert solved(name, quarter * (1.0 + 0.9e-12), 1.0) and not solved(name, quarter * (1.0 + 1.1e-12), 1.0)
    assert solved(name, 0.0, quarter * (1.0 - 0.9e-12))
    assert solved(name, 0.0, quarter * (1.0 - 1.1e-12)) is (name in LEAVE_CASH)


def test_given_weights_may_exceed_one_by_as_much() -> None:
    assert optimizer("fixed", weights={"A": 0.5, "B": 0.5 + 0.9e-12})
    with pytest.raises(ConfigError, match="weights sum to more than one"):
        optimizer("fixed", weights={"A": 0.5, "B": 0.5 + 1.1e-12})


def test_what_is_next_to_a_bound_is_put_on_it() -> None:
    """A tenth of a trillionth away, on either side; only where there is a bound."""
    made = optimizer("min_variance", min_weight=0.25, max_weight=0.75)
    near, far = 0.9e-13, 1.1e-13
    offsets = np.array([near, -near, far, -far])
    weights = np.array([0.25 + offsets, 0.75 + offsets, 0.25 + offsets])
    support = np.array([[True] * 4, [True] * 4, [False] * 4])
    expected = weights.copy()
    expected[0, :2], expected[1, :2] = 0.25, 0.75
    made.put_on_bounds(weights, support)
    assert weights.tobytes() == expected.tobytes()
    assert (FEASIBLE, DUST) == (1e-12, 1e-13)
