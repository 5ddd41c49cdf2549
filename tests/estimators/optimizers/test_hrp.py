from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard
from skfolio.optimization import HierarchicalRiskParity
from skfolio.seriation import BaseSeriation

from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.optimality import naive_order
from tests.shared.returns import factor_returns, simple_returns


def naive_weights(X: np.ndarray, order: list[int]) -> np.ndarray:
    """Return hierarchical risk parity's weights for an order, recursively."""
    S = np.cov(X.T)
    w = np.zeros(X.shape[1])

    def risk(part: list[int]) -> float:
        v = 1 / S[part, part]
        v /= v.sum()
        return float(v @ S[np.ix_(part, part)] @ v)

    def split(part: list[int], weight: float) -> None:
        if len(part) == 1:
            w[part] = weight
            return
        left, right = part[: len(part) // 2], part[len(part) // 2 :]
        share = 1 - risk(left) / (risk(left) + risk(right))
        split(left, weight * share)
        split(right, weight * (1 - share))

    split(order, 1.0)
    return w


@pytest.mark.parametrize("assets", [2, 3, 5, 9, 14])
def test_a_naive_implementation_agrees(assets: int) -> None:
    for seed in range(4):
        X = factor_returns(seed, 60, assets)
        assert np.allclose(optimizer("hrp").fit(X).weights_, naive_weights(X, naive_order(X)), rtol=1e-10)


class Given(BaseSeriation):
    """The order it is given: SciPy's, which skfolio takes, is not optimal (scipy issue 11227)."""

    def __init__(self, order: list[int]) -> None:
        self.order = order

    def fit(self, X: np.ndarray, y: None = None) -> Given:
        self.n_features_in_ = len(self.order)
        self.ordering_ = np.array(self.order)
        return self


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.0, 0.12), (0.08, 1.0), (0.06, 0.15)])
@pytest.mark.parametrize("stop", [400, 4000, 8000])
def test_skfolio_agrees_on_real_returns(sp500: pd.DataFrame, stop: int, bounds: tuple[float, float]) -> None:
    X = simple_returns(sp500)[stop - 252 : stop, :11]
    lo, hi = bounds
    theirs = HierarchicalRiskParity(seriation_estimator=Given(naive_order(X)), min_weights=lo, max_weights=hi)
    ours = optimizer("hrp", min_weight=lo, max_weight=hi).fit(X).weights_
    assert np.allclose(ours, theirs.fit(X).weights_, rtol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from([(0.5, 1.2), (0.0, 1.0), (0.9, 5.0), (1.0, 1.0)]))
def test_bounds_hold_at_every_split(seed: int, assets: int, scaled: tuple[float, float]) -> None:
    lo, hi = scaled[0] / assets, min(scaled[1] / assets, 1.0)
    w = optimizer("hrp", min_weight=lo, max_weight=hi).fit(factor_returns(seed, 50, assets)).weights_
    assert abs(w.sum() - 1) < 1e-12 and w.min() >= lo - 1e-15 and w.max() <= hi + 1e-15


def test_the_order_of_the_columns_does_not_matter(sp500: pd.DataFrame) -> None:
    X = simple_returns(sp500)[-252:]
    w = optimizer("hrp").fit(X).weights_
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(20)
        assert np.allclose(optimizer("hrp").fit(X[:, order]).weights_, w[order], rtol=1e-9)


@pytest.mark.parametrize("scales", list(itertools.permutations([1.0, 2.0, 4.0])))
def test_of_equally_long_orders_it_is_the_one_by_columns(scales: tuple[float, float, float]) -> None:
    """Three equally correlated assets: the first two are merged, and the third stands beside the first of them."""
    common, *own = hadamard(8)[1:5].astype(float)
    X = (common[:, None] + np.array(own).T) * np.array(scales) / 256.0
    assert len(np.unique(np.corrcoef(X.T)[np.triu_indices(3, 1)].round(12))) == 1
    order = [2, 0, 1] if scales[2] < scales[1] else [1, 0, 2]
    expected = naive_weights(X, order)
    assert not np.allclose(expected, naive_weights(X, [order[1], order[0], order[2]]), rtol=1e-3)
    assert np.allclose(optimizer("hrp").fit(X).weights_, expected, rtol=1e-10)


@pytest.mark.parametrize("places", list(itertools.permutations(range(3))))
def test_of_ends_with_one_variance_the_first_column_begins(places: tuple[int, int, int]) -> None:
    """A chain of three assets of exactly one variance, the middle one closest to both ends."""
    parts = hadamard(8).astype(float) / 256.0
    chain = np.array(
        [parts[[1, 2, 3, 4]].sum(axis=0), parts[[1, 2, 3, 5]].sum(axis=0), parts[[1, 5, 6, 7]].sum(axis=0)]
    )
    X = np.empty((8, 3))
    X[:, places] = chain.T
    order = list(places if places[0] < places[2] else places[::-1])
    assert not np.allclose(naive_weights(X, order), naive_weights(X, order[::-1]), rtol=1e-3)
    assert np.allclose(optimizer("hrp").fit(X).weights_, naive_weights(X, order), rtol=1e-10)


def test_fewer_rows_than_assets_and_equal_assets() -> None:
    X = factor_returns(2, 5, 12)
    X[:, 3] = X[:, 8]
    w = optimizer("hrp").fit(X).weights_
    assert (w > 0).all() and abs(w.sum() - 1) < 1e-12


def test_no_solution_without_variance() -> None:
    X = factor_returns(2, 30, 4)
    X[:, 2] = 0.01
    weights, solved = optimizer("hrp").weigh(Windows.single(X), np.ones((1, 4), bool))
    assert not solved.any() and not weights.any()
