"""Who needs variance is not given what has none: assets of a leaf. The right answer is that of a leaf without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metabt
from metabt.estimators import registry
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.registry import OPTIMIZERS
from metabt.estimators.windows import Windows
from metabt.walk.candidates import Candidates
from tests.shared import oracle, panels
from tests.shared.agreement import assert_agrees
from tests.shared.laws import SEEDS, examples

RULES = {"lookback": 12, "schedule": {"every": 4}}
NEED = sorted(set(OPTIMIZERS) - {"equal", "fixed"})
HALTED = 40
"""Row from which on AA stands still."""


def market(seed: int, rate: float = 0.0) -> pd.DataFrame:
    """Return prices of which AA accrues at one rate for good, and the others rise enough to have a Sharpe ratio."""
    prices = panels.stocks(seed) * (1.004 ** np.arange(130))[:, None]
    prices.iloc[HALTED:, 0] = prices.iloc[HALTED, 0] * (1.0 + rate) ** np.arange(130 - HALTED)
    return prices


def decided(prices: pd.DataFrame, universe: list[str], **settings: Any) -> pd.DataFrame:
    """Return the decisions that see AA standing still and nothing else."""
    result = metabt.backtest({"name": "leaf", "universe": universe, **RULES, **settings}, prices)
    return result.decisions()[lambda rows: rows["date"] >= prices.index[HALTED + 12]]


def pivot(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.pivot(index="date", columns="item", values="weight")


def constant_without_weight(rows: pd.DataFrame, status: str = "ok") -> None:
    """Assert that AA, and nothing else, is left out because it is constant, in every decision."""
    of = rows[rows["item"] == "AA"]
    assert len(of) > 15 and (of["weight"] == 0.0).all() and (of["reason"] == "constant").all()
    assert (rows.loc[rows["item"] != "AA", "reason"] != "constant").all() and set(rows["status"]) == {status}


@pytest.mark.parametrize("name", NEED)
@examples(3)
@given(seed=SEEDS, rate=st.sampled_from([0.0, 1e-4]), short=st.booleans())
def test_the_others_are_optimized_as_if_it_were_not_there(name: str, seed: int, rate: float, short: bool) -> None:
    direction = {"direction": "short"} if short and name != "max_sharpe" else {}
    prices = market(seed, rate)
    rows = decided(prices, panels.STOCKS, optimizer=name, **direction)
    constant_without_weight(rows)
    without = decided(prices, panels.STOCKS[1:], optimizer=name, **direction)
    pd.testing.assert_frame_equal(pivot(rows)[panels.STOCKS[1:]], pivot(without), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["skfolio.MeanRisk", "skfolio.HierarchicalEqualRiskContribution"])
def test_what_comes_from_elsewhere_needs_variance_unless_it_says_otherwise(name: str) -> None:
    prices = market(1)
    rows = decided(prices, panels.STOCKS, optimizer=name, schedule={"every": 3})
    constant_without_weight(rows)
    without = decided(prices, panels.STOCKS[1:], optimizer=name, schedule={"every": 3})
    pd.testing.assert_frame_equal(pivot(rows)[panels.STOCKS[1:]], pivot(without), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer", ["equal", {"name": "fixed", "weights": {"AA": 0.2, "BB": 0.5}}, "skfolio.EqualWeighted"]
)
def test_who_needs_no_variance_is_given_it_all_the_same(optimizer: Any) -> None:
    rows = decided(market(1), panels.STOCKS, optimizer=optimizer)
    assert (rows["reason"] == "").all() and set(rows["status"]) == {"ok"}
    assert np.allclose(rows.loc[rows["item"] == "AA", "weight"], 0.2)


@pytest.mark.parametrize("turnover", [{"max_turnover": 0.2}, {"turnover_penalty": 1e-4}])
def test_what_decides_in_turn_sells_it(turnover: dict[str, float]) -> None:
    rows = decided(market(1), panels.STOCKS, optimizer={"name": "min_variance", **turnover})
    constant_without_weight(rows)
    assert np.allclose(rows.groupby("date")["weight"].sum(), 1.0, atol=1e-12)


SELECTORS = [
    {"name": "top_k", "k": 2, "by": "low_volatility"},
    {"name": "top_k", "k": 2, "by": "sharpe"},
    {"name": "decorrelate", "k": 2},
    {"name": "log_mps", "top": 1, "max_clusters": 2, "cluster_distance": 0.0},
    {"name": "skfolio.SelectKExtremes", "k": 2, "measure": "variance", "highest": False},
]


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda it: f"{it['name']} {it.get('by', '')}")
@examples(3)
@given(seed=SEEDS, rate=st.sampled_from([0.0, 1e-4]))
def test_selectors_that_measure_risk_choose_as_if_it_were_not_there(selector: dict, seed: int, rate: float) -> None:
    prices = market(seed, rate)
    rows = decided(prices, panels.STOCKS, selector=selector)
    constant_without_weight(rows)
    without = decided(prices, panels.STOCKS[1:], selector=selector)
    pd.testing.assert_frame_equal(pivot(rows)[panels.STOCKS[1:]], pivot(without), check_exact=True)


def test_momentum_ranks_it_and_the_optimizer_leaves_it_out() -> None:
    prices = market(2, rate=0.05)  # the best of all
    selector = {"name": "top_k", "k": 3}
    alone = decided(prices, panels.STOCKS, selector=selector)
    assert (alone.loc[alone["item"] == "AA", "weight"] == 1 / 3).all()
    constant_without_weight(decided(prices, panels.STOCKS, selector=selector, optimizer="inverse_volatility"))


def test_every_fallback_is_asked_for_itself() -> None:
    prices = market(3)
    prices.iloc[HALTED:, 1:] = prices.iloc[HALTED:, 1:] * (0.97 ** np.arange(130 - HALTED))[:, None]
    sharpe = {"universe": panels.STOCKS, "optimizer": "max_sharpe"}  # nothing has a positive mean
    rows = decided(prices, **sharpe)
    constant_without_weight(rows, "fallback:inverse_volatility")
    last = decided(prices, **sharpe, fallback=["equal"])
    assert (last["weight"] == 0.2).all() and (last["reason"] == "").all() and set(last["status"]) == {"fallback:equal"}


@pytest.mark.parametrize("selector", ["all", SELECTORS[0], SELECTORS[2], {"name": "log_mps"}])
def test_where_nothing_moves_the_chain_decides_over_all_that_is_eligible(selector: Any) -> None:
    prices = panels.stand(panels.stocks(1), panels.STOCKS, HALTED)
    rows = decided(prices, panels.STOCKS, selector=selector, optimizer="min_variance")
    assert (rows["weight"] == 0.2).all() and set(rows["status"]) == {"fallback:equal"} and (rows["reason"] == "").all()
    cash = decided(prices, panels.STOCKS, selector=selector, optimizer="min_variance", fallback=[])
    assert set(cash["status"]) == {"cash"} and set(cash["reason"]) == {"constant"} and not cash["weight"].any()


def test_a_veto_holds_where_nothing_moves_too() -> None:
    prices = panels.stand(panels.stocks(1), panels.STOCKS, HALTED)
    rows = decided(prices, panels.STOCKS, selector={"name": "log_mps", "min_efficiency": 0.1})
    assert set(rows["status"]) == {"cash"} and not rows["weight"].any()  # what goes nowhere is not efficient


class Unlike(Optimizer):
    """Needs variance or not, as an instance says."""

    def __init__(self, needs_variance: bool) -> None:
        super().__init__()
        self.needs_variance = needs_variance

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        raise NotImplementedError


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(12, 30))
def test_a_window_is_cut_anew_until_nobody_in_it_is_constant(seed: int, n: int, rows: int) -> None:
    """Against sets and NumPy, one decision at a time; each item has a history of its own."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(size=(rows, n)) * 0.01
    for item in range(n):
        returns[int(rng.integers(0, rows)) :, item] = 0.0
    stops, lengths = rng.integers(10, rows + 1, 4), rng.integers(2, 10, (4, n))
    support = rng.random((4, n)) < 0.8

    def window(member: np.ndarray) -> Windows:
        return Windows(returns, stops, np.where(member, lengths, 9).min(axis=1))

    windows, found = Candidates(support, window).of(Unlike(True))
    whole, kept = Candidates(support, window).of(Unlike(False))
    assert (kept == support).all() and (whole.lengths == window(support).lengths).all()
    for d in range(4):
        left, before = {*np.flatnonzero(support[d])}, None
        while left != before:
            before, size = left, min([9, *(int(lengths[d, item]) for item in left)])
            left = {item for item in left if len({*returns[stops[d] - size : stops[d], item]}) > 1}
        assert {*np.flatnonzero(found[d])} == left
        assert windows.lengths[d] == min([9, *(int(lengths[d, item]) for item in left)])


def test_risk_is_measured_on_the_window_that_each_decision_came_from() -> None:
    """The third stands still and is young: who needs variance sees twelve rows of the others, who does not five."""
    returns = np.random.default_rng(3).normal(0, 0.01, (20, 3))
    returns[5:, 2] = 0.0
    stops, lengths = np.array([18, 19]), np.array([12, 12, 5])

    def window(member: np.ndarray) -> Windows:
        return Windows(returns, stops, np.where(member, lengths, 12).min(axis=1))

    candidates = Candidates(np.ones((2, 3), bool), window)
    weights = np.array([[0.3, 0.7, 0.0], [0.4, 0.4, 0.2]])
    for varied in ([True, False], [False, True], [True, True], [False, False]):
        shares = candidates.risk(weights, np.array(varied))
        for d, (w, stop) in enumerate(zip(weights, stops, strict=True)):
            S = np.cov(returns[stop - (12 if varied[d] else 5) : stop].T)
            assert shares[d] == pytest.approx(w * (S @ w) / (w @ S @ w), abs=1e-12)


class Momentum:
    """A plug-in without a word about variance."""

    def fit(self, X: np.ndarray) -> Momentum:
        """Weigh all alike."""
        self.weights_ = np.full(X.shape[1], 1 / X.shape[1])
        return self


class Stated(Momentum):
    """One that says that it needs none."""

    needs_variance = False


@pytest.mark.parametrize(("found", "given"), [(Momentum, [0.0, 0.25]), (Stated, [0.2, 0.2])])
def test_a_plugin_says_what_it_needs(found: type, given: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name, dist, value = found.__name__.lower(), None, f"{found.__module__}:{found.__qualname__}"

        @staticmethod
        def load() -> type:
            return found

    monkeypatch.setattr(registry, "_plugins", lambda kind: {Point.name: Point} if kind == "optimizer" else {})
    rows = pivot(decided(market(1), panels.STOCKS, optimizer=Point.name))
    assert np.allclose(rows[["AA", "BB"]], given)


def test_the_youth_of_a_child_that_stands_still_shortens_no_window() -> None:
    """The others are weighted on the whole lookback, not on its few sessions: by the oracle, and by hand."""
    rng, days = np.random.default_rng(4), pd.bdate_range("2021-01-04", periods=60)
    frame = pd.DataFrame(100 * np.exp(rng.normal(0, [0.01, 0.02], (60, 2)).cumsum(0)), days, ["A", "B"])
    frame["C"] = 100.0
    leaf = {"schedule": {"every": 99}, "lookback": 2, "lag": 0}
    sleeves = {name: {**leaf, "universe": [name.upper()], "start": "2021-01-06"} for name in "ab"}
    sleeves["c"] = {**leaf, "universe": ["C"], "start": str(days[30].date())}
    rules = {"schedule": {"every": 1}, "lookback": 20, "min_history": 5, "lag": 0, "optimizer": "inverse_volatility"}
    tree = {"name": "root", **rules, "sleeves": sleeves}
    result = metabt.backtest(tree, frame)
    assert_agrees(result, oracle.run(tree, frame))
    decided = result.decisions("root").set_index(["date", "item"])
    day = days[40]  # ten sessions after the child began
    assert decided.loc[(day, "c"), "reason"] == "constant" and decided.loc[(day, "c"), "weight"] == 0.0
    volatility = frame[["A", "B"]].pct_change()[21:41].std()
    expected = (1 / volatility["A"]) / (1 / volatility).sum()
    assert decided.loc[(day, "a"), "weight"] == pytest.approx(expected, rel=1e-12)


def test_windows_of_some_decisions_know_their_sessions() -> None:
    sessions = np.arange("2021-01-04", "2021-01-08", dtype="datetime64[D]")
    windows = Windows(np.zeros((9, 2)), np.arange(5, 9), np.full(4, 3), sessions=sessions)
    for rows in (np.array([2, 0]), np.array([True, False, False, True]), slice(1, 3)):
        assert windows.take(rows).sessions.tolist() == sessions[rows].tolist()
