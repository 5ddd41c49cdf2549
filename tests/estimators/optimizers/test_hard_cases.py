"""What every optimizer answers where the usual assumptions fail: one stated answer for each, or that it has none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from tests.shared.optimality import cvar
from tests.shared.returns import OPTIMIZERS, market_returns

NONE = None
"""No solution: the caller falls back."""

FREE = market_returns(1, 60, 4) + 0.001
LINE = FREE[:, :1]
NOISE = np.random.default_rng(0).normal(size=(60, 1))
FLAT = np.full((60, 1), 0.002)

X = {
    "one asset": FREE[:, :1],
    "one asset without variance": FLAT,
    "multiples of one asset": np.c_[LINE, 2 * LINE, 4 * LINE],
    "an asset and its mirror": np.c_[LINE, -LINE],
    "an asset without variance": np.c_[FREE[:, :2] - 0.003, FLAT],
    "an asset that nearly never moves": np.c_[FREE[:, :2] - 0.003, FLAT + 1e-10 * NOISE],
    "an asset that moves by rounding": np.c_[FREE[:, :2] - 0.003, FLAT + 1e-16 * NOISE],
    "nothing moves": np.zeros((60, 4)),
    "one row": FREE[:1],
}

INVERSE = np.array([4.0, 2.0, 1.0]) / 7
LEAST, LAST, HALF = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.full(2, 0.5)
THIRD, QUARTER, ALL = np.full(3, 1 / 3), np.full(4, 0.25), np.ones(1)

ANSWERS: dict[str, dict[str, np.ndarray | None]] = {
    "one asset": dict.fromkeys(OPTIMIZERS, ALL),
    "one asset without variance": {
        **dict.fromkeys(OPTIMIZERS, NONE),
        **dict.fromkeys(("equal", "mean_variance", "min_cvar", "min_variance"), ALL),
    },
    "multiples of one asset": {  # where all portfolios have the highest ratio, that of least variance is it
        "equal": THIRD,
        "erc": INVERSE,
        "inverse_volatility": INVERSE,
        **dict.fromkeys(("max_diversification", "max_sharpe", "min_cvar", "min_variance"), LEAST),
    },
    "an asset and its mirror": {  # risk contributions of what has no risk are nothing
        "erc": NONE,
        **dict.fromkeys(("equal", "hrp", "inverse_volatility", "max_diversification"), HALF),
        **dict.fromkeys(("min_cvar", "min_variance"), HALF),
    },
    "an asset without variance": {
        "equal": THIRD,
        **dict.fromkeys(("erc", "hrp", "inverse_volatility", "max_diversification", "max_sharpe"), NONE),
        **dict.fromkeys(("mean_variance", "min_cvar", "min_variance"), LAST),
    },
    "an asset that nearly never moves": {**dict.fromkeys(OPTIMIZERS, LAST), "equal": THIRD},
    "an asset that moves by rounding": {**dict.fromkeys(OPTIMIZERS, LAST), "equal": THIRD},
    "nothing moves": {
        **dict.fromkeys(OPTIMIZERS, NONE),
        **dict.fromkeys(("equal", "mean_variance", "min_cvar", "min_variance"), QUARTER),
    },
    "one row": {  # has no covariance
        **dict.fromkeys(OPTIMIZERS, NONE),
        "equal": QUARTER,
        "min_cvar": np.eye(4)[FREE[0].argmax()],
    },
}


@pytest.mark.parametrize(("case", "name"), [(case, name) for case, answers in ANSWERS.items() for name in answers])
def test_the_answer(case: str, name: str) -> None:
    n = X[case].shape[1]
    weights, solved = optimizer(name).weigh(Windows.single(X[case]), np.ones((1, n), bool))
    answer = ANSWERS[case][name]
    assert solved[0] == (answer is not None)
    assert np.allclose(weights[0], np.zeros(n) if answer is None else answer, atol=2e-7)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("case", sorted(X))
def test_every_case_is_answered_within_the_bounds_or_not_at_all(case: str, name: str) -> None:
    n = X[case].shape[1]
    for lo, hi in ((0.0, 1.0), (0.5 / n, 1.0), (0.0, min(1.5 / n, 1.0)), (1 / n, 1.0), (0.0, 1 / n)):
        rule = optimizer(name, min_weight=lo, max_weight=hi)
        weights, solved = rule.weigh(Windows.single(X[case]), np.ones((1, n), bool))
        if solved[0]:
            assert abs(weights.sum() - 1) < 1e-12 and weights.min() >= lo and weights.max() <= hi
        else:
            assert not weights.any()


S_AND_MEAN: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "min_variance": lambda w, S, mean: w @ S @ w,
    "mean_variance": lambda w, S, mean: w @ S @ w - mean @ w,
    "max_sharpe": lambda w, S, mean: -(mean @ w) / np.sqrt(w @ S @ w),
    "max_diversification": lambda w, S, mean: -(np.sqrt(np.diag(S)) @ w) / np.sqrt(w @ S @ w),
}
"""What an optimizer makes small."""


@pytest.mark.parametrize("name", [*S_AND_MEAN, "min_cvar"])
@pytest.mark.parametrize("rows", [5, 11])
def test_with_fewer_rows_than_assets_no_portfolio_is_better_and_columns_may_come_in_any_order(
    name: str, rows: int
) -> None:
    few = market_returns(rows, rows, 12) + np.linspace(-0.005, 0.006, 12)
    S, mean, rng = np.cov(few.T), few.mean(0), np.random.default_rng(0)
    w = optimizer(name, max_weight=0.4).fit(few).weights_

    def value(w: np.ndarray) -> float:
        return cvar(few, w, 0.95) if name == "min_cvar" else S_AND_MEAN[name](w, S, mean)

    scale = np.sqrt(np.diag(S)).mean() ** (1 if name == "min_cvar" else 2 if name.endswith("variance") else 0)
    for far in (1.0, 0.1, 1e-3):
        for other in (1 - far) * w + far * rng.dirichlet(np.full(12, 0.5), 200):
            if other.max() <= 0.4:
                assert value(w) <= value(other) + 1e-6 * scale
    order = rng.permutation(12)
    again = optimizer(name, max_weight=0.4).fit(few[:, order]).weights_
    assert abs(again - w[order]).max() < 1e-5


@pytest.mark.parametrize("rows", [5, 11])
def test_with_fewer_rows_than_assets_risk_is_shared_as_ever(rows: int) -> None:
    few = market_returns(rows, rows, 12)
    S, w = np.cov(few.T), optimizer("erc").fit(few).weights_
    assert abs(12 * w * (S @ w) / (w @ S @ w) - 1).max() < 1e-10
    expected = 1 / few.std(0)
    assert np.allclose(optimizer("inverse_volatility").fit(few).weights_, expected / expected.sum(), rtol=1e-12)
    assert (optimizer("hrp").fit(few).weights_ > 0).all()


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"hrp"}))
def test_twins_get_the_same_weight_to_the_bit(name: str) -> None:
    w = optimizer(name).fit(np.c_[FREE, FREE[:, 2], FREE[:, 0], FREE[:, 2]]).weights_
    assert w[2] == w[4] == w[6] and w[0] == w[5]


@pytest.mark.parametrize("seed", range(5))
def test_two_assets_in_closed_form(seed: int) -> None:
    pair = market_returns(seed, 60, 2) + [0.001, 0.002]
    S, mean = np.cov(pair.T), pair.mean(0)
    sigma, grid = np.sqrt(np.diag(S)), np.linspace(0, 1, 100_001)
    portfolios = np.c_[grid, 1 - grid]

    def between(first: float) -> np.ndarray:
        return np.array([min(max(first, 0), 1), 1 - min(max(first, 0), 1)])

    spread = S[0, 0] + S[1, 1] - 2 * S[0, 1]
    tangency = np.linalg.solve(S, mean)
    least = portfolios[np.argmin([cvar(pair, w, 0.95) for w in portfolios[::100]]) * 100]
    by_volatility = sigma[::-1] / sigma.sum()
    expected = {
        "equal": HALF,
        "inverse_volatility": by_volatility,
        "erc": by_volatility,
        "max_diversification": by_volatility,
        "hrp": sigma[::-1] ** 2 / (sigma**2).sum(),
        "min_variance": between((S[1, 1] - S[0, 1]) / spread),
        "mean_variance": between(((mean[0] - mean[1]) / 2 + S[1, 1] - S[0, 1]) / spread),
        "max_sharpe": tangency / tangency.sum() if tangency.min() > 0 else np.eye(2)[np.argmax(mean / sigma)],
    }
    for name, w in expected.items():
        assert np.allclose(optimizer(name).fit(pair).weights_, w, atol=1e-12), name
    assert np.allclose(optimizer("min_cvar").fit(pair).weights_, least, atol=1e-3)
    assert set(expected) | {"min_cvar"} == set(OPTIMIZERS)
