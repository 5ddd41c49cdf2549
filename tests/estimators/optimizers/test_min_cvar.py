"""Minimum CVaR: closed forms, no better portfolio anywhere near, an independent solver."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio import RiskMeasure
from skfolio.optimization import MeanRisk

from metabt.errors import ConfigError
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.optimality import cvar
from tests.shared.returns import market_returns, simple_returns


@given(st.integers(0, 10**6), st.integers(2, 12), st.sampled_from([0.5, 0.9, 0.95, 0.999]), st.booleans())
def test_no_portfolio_has_a_lower_cvar(seed: int, assets: int, beta: float, bounded: bool) -> None:
    rng = np.random.default_rng(seed)
    X = rng.standard_t(3, size=(80, 1)) * 0.01 + rng.standard_t(3, size=(80, assets)) * rng.uniform(0.005, 0.02, assets)
    lo, hi = (0.3 / assets, 1.6 / assets) if bounded else (0.0, 1.0)
    w = optimizer("min_cvar", beta=beta, min_weight=lo, max_weight=hi).fit(X).weights_
    assert abs(w.sum() - 1) < 1e-12 and w.min() >= lo and w.max() <= hi
    least = cvar(X, w, beta)
    steps = 10.0 ** rng.uniform(-6, 0, (400, 1)) * (np.clip(rng.dirichlet(np.ones(assets), 400), lo, hi) - w)
    for other in w + steps:  # the programme is convex: what is no better nearby is no better anywhere
        other = np.clip(other / other.sum(), lo, hi)
        if abs(other.sum() - 1) < 1e-12:
            assert cvar(X, other, beta) >= least - 1e-12


@pytest.mark.parametrize("cap", [1.0, 0.15])
@pytest.mark.parametrize("stop", [400, 4000, 8000])
def test_skfolio_agrees_on_real_returns(sp500: pd.DataFrame, cap: float, stop: int) -> None:
    X = 100 * simple_returns(sp500)[stop - 252 : stop]
    tight = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    rule = MeanRisk(risk_measure=RiskMeasure.CVAR, max_weights=cap, solver_params=tight)
    theirs = rule.fit(X).weights_
    ours = optimizer("min_cvar", max_weight=cap).fit(X).weights_
    assert abs(ours - theirs).max() < 1e-6
    assert cvar(X, ours, 0.95) <= cvar(X, theirs, 0.95) + 1e-9


def test_two_assets_in_closed_form() -> None:
    X = np.array([[-0.10, 0.02], [0.03, -0.06], [0.01, 0.01]])  # the worst session: -0.10 a + 0.02 b or 0.03 a - 0.06 b
    w = optimizer("min_cvar", beta=0.9).fit(X).weights_
    assert np.allclose(w, [8 / 21, 13 / 21], atol=1e-14)


def test_a_gain_in_every_session_is_a_negative_risk() -> None:
    X = market_returns(0, 60, 4)
    X[:, 2] = 0.0004
    X[:, 3] = 0.0005
    assert optimizer("min_cvar").fit(X).weights_.tolist() == [0, 0, 0, 1]


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 30))
def test_any_order_of_the_columns_gives_the_same_bits(seed: int, assets: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    X = market_returns(seed, rows, assets)
    X = np.c_[X, X[:, rng.integers(assets)]].round(int(rng.integers(2, 5)))  # rounded: many portfolios may be best
    order = rng.permutation(assets + 1)
    rule = optimizer("min_cvar", max_weight=min(1.5 / assets, 1.0))
    assert rule.fit(X[:, order]).weights_.tobytes() == rule.fit(X).weights_[order].tobytes()


def test_bit_identical_assets_share_what_one_would_get() -> None:
    X = market_returns(4, 80, 5)
    alone = optimizer("min_cvar").fit(X).weights_
    heavy = int(alone.argmax())
    twice = optimizer("min_cvar").fit(np.c_[X, X[:, heavy], X[:, heavy]]).weights_
    assert twice[heavy] == twice[5] == twice[6] > 0
    assert np.isclose(twice[[heavy, 5, 6]].sum(), alone[heavy], atol=1e-12)


def test_a_window_without_rows_has_no_solution() -> None:
    windows = Windows(market_returns(0, 9, 3), np.array([9]), np.array([0]))
    assert not optimizer("min_cvar").weigh(windows, np.ones((1, 3), bool))[1].any()


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.5])
def test_a_level_lies_between_0_and_1(beta: float) -> None:
    with pytest.raises(ConfigError, match=r"beta is .*; wanted it between 0 and 1, such as 0.95"):
        optimizer("min_cvar", beta=beta)
