"""Weights at an active bound are on it, to the bit: nothing next to zero is held."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.laws import examples
from tests.shared.returns import OPTIMIZERS, factor_returns, market_returns

RULES = [(name, {}) for name in OPTIMIZERS if name != "mean_variance"] + [
    ("mean_variance", {"risk_aversion": 2.0}),
    ("mean_variance", {"risk_aversion": 50.0}),
]


def windows(seed: int, n: int, twins: bool) -> Windows:
    X = (market_returns, factor_returns)[seed % 2](seed, 200, n)
    X[:, -1] = X[:, 0] if twins else X[:, -1]
    stops = np.arange(60, 201, 20)
    return Windows(X, stops, np.full(len(stops), 60))


@pytest.mark.parametrize(("name", "params"), RULES)
@examples(12)
@given(
    st.integers(0, 10**6),
    st.integers(6, 15),
    st.booleans(),
    st.sampled_from([(0.0, 1.0), (0.0, 0.3), (0.02, 0.3), (0.05, 0.25)]),
)
def test_a_weight_is_at_its_bound_or_well_off_it(
    name: str, params: dict, seed: int, n: int, twins: bool, bounds: tuple[float, float]
) -> None:
    low, high = bounds
    stack = windows(seed, n, twins)
    rule = optimizer(name, min_weight=low, max_weight=high, **params)
    weights, solved = rule.weigh(stack, np.ones((len(stack), n), bool))
    for bound in (low, high):
        off = np.abs(weights[solved] - bound)
        assert ((off == 0.0) | (off > 1e-10)).all()
    assert (np.abs(weights[solved].sum(axis=1) - 1.0) <= 1e-12).all()


@pytest.mark.parametrize("name", ["mean_variance", "max_sharpe"])
def test_what_is_not_held_is_exactly_zero(name: str) -> None:
    """Many windows whose answers lie in a corner: the dust of before is of these seeds."""
    exact, dust = 0, 0
    for seed in range(30):
        stack = windows(seed, 8, seed % 3 == 0)
        weights, solved = optimizer(name).weigh(stack, np.ones((len(stack), 8), bool))
        exact += int((weights[solved] == 0.0).sum())
        dust += int(((weights[solved] > 0.0) & (weights[solved] < 1e-10)).sum())
    assert exact > 500 and dust == 0


@pytest.mark.parametrize("turnover", [{"turnover_penalty": 1e-5}, {"max_turnover": 0.3}])
@pytest.mark.parametrize("seed", range(6))
def test_decisions_in_turn_are_on_their_bounds_too(seed: int, turnover: dict[str, float]) -> None:
    for low, high in ((0.0, 1.0), (0.02, 0.3)):
        stack, held = windows(seed, 8, False), np.full(8, 1 / 8)
        rule = optimizer("mean_variance", min_weight=low, max_weight=high, **turnover)
        turns = rule.in_turn(stack, np.ones((len(stack), 8), bool))
        for decision in range(len(stack)):
            held, solved = turns.weigh(decision, held)
            for bound in (low, high):
                off = np.abs(held - bound)
                assert solved and ((off == 0.0) | (off > 1e-10)).all()
            assert held.sum() == pytest.approx(1.0, abs=1e-12)
