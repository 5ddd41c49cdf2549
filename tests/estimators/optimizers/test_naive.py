from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import ConfigError, RunError
from metabt.estimators.optimizers.capped import capped
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.returns import factor_returns

ALL = np.ones((1, 4), bool)


def test_equal_weights() -> None:
    windows = Windows.single(factor_returns(0, 20, 4))
    support = np.array([[True, False, True, True]])
    weights, solved = optimizer("equal").weigh(windows, support)
    assert solved.all() and (weights[0] == np.array([1, 0, 1, 1]) / 3).all()


@pytest.mark.parametrize("name", ["equal", "inverse_volatility"])
def test_what_the_cap_leaves_over_is_cash(name: str) -> None:
    weights, solved = optimizer(name, max_weight=0.2).weigh(Windows.single(factor_returns(0, 20, 4)), ALL)
    assert solved.all() and (weights == 0.2).all()


@pytest.mark.parametrize("name", ["equal", "inverse_volatility"])
def test_floors_that_exceed_one_have_no_solution(name: str) -> None:
    weights, solved = optimizer(name, min_weight=0.3).weigh(Windows.single(factor_returns(0, 20, 4)), ALL)
    assert not solved.any() and not weights.any()


def test_inverse_volatility_is_proportional_to_one_over_sigma() -> None:
    X = factor_returns(3, 60, 5)
    weights = optimizer("inverse_volatility").fit(X).weights_
    expected = 1 / X.std(0)
    assert np.allclose(weights, expected / expected.sum(), rtol=1e-14)


def test_inverse_volatility_needs_variance_where_it_has_support_only() -> None:
    X = factor_returns(3, 60, 4)
    X[:, 2] = 0.0
    windows = Windows.single(X)
    assert not optimizer("inverse_volatility").weigh(windows, ALL)[1].any()
    weights, solved = optimizer("inverse_volatility").weigh(windows, np.array([[True, True, False, True]]))
    assert solved.all() and weights[0, 2] == 0.0 and abs(weights.sum() - 1) < 1e-15


def test_fit_says_what_it_could_not_solve() -> None:
    with pytest.raises(RunError) as caught:
        optimizer("inverse_volatility", min_weight=0.125, max_weight=0.75).fit(np.zeros((9, 3)))
    assert str(caught.value) == (
        "InverseVolatility: no solution for 9 observations of 3 assets within [0.125, 0.75]; "
        "look for assets without variance, values that are not finite, or bounds that cannot sum to one"
    )


@pytest.mark.parametrize("bounds", [{"min_weight": -0.1}, {"max_weight": 0}, {"min_weight": 0.6, "max_weight": 0.5}])
def test_bounds_out_of_range_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="wanted 0 <= min_weight <= max_weight <= 1"):
        optimizer("equal", **bounds)


@given(
    st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=12),
    st.floats(0, 1.0),
    st.floats(0, 1.0),
)
def test_capped_is_the_entropy_projection(target: list[float], below: float, above: float) -> None:
    n = len(target)
    lo, hi = below / n, 1 / n + above * (1 - 1 / n)
    weights, solved = capped(np.array([target]), np.ones((1, n), bool), lo, hi)
    w, t = weights[0], np.array(target)
    assert solved.all() and abs(w.sum() - 1) < 1e-12 and w.min() >= lo and w.max() <= hi
    free = (w > lo) & (w < hi)
    if free.any():  # w = clip(c t, lo, hi) with one c
        c = (w[free] / t[free]).mean()
        assert np.allclose(w[free], c * t[free], rtol=1e-9)
        assert (t[w >= hi] * c >= hi * (1 - 1e-9)).all() and (t[w <= lo] * c <= lo * (1 + 1e-9)).all()
