"""A limit on turnover, and a price of it: optimality against a general solver, and what a sleeve does with them."""

from __future__ import annotations

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metabt
from metabt import MemoryCache
from metabt.errors import ConfigError
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows
from metabt.walk import leaf
from tests.shared.panels import stocks
from tests.shared.returns import market_returns


def solve(X: np.ndarray, previous: np.ndarray, name: str = "min_variance", **params: object) -> np.ndarray:
    """Return the weights of one window, decided while `previous` is held."""
    decisions = optimizer(name, **params).in_turn(Windows.single(X), np.ones((1, X.shape[1]), bool))
    weights, solved = decisions.weigh(0, previous)
    assert solved and abs(weights.sum() - 1.0) < 1e-12
    return weights


def reference(S: np.ndarray, q: np.ndarray, p: np.ndarray, hi: float, price: float, limit: float | None) -> np.ndarray:
    """Solve the same by an interior-point method, scaled so that its tolerances mean something."""
    w, scale = cvxpy.Variable(len(p)), 1.0 / np.diag(S).mean()
    turnover = cvxpy.norm1(w - p) / 2
    objective = scale * (cvxpy.quad_form(w, cvxpy.psd_wrap(S)) / 2 - q @ w + price * turnover)
    limits = [] if limit is None else [turnover <= limit]
    cvxpy.Problem(cvxpy.Minimize(objective), [cvxpy.sum(w) == 1, w >= 0, w <= hi, *limits]).solve(
        solver="CLARABEL", tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13
    )
    return w.value


def held(seed: int, n: int, invested: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(n)) * invested


@settings(max_examples=30)
@given(
    st.integers(0, 10**6),
    st.integers(2, 20),
    st.sampled_from([1.0, 0.5]),
    st.sampled_from([0.0, 1e-6, 1e-5, 1e-4]),
    st.sampled_from([None, 0.02, 0.1, 0.3]),
    st.sampled_from([1.0, 0.9]),
)
def test_it_is_the_optimum(seed: int, n: int, hi: float, price: float, limit: float | None, invested: float) -> None:
    X, p = market_returns(seed, 120, n), held(seed, n, invested)
    least = (np.abs(np.clip(p, 0, hi) - p).sum() + abs(1 - np.clip(p, 0, hi).sum())) / 2
    limit = None if limit is None else max(limit, least + 0.01)
    S, mu = np.cov(X.T).reshape(n, n), X.mean(axis=0)
    for name, q, more in (("min_variance", 0 * mu, {}), ("mean_variance", mu / 5, {"risk_aversion": 5.0})):
        scale = 2.0 if name == "min_variance" else 5.0
        w = solve(X, p, name, max_weight=hi, turnover_penalty=scale * price, max_turnover=limit, **more)
        best = reference(S, q, p, hi, price, limit)
        assert limit is None or np.abs(w - p).sum() / 2 <= limit + 1e-12
        assert w.min() >= 0 and w.max() <= hi

        def worth(v: np.ndarray, q: np.ndarray = q) -> float:
            return float(v @ S @ v / 2 - q @ v + price * np.abs(v - p).sum() / 2)

        assert worth(w) <= worth(best) + 1e-9 * S.diagonal().mean()
        assert w == pytest.approx(best, abs=2e-4)


@settings(max_examples=150)
@given(
    st.integers(0, 10**6),
    st.integers(5, 40),
    st.sampled_from([10, 30, 120]),
    st.sampled_from([1.0, 0.5, 0.2]),
    st.sampled_from([1e-3, 0.02, 0.3]),
    st.sampled_from(["min_variance", "mean_variance"]),
)
def test_a_limit_is_kept_at_corners_too(seed: int, n: int, rows: int, hi: float, limit: float, name: str) -> None:
    """Few rows, holdings near 0 or above their cap, and caps that a few assets fill."""
    p = np.random.default_rng(seed).dirichlet(np.full(n, 0.1))
    least = (np.abs(np.clip(p, 0, hi) - p).sum() + abs(1 - np.clip(p, 0, hi).sum())) / 2
    w = solve(market_returns(seed, rows, n), p, name, max_weight=hi, max_turnover=limit)
    assert np.abs(w - p).sum() / 2 <= max(limit, least) + 1e-12 and 0 <= w.min() and w.max() <= hi


def test_without_a_price_or_a_limit_that_binds_nothing_changes() -> None:
    X, p = market_returns(3, 200, 8), held(3, 8)
    free = optimizer("min_variance").fit(X).weights_
    assert solve(X, p, max_turnover=1.0) == pytest.approx(free, abs=1e-12)
    assert solve(X, p, turnover_penalty=1e-300) == pytest.approx(free, abs=1e-9)
    assert solve(X, 0 * p, max_turnover=0.01).tobytes() == free.tobytes()  # nothing is held: free to begin


def test_a_high_price_keeps_what_is_held() -> None:
    X, p = market_returns(3, 200, 8), held(3, 8)
    assert solve(X, p, turnover_penalty=10.0) == pytest.approx(p, abs=1e-15)


def test_what_is_no_longer_supported_is_sold_whatever_the_limit() -> None:
    X, p = market_returns(3, 200, 8), held(3, 8)
    support = np.ones((1, 8), bool)
    support[0, 2] = False
    w, solved = optimizer("min_variance", max_turnover=0.001).in_turn(Windows.single(X), support).weigh(0, p)
    assert solved and w[2] == 0 and w.sum() == pytest.approx(1, abs=1e-12)
    assert np.abs(w - p).sum() / 2 == pytest.approx(p[2], abs=1e-9)  # sold, and bought elsewhere
    assert (w[support[0]] >= p[support[0]] - 1e-12).all()


def test_equal_columns_are_traded_alike_and_rows_may_be_few() -> None:
    X = market_returns(5, 10, 12)
    w = solve(np.hstack([X, X]), np.full(24, 1 / 24), max_turnover=0.2)
    assert w[:12] == pytest.approx(w[12:], abs=1e-6) and np.abs(w - 1 / 24).sum() / 2 == pytest.approx(0.2, abs=1e-9)


@pytest.mark.parametrize("name", ["min_variance", "mean_variance"])
@pytest.mark.parametrize("turnover", [{"max_turnover": 0.05}, {"max_turnover": 0.2}, {"turnover_penalty": 1e-5}])
@pytest.mark.parametrize("seed", range(4))
def test_equal_columns_that_are_held_alike_get_the_same_bits(name: str, turnover: dict, seed: int) -> None:
    X, p = market_returns(seed, 120, 5), held(seed, 6)
    p[5] = p[4] = p[0] = p[[0, 4, 5]].mean()
    w = solve(np.hstack([X[:, :4], X[:, :1], X[:, :1]]), p, name, **turnover)
    assert w[0] == w[4] == w[5]
    p[4:] = 0.0, p[4] + p[5]  # what is held tells them apart: all of it stays where it is
    again = solve(np.hstack([X[:, :4], X[:, :1], X[:, :1]]), p, name, turnover_penalty=10.0)
    assert again == pytest.approx(p, abs=1e-15)


def test_an_asset_without_variance_is_bought_as_far_as_the_limit_goes() -> None:
    X, p = market_returns(5, 60, 3), np.array([0.2, 0.5, 0.3])
    X[:, 0] = 0.0
    for _ in range(3):
        w = solve(X, p, max_turnover=0.15)
        assert w[0] == pytest.approx(0.35, abs=1e-9) and np.abs(w - p).sum() / 2 == pytest.approx(0.15, abs=1e-12)
    assert solve(X, np.array([1.0, 0, 0]), max_turnover=0.15) == pytest.approx([1, 0, 0], abs=1e-6)


@pytest.mark.parametrize("bad", [{"max_turnover": 0.0}, {"max_turnover": -1}, {"turnover_penalty": -1e-9}])
def test_what_makes_no_sense_is_refused(bad: dict) -> None:
    with pytest.raises(ConfigError, match="turnover"):
        optimizer("min_variance", **bad)
    with pytest.raises(ConfigError, match="erc"):
        optimizer("erc", max_turnover=0.1)


def tree(lag: int, **optimizer: object) -> dict:
    leaf = {"dataset": "stocks", "lookback": 60, "schedule": "monthly", "lag": lag}
    return {
        "name": "book",
        "lookback": 60,
        "schedule": "weekly",
        "lag": lag,
        "optimizer": {"name": "min_variance", **optimizer},
        "sleeves": {
            "a": {**leaf, "universe": ["AA", "BB", "CC"], "optimizer": {"name": "min_variance", **optimizer}},
            "b": {**leaf, "universe": ["CC", "DD", "EE"], "optimizer": "erc"},
            "s": {
                **leaf,
                "universe": ["AA", "EE"],
                "direction": "short",
                "optimizer": {"name": "min_variance", **optimizer},
            },
        },
    }


@pytest.mark.parametrize("lag", [0, 1, 7])
@pytest.mark.parametrize("gaps", [False, True])
def test_every_decision_of_a_sleeve_keeps_to_the_limit(lag: int, gaps: bool) -> None:
    """Measured from what is held, or from the newest decision that is still to be traded."""
    prices = {"stocks": stocks(5, sessions=600, gaps=gaps) if gaps else stocks(5, sessions=600)}
    made = metabt.backtest(tree(lag, max_turnover=0.05), prices)
    without = metabt.backtest(tree(lag), prices)
    decisions, free = (it.frame("decisions") for it in (made, without))
    late = decisions["date"] > decisions["date"].min()
    assert (decisions.loc[late, "weight"].to_numpy() != free.loc[late, "weight"].to_numpy()).any()
    if not gaps:
        # a sleeve that holds nothing is free to begin: its first purchase, on its stream's first row, has no limit
        later = (it.frame("returns") for it in (made, without))
        later = (it[it.groupby("path").cumcount() > 0] for it in later)
        largest, unlimited = (it.groupby("path")["turnover"].max() for it in later)
        drift = 0.0 if lag == 0 else 0.03  # of what was held, until it is traded
        assert 0.045 < largest["book/a"] <= 0.05 + drift + 1e-12 < unlimited["book/a"]
        assert largest["book/s"] < unlimited["book/s"]  # a short book must be brought back to one, whatever it takes


@pytest.mark.parametrize("lag", [0, 1, 7])
def test_a_walk_at_once_is_one_from_partition_to_partition(lag: int) -> None:
    prices = {"stocks": stocks(5, sessions=700)}
    one, other = (metabt.backtest(tree(lag, max_turnover=0.05), prices, cache=cache) for cache in (None, MemoryCache()))
    for name in ("decisions", "returns", "weights"):
        assert one.frame(name).equals(other.frame(name)), name


@pytest.mark.parametrize("lag", [0, 7])
def test_decisions_in_turn_are_the_same_however_many_windows_are_cut_at_a_time(
    lag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = {"stocks": stocks(5, sessions=500)}
    many = metabt.backtest(tree(lag, max_turnover=0.05), prices)
    monkeypatch.setattr(leaf, "CHUNK", 1)
    one = metabt.backtest(tree(lag, max_turnover=0.05), prices)
    for name in ("decisions", "returns", "weights"):
        assert one.frame(name).equals(many.frame(name)), name


def test_what_has_no_solution_in_turn_falls_back_and_is_traded_away_from() -> None:
    prices = stocks(5, sessions=500)
    prices.iloc[250:300, 0] = np.nan  # two assets, of which neither may have more than 40 %
    sleeve = {
        "name": "book",
        "dataset": "stocks",
        "universe": ["AA", "BB", "CC"],
        "lookback": 60,
        "schedule": "weekly",
        "optimizer": {"name": "min_variance", "max_weight": 0.4, "max_turnover": 0.01},
        "fallback": [{"name": "equal", "max_weight": 1.0}],
    }
    made = metabt.backtest(sleeve, {"stocks": prices}).frame("decisions").pivot(index="date", columns="item")
    status, weight = made["status"]["BB"], made["weight"]
    fell = (status == "fallback:equal").to_numpy()
    assert 8 < fell.sum() < len(fell) / 2
    assert (weight[fell].to_numpy() == [0.0, 0.5, 0.5]).all()
    again = int(np.flatnonzero(fell)[-1]) + 1  # the least turnover that leads back into the bounds
    assert weight.iloc[again].to_numpy() == pytest.approx([0.2, 0.4, 0.4], abs=0.01)
