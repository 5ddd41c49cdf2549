"""Risk budgeting by a one-factor model: it solves what the definition says, or says that it does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.registry import optimizer
from metabt.estimators.solvers.linear import padded
from metabt.estimators.solvers.one_factor import VECTORS, unbounded
from metabt.estimators.windows import Windows
from metabt.numerics.kernels import kernel
from tests.shared.optimality import by_sweeps, erc_of, shares
from tests.shared.returns import market_returns, simple_returns


@kernel()
def solved_for(C, budget, x, Cx, v, n):
    return unbounded(C, budget, x, Cx, v, n)


def budgeted(S: np.ndarray, budget: np.ndarray, left: float = np.nan) -> tuple[bool, np.ndarray]:
    """Return whether the correlations of S were solved for, and the weights; `left` is what scratch held before."""
    n, sigma = len(S), np.sqrt(np.diag(S))
    width = padded(n)
    C, b = np.pad(S / np.outer(sigma, sigma), (0, width - n)), np.pad(budget, (0, width - n))
    x, Cx, v = np.full(width, left), np.full(width, left), np.full((VECTORS, width), left)
    done = solved_for(C, b, x, Cx, v, n)
    return done, x[:n] / sigma / (x[:n] / sigma).sum()


@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(0, 2))
def test_stocks_contribute_what_they_are_budgeted(seed: int, assets: int, apart: float) -> None:
    rng = np.random.default_rng(seed)
    budget = 10.0 ** rng.uniform(-apart / 2, apart / 2, assets)
    budget *= assets / budget.sum()
    S = np.atleast_2d(np.cov(market_returns(seed, 120, assets).T))
    done, w = budgeted(S, budget)
    assert done and abs(shares(S, w) * assets / budget - 1).max() < 1e-13
    assert np.allclose(w, by_sweeps(S, budget), rtol=1e-10)


def test_real_stocks_never_need_another_method(sp500: pd.DataFrame) -> None:
    returns = simple_returns(sp500)
    stops = range(252, len(returns), 105)
    assert all(budgeted(np.cov(returns[stop - 252 : stop].T), np.ones(20))[0] for stop in stops)
    assert len(stops) > 70


def test_what_scratch_held_before_changes_no_bit() -> None:
    S = np.cov(market_returns(2, 120, 13).T)
    (_, one), (_, other) = budgeted(S, np.ones(13), np.nan), budgeted(S, np.ones(13), 7.0)
    assert one.tobytes() == other.tobytes()


def hedges(left: float) -> np.ndarray:
    """Return returns of six assets and six hedges; `left` is what a hedge leaves of a volatility."""
    rng = np.random.default_rng(3)
    X = 0.01 * rng.normal(size=(250, 6))
    return np.c_[X, -X + left * 0.01 * rng.normal(size=(250, 6))]


@pytest.mark.parametrize("left", [0.2, 0.05])
def test_hedges_are_left_to_another_method_which_solves_for_them(left: float) -> None:
    X = hedges(left)
    assert not budgeted(np.cov(X.T), np.ones(12))[0]
    S, w, solved = erc_of(X)
    assert solved and abs(12 * shares(S, w) - 1).max() < 1e-10
    assert np.allclose(w, by_sweeps(S, np.ones(12)), rtol=1e-7)


def test_correlations_that_sum_to_nothing_are_left_to_another_method() -> None:
    S = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert not budgeted(S, np.ones(2))[0]


def test_other_windows_of_the_call_do_not_choose_the_method() -> None:
    easy, hard = market_returns(1, 250, 12), hedges(0.05)
    windows = Windows(np.r_[easy, hard, easy], np.array([250, 500, 750]), np.full(3, 250))
    weights, solved = optimizer("erc").weigh(windows, np.ones((3, 12), bool))
    assert solved.all()
    for d in range(3):
        one = Windows(windows.returns, windows.stops[[d]], windows.lengths[[d]])
        assert optimizer("erc").weigh(one, np.ones((1, 12), bool))[0][0].tobytes() == weights[d].tobytes()
