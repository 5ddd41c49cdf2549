"""The best ratio beyond cash: of returns less what cash earned, for what is held short against its proceeds too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.optimizers.max_sharpe import MaxSharpe
from metabt.estimators.windows import Windows
from tests.shared.laws import DRAWS, examples


def windows(X: np.ndarray, **settings: np.ndarray) -> Windows:
    stops = np.array([len(X) - 9, len(X)], np.int64)
    return replace(Windows.single(X), stops=stops, lengths=np.full(2, len(X) - 9, np.int64), **settings)


@examples(40)
@given(DRAWS, st.integers(2, 4), st.booleans())
def test_it_is_the_best_ratio_of_returns_less_the_windows_mean_of_cash(seed: int, n: int, short: bool) -> None:
    rng = np.random.default_rng(seed)
    X, cash = rng.normal(2e-3, 0.01, (60, n)), rng.uniform(0, 2e-3, 60)
    signs = np.where(rng.random(n) < 0.5, -1.0, 1.0) if short else np.ones(n)
    support = np.ones((2, n), bool)
    weights, solved = MaxSharpe().weigh(windows(X, idle=cash, signs=signs), support)
    for k, rows in enumerate((slice(0, 51), slice(9, 60))):
        shifted = X[rows] - signs * cash[rows].mean()
        expected, possible = MaxSharpe().weigh(Windows.single(shifted), support[:1])
        assert bool(solved[k]) == bool(possible[0])
        assert weights[k] == pytest.approx(expected[0], abs=1e-7)


def test_what_earns_less_than_cash_has_no_solution() -> None:
    X = np.random.default_rng(1).normal(1e-3, 0.01, (60, 2))
    support = np.ones((2, 2), bool)
    assert MaxSharpe().weigh(windows(X), support)[1].all()
    assert not MaxSharpe().weigh(windows(X, idle=np.full(60, 0.05)), support)[1].any()
