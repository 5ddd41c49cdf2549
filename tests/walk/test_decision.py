"""Decision: each is taken by the first of the chain that can, and says so."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.windows import Windows
from metabt.portfolio.sleeve import Estimator, Rules
from metabt.walk import decision
from metabt.walk.candidates import Candidates
from metabt.walk.decision import NOTHING, Spared, Weighed, weigh

N = 4


class Can(Optimizer):
    """An optimizer that solves some windows, known by their last row, with a weight of its own on the first item."""

    def __init__(self, rows: set[int], weight: float, needs_variance: bool) -> None:
        super().__init__()
        self.rows, self.weight_of_first, self.varies = rows, weight, needs_variance

    @property
    def needs_variance(self) -> bool:  # type: ignore[override]
        return self.varies

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        for i, stop in enumerate(windows.stops.tolist()):
            if support[i].any() and stop in self.rows:
                weights[i, np.flatnonzero(support[i])[0]], solved[i] = self.weight_of_first, True


@given(st.data())
def test_a_naive_chain_agrees(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 6))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    returns = rng.normal(0, 0.01, (20 + n, N))
    returns[:, 1] = 0.001  # constant: not for those that need variance
    stops = np.arange(20, 20 + n)
    support = rng.random((n, N)) < 0.5
    chain = [
        Can(set(stops[rng.random(n) < 0.5].tolist()), rng.choice([0.0, 0.4, 0.7]), bool(rng.integers(2)))
        for _ in range(3)
    ]
    names = [f"step{k}" for k in range(3)]
    spec = Rules(optimizer=Estimator(names[0]), fallback=tuple(map(Estimator, names[1:])))
    windows = Windows(returns, stops, np.full(n, 10), None, tuple("abcd"), np.arange(n).astype("M8[D]"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision, "build_optimizer", lambda it: chain[names.index(it.name)])
        patch.setattr(decision, "bounded", lambda it, _: it)
        found = weigh(spec, Candidates.on(windows, support))
    for i in range(n):
        status, given, weights, varied = "cash", support[i] & ~_still(chain[0]), np.zeros(N), chain[0].varies
        for k, step in enumerate(chain):
            mine = support[i] & ~_still(step)
            if mine.any() and int(stops[i]) in step.rows:
                weights[np.flatnonzero(mine)[0]] = step.weight_of_first
                given, varied = mine, step.varies
                status = "cash" if step.weight_of_first == 0.0 else "ok" if k == 0 else f"fallback:step{k}"
                break
        assert (found.status[i], found.varied[i]) == (status, varied)
        assert (found.weights[i] == weights).all() and (found.given[i] == given).all()


def _still(step: Can) -> np.ndarray:
    """Return the items that are constant, where that matters."""
    return np.array([False, step.varies, False, False])


class Failing(Can):
    """One that says of each window that it has not solved why, as a plug-in does."""

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        super()._solve(windows, support, weights, solved)
        self.failures_ = tuple((i, f"ValueError: row {windows.stops[i]}") for i in np.flatnonzero(~solved).tolist())


@pytest.mark.parametrize("can", [{20, 22}, {20, 21, 22, 23}, set()])
def test_what_a_plugin_could_not_solve_is_told_once_with_the_first_reason(
    can: set[int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = np.arange(20, 24)
    windows = Windows(np.random.default_rng(1).normal(size=(24, N)), stops, np.full(4, 10))
    monkeypatch.setattr(decision, "build_optimizer", lambda it: Failing(can, 0.5, True))
    spec = Rules(optimizer=Estimator("skfolio.Some"), fallback=())
    with caplog.at_level(logging.WARNING, "metabt.decisions"):
        found = weigh(spec, Candidates.on(windows, np.ones((4, N), bool)))
    left = [int(stop) for stop in stops if stop not in can]
    told = f"skfolio.Some: no weights for {len(left)} of 4 decisions, first: ValueError: row {min(left, default=0)}"
    assert [(it.name, it.levelname, it.getMessage()) for it in caplog.records] == [
        ("metabt.decisions", "WARNING", told)
    ] * bool(left)
    assert found.status.tolist() == ["ok" if stop in can else "cash" for stop in stops.tolist()]


def test_a_fallback_has_the_bounds_of_the_optimizer_it_stands_in_for() -> None:
    """Equal weights of five are 0.2; with at most 0.15 of each the rest is cash."""
    windows = Windows(np.zeros((12, 5)), np.array([12]), np.array([10]))
    everything = Candidates.on(windows, np.ones((1, 5), bool))
    spec = Rules(optimizer=Estimator("min_variance", {"max_weight": 0.4}), fallback=(Estimator("equal"),))
    found = weigh(spec, everything)
    assert found.status.tolist() == ["fallback:equal"] and found.weights.tolist() == [[0.2] * 5]
    assert not found.varied.any() and found.given.all()
    bound = replace(spec, optimizer=Estimator("min_variance", {"max_weight": 0.15}))
    assert weigh(bound, everything).weights.tolist() == [[0.15] * 5]
    other = replace(bound, fallback=(Estimator("equal", {"max_weight": 0.5}),))  # it states its own
    assert weigh(other, everything).weights.tolist() == [[0.2] * 5]


def test_by_default_inverse_volatility_stands_in_and_then_equal_weights() -> None:
    returns = np.random.default_rng(2).normal(-0.02, 0.01, (20, N)) * [1.0, 2.0, 3.0, 4.0]  # nothing has a Sharpe ratio
    returns[:, 3] = 0.0
    windows = Windows(returns, np.array([20, 20]), np.array([15, 15]))
    support = np.array([[True, True, False, True], [False, False, False, True]])
    found = weigh(Rules(optimizer=Estimator("max_sharpe")), Candidates.on(windows, support))
    assert found.status.tolist() == ["fallback:inverse_volatility", "fallback:equal"]
    inverse = 1 / returns[5:, :2].std(axis=0, ddof=1)
    assert found.weights[0] == pytest.approx([*(inverse / inverse.sum()), 0.0, 0.0], abs=1e-14)
    assert found.weights[1].tolist() == [0.0, 0.0, 0.0, 1.0] and found.varied.tolist() == [True, False]
    assert found.given.tolist() == [[True, True, False, False], [False, False, False, True]]


def test_before_anything_is_decided_it_is_cash() -> None:
    windows = Windows(np.ones((9, N)), np.array([9, 9]), np.array([5, 5]))
    support = np.array([[True, False, True, True], [False] * 4])
    for varies in (False, True):
        found = Weighed.by(Can(set(), 0.5, varies), Candidates.on(windows, support))
        assert found.status.tolist() == ["cash", "cash"] and found.weights.tolist() == np.zeros((2, N)).tolist()
        assert found.varied.tolist() == [varies] * 2
        assert (found.given == (support & (not varies))).all()  # all are constant here


def test_nothing_is_spared_unless_it_is_said() -> None:
    """Every decision is taken, and the risk of each is measured."""
    for spared in (NOTHING, Spared()):
        assert spared.decisions is None and spared.risk is False
