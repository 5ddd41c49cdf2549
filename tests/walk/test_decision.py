"""Decision: each is taken by the first of the chain that can, and says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.windows import Windows
from metabt.portfolio.sleeve import Estimator, Rules
from metabt.walk import decision
from metabt.walk.candidates import Candidates
from metabt.walk.decision import weigh

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
