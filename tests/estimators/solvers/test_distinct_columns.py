"""Distinct columns: their order, who stands for whom, and the unit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.solvers.distinct_columns import in_order, merge
from metabt.numerics.kernels import kernel


@kernel()
def _taken(returns, first, rows, support, column, group, size, columns, found):
    count = in_order(returns, first, rows, support, column)
    n, unit = merge(returns, first, rows, column, count, group, size, columns)
    found[0], found[1] = n, unit


def taken(
    X: np.ndarray, first: int, rows: int, support: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the order of columns, who stands for those supported, for how many, the distinct ones, and the unit."""
    n = X.shape[1]
    column, group, size = (np.zeros(n, np.int64) for _ in range(3))
    columns, found = np.zeros((n, rows)), np.zeros(2)
    _taken(X, first, rows, support, column, group, size, columns, found)
    distinct = int(found[0])
    return column, group[: support.sum()], size[:distinct], columns[:distinct], float(found[1])


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6))
def test_it_is_numpys_unique_of_the_supported_columns(seed: int, assets: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.integers(-1, 2, (rows + 3, assets)) * rng.choice([0.01, 1.0, 300.0])
    support = rng.random(assets) < 0.8
    column, group, size, columns, unit = taken(X, 2, rows, support)
    n = int(support.sum())
    assert sorted(column) == list(range(assets)) and support[column[:n]].all()
    if n == 0:
        return
    distinct, count = np.unique(X[2 : 2 + rows, support].T, axis=0, return_counts=True)
    assert (columns * unit == distinct).all() and (size == count).all()
    assert (columns[group] * unit == X[2 : 2 + rows, column[:n]].T).all()
    most = abs(distinct).max()
    assert np.log2(unit) % 1 == 0 and (most == 0 or 0.5 <= most / unit < 1)


def test_what_is_not_finite_has_no_unit() -> None:
    for wrong in (np.nan, np.inf):
        assert taken(np.array([[0.01, wrong]]), 0, 1, np.ones(2, bool))[-1] == 0.0
        assert taken(np.array([[0.01, wrong]]), 0, 1, np.array([True, False]))[-1] > 0.0
