"""Optimality conditions on real returns, a window every half year: what each optimizer promises, to its last digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.optimality import residual
from tests.shared.returns import simple_returns

BOUNDS = [(0.0, 1.0), (0.0, 0.15), (0.02, 0.3)]


@pytest.fixture(scope="module")
def windows(sp500: pd.DataFrame) -> Windows:
    returns = simple_returns(sp500)
    stops = np.arange(252, len(returns), 126)
    return Windows(returns, stops, np.full(len(stops), 252))


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("name", ["min_variance", "mean_variance", "max_sharpe", "max_diversification"])
def test_conditions_of_quadratic_programmes(windows: Windows, name: str, bounds: tuple[float, float]) -> None:
    lo, hi = bounds
    rule = optimizer(name, min_weight=lo, max_weight=hi)
    weights, solved = rule.weigh(windows, np.ones((len(windows), 20), bool))
    assert solved.mean() > (0.6 if name == "max_sharpe" else 0.999)
    for d in np.flatnonzero(solved):
        X, w = windows.window(d), weights[d]
        S, mean, sigma = np.cov(X.T), X.mean(0), X.std(0, ddof=1)
        q = {
            "min_variance": 0.0 * mean,
            "mean_variance": mean / 2,
            "max_sharpe": (w @ S @ w) / (mean @ w) * mean,
            "max_diversification": (w @ S @ w) / (sigma @ w) * sigma,
        }[name]
        assert residual(S, q, lo, hi, w) < 1e-12 and abs(w.sum() - 1) < 1e-12


@pytest.mark.parametrize("bounds", BOUNDS)
def test_risk_shares(windows: Windows, bounds: tuple[float, float]) -> None:
    lo, hi = bounds
    rule = optimizer("erc", min_weight=lo, max_weight=hi)
    weights, solved = rule.weigh(windows, np.ones((len(windows), 20), bool))
    assert solved.all()
    for d in range(len(windows)):
        S, w = np.cov(windows.window(d).T), weights[d]
        risk = 20 * w * (S @ w) / (w @ S @ w)
        inside = (w > lo) & (w < hi)
        assert np.ptp(risk[inside]) < 1e-10 and abs(w.sum() - 1) < 1e-12
        assert (risk[w >= hi] < risk[inside].mean() + 1e-10).all() and (
            risk[w <= lo] > risk[inside].mean() - 1e-10
        ).all()
