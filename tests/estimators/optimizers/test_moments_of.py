"""Each optimizer uses the mean and the covariance that it is told, and no other: each is the optimum on those."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.estimators.moments.covariance import COVARIANCES
from metabt.estimators.moments.mean import MEANS
from metabt.estimators.optimizers import min_variance
from metabt.estimators.registry import optimizer
from metabt.estimators.solvers.wide import MANY, least_variance
from metabt.estimators.windows import Windows
from tests.shared.optimality import residual
from tests.shared.returns import market_returns

WINDOWS = Windows(market_returns(3, 90, 5) + 0.003, np.array([60, 90]), np.array([60, 70]))
ALL = np.ones((2, 5), bool)
SPREAD = [{"name": "ewma", "half_life": 11}, *sorted(COVARIANCES.builders)]


def moments(mean: object, covariance: object) -> tuple[np.ndarray, np.ndarray]:
    return MEANS.build("mean", mean)(WINDOWS, ALL), COVARIANCES.build("covariance", covariance)(WINDOWS, ALL)


@pytest.mark.parametrize("covariance", SPREAD, ids=str)
@pytest.mark.parametrize("mean", [{"name": "ewma", "half_life": 7}, *sorted(set(MEANS.builders) - {"zero"})], ids=str)
def test_a_sharpe_ratio_and_a_utility_are_the_best_of_both_moments(mean: object, covariance: object) -> None:
    """First-order conditions: `S w` is proportional to the mean, or equal to it over the aversion up to a constant."""
    m, S = moments(mean, covariance)
    tangent, solved = optimizer("max_sharpe", mean=mean, covariance=covariance).weigh(WINDOWS, ALL)
    assert solved.all()
    for d in range(2):
        w = tangent[d]
        held, slope = w > 0.0, (w @ S[d] @ w) / (w @ m[d])
        gap = (S[d] @ w - slope * m[d]) / np.sqrt(np.diagonal(S[d]) * (w @ S[d] @ w))
        assert np.abs(gap[held]).max() < 1e-9 and (gap[~held] > -1e-9).all()
    weights, solved = optimizer("mean_variance", risk_aversion=3.0, mean=mean, covariance=covariance).weigh(
        WINDOWS, ALL
    )
    assert solved.all()
    for d in range(2):
        assert residual(S[d], m[d] / 3.0, 0.0, 1.0, weights[d]) < 1e-12


@pytest.mark.parametrize("covariance", SPREAD, ids=str)
def test_risk_is_that_of_the_covariance(covariance: object) -> None:
    _, S = moments("sample", covariance)
    least, _ = optimizer("min_variance", covariance=covariance).weigh(WINDOWS, ALL)
    even, _ = optimizer("erc", covariance=covariance).weigh(WINDOWS, ALL)
    spread, _ = optimizer("max_diversification", covariance=covariance).weigh(WINDOWS, ALL)
    for d in range(2):
        assert residual(S[d], np.zeros(5), 0.0, 1.0, least[d]) < 1e-12
        shares = even[d] * (S[d] @ even[d])
        assert shares / shares.sum() == pytest.approx(np.full(5, 0.2), abs=1e-9)
        w, sigma = spread[d], np.sqrt(np.diagonal(S[d]))
        correlation = (S[d] @ w) / sigma / np.sqrt(w @ S[d] @ w)
        assert np.ptp(correlation[w > 0]) < 1e-9 and (correlation[w == 0] > correlation[w > 0].min() - 1e-9).all()


@pytest.mark.parametrize(
    ("settings", "wide"),
    [
        ({}, True),
        ({"max_weight": 0.02}, True),
        ({"min_weight": 0.001}, False),
        ({"covariance": "oas"}, False),
    ],
    ids=str,
)
def test_many_assets_are_solved_without_their_covariance_where_the_answer_is_the_same(
    settings: dict, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One asset more or less than from which on; a floor, or another covariance, is not left out of account."""
    n, asked = MANY + 1, list[int]()

    def noted(windows: Windows, support: np.ndarray, hi: float) -> tuple[np.ndarray, np.ndarray]:
        asked.extend(support.sum(axis=1).tolist())
        return least_variance(windows, support, hi)

    monkeypatch.setattr(min_variance, "least_variance", noted)
    windows = Windows(market_returns(4, 260, n), np.array([220, 240, 260]), np.array([200, 200, 200]))
    support = np.ones((3, n), bool)
    support[0, :2], support[1, :1] = False, False
    made = optimizer("min_variance", **settings)
    weights, solved = made.weigh(windows, support)
    assert asked == ([MANY, MANY + 1] if wide else []) and solved.all()
    S = COVARIANCES.build("covariance", settings.get("covariance", "sample"))(windows, support)
    for d in range(3):
        columns = np.flatnonzero(support[d])
        own = S[d][np.ix_(columns, columns)]
        w, low, high = weights[d, columns], settings.get("min_weight", 0.0), settings.get("max_weight", 1.0)
        assert residual(own, np.zeros(len(columns)), low, high, w) < 1e-11 and w.sum() == pytest.approx(1, abs=1e-12)
        assert not weights[d, ~support[d]].any()


def test_without_a_decision_there_is_nothing_to_solve() -> None:
    none = WINDOWS.take(np.empty(0, np.int64))
    weights, solved = least_variance(none, np.ones((0, 5), bool), 1.0)
    assert weights.shape == (0, 5) and solved.shape == (0,)
    for name in ("min_variance", "mean_variance", "max_sharpe", "max_diversification", "erc", "hrp", "min_cvar"):
        weights, solved = optimizer(name).weigh(none, np.ones((0, 5), bool))
        assert weights.shape == (0, 5) and solved.shape == (0,)
