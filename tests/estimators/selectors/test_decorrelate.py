"""Decorrelate against its definition, one asset after another, in plain NumPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.errors import ConfigError
from metabt.estimators.registry import selector
from metabt.estimators.windows import Windows
from tests.shared.returns import factor_returns, market_returns, simple_returns


def naive(X: np.ndarray, max_correlation: float | None, k: int | None) -> list[int]:
    """Return the columns that are left."""
    left = list(range(X.shape[1]))
    moves = X.std(0) > 1e-15
    R = np.zeros((len(left), len(left)))
    R[np.ix_(moves, moves)] = abs(np.corrcoef(X[:, moves].T))
    while len(left) > (k or 1):
        others = R[np.ix_(left, left)] - np.diag(R[left, left])
        if max_correlation is not None and others.max() <= max_correlation:
            break
        average = others.sum(0) / (len(left) - 1)
        left.pop(np.flatnonzero(average >= average.max() - 1e-12)[-1])
    return left


@given(
    st.integers(0, 10**6),
    st.integers(2, 14),
    st.sampled_from([None, 0.0, 0.2, 0.5, 0.8, 1.0]),
    st.sampled_from([None, 1, 3, 8]),
    st.booleans(),
)
def test_the_definition(seed: int, assets: int, most: float | None, k: int | None, flat: bool) -> None:
    if most is None and k is None:
        k = 2
    X = factor_returns(seed, 60, assets)
    X[:, 0] = 0.01 if flat else X[:, 0]
    params = {key: value for key, value in (("max_correlation", most), ("k", k)) if value is not None}
    rule = selector("decorrelate", **params)
    left = np.flatnonzero(rule.fit(X).get_support()).tolist()
    assert left == naive(X, most, k) and len(left) <= rule.most(assets)


def test_real_stocks_are_what_is_left_of_each_other(sp500: pd.DataFrame) -> None:
    X = simple_returns(sp500)[-504:]
    left = selector("decorrelate", max_correlation=0.5).fit(X).get_support()
    R = abs(np.corrcoef(X[:, left].T)) - np.eye(left.sum())
    assert 2 < left.sum() < 20 and R.max() <= 0.5
    assert selector("decorrelate", k=7).fit(X).get_support().sum() == 7


def test_of_equal_assets_the_first_is_left_and_only_eligible_ones_count() -> None:
    X = market_returns(1, 80, 3)
    X = np.c_[X, X, X[:, ::-1]]
    assert selector("decorrelate", max_correlation=0.999).fit(X).get_support().tolist() == [True] * 3 + [False] * 6
    eligible = np.array([[False, True, False, True, False, True, False, True, True]])
    support = selector("decorrelate", max_correlation=0.999).select(Windows.single(X), eligible)
    assert np.flatnonzero(support[0]).tolist() == [1, 3, 5]


def test_what_is_not_finite_counts_as_uncorrelated() -> None:
    X = market_returns(3, 60, 4)
    X[5, 1], X[7, 2] = np.nan, np.inf
    assert selector("decorrelate", max_correlation=0.0).fit(X).get_support().tolist() == [True, True, True, False]


def test_fewer_than_k_are_all_kept() -> None:
    X = market_returns(2, 60, 4)
    eligible = np.array([[True, False, True, False]])
    assert (selector("decorrelate", k=3).select(Windows.single(X), eligible) == eligible).all()
    assert not selector("decorrelate", k=3).select(Windows.single(X), np.zeros((1, 4), bool)).any()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "neither max_correlation nor k; give one"),
        ({"max_correlation": 1.2}, "max_correlation is 1.2; wanted it between 0 and 1"),
        ({"k": 0}, "k is 0; wanted at least 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(params: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        selector("decorrelate", **params)


@pytest.mark.parametrize("power", [-60, -9, 4, 9, 30])
def test_the_unit_of_returns_does_not_matter(power: int) -> None:
    """Neither of all of them nor of one asset's: correlations keep their bits."""
    X = market_returns(4, 60, 7)
    for params in ({"max_correlation": 0.5}, {"k": 3}, {"k": 2, "max_correlation": 0.6}):
        rule = selector("decorrelate", **params)
        expected = rule.fit(X).get_support().tolist()
        assert rule.fit(X * 2.0**power).get_support().tolist() == expected
        one = X.copy()
        one[:, 2] *= 2.0**power
        assert rule.fit(one).get_support().tolist() == expected
