"""Path-dependent decisions: each sees the newest decision that is not traded yet, or else what is then held."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.estimators.optimizers.base import Optimizer, PathDependent
from metabt.estimators.windows import Windows
from metabt.portfolio.sleeve import Estimator, Leaf, Meta
from metabt.walk import decision, path_dependent
from metabt.walk.block import LeafState, MetaState, State
from metabt.walk.candidates import Candidates
from metabt.walk.holdings import Queue
from metabt.walk.path_dependent import Pending
from tests.shared.laws import DRAWS, examples

N = 2


@dataclass
class Held:
    """A book that holds what was traded last and does not drift; it notes how far it was followed."""

    now: np.ndarray
    stop: int = 0
    traded: list[tuple[int, list[float]]] = field(default_factory=list)

    def until(self, stop: int, due: np.ndarray, targets: np.ndarray) -> None:
        assert stop >= self.stop
        for t in range(self.stop, stop):
            if due[t] >= 0:
                self.now = targets[due[t]].copy()
                self.traded.append((t, self.now.tolist()))
        self.stop = stop

    def ahead(self) -> np.ndarray:
        return self.now + 0.0

    def aimed(self, targets: np.ndarray, decided: int) -> np.ndarray:
        return targets


class Told(Optimizer):
    """Decides what a test says, and notes what it was told that is held."""

    def __init__(self, plan: np.ndarray) -> None:
        super().__init__()
        self.plan, self.seen = plan, list[np.ndarray]()

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        weights[:], solved[:] = 0.5, True  # as a fallback

    def in_turn(self, windows: Windows, support: np.ndarray) -> Any:
        made = self

        class Turns(PathDependent):
            def weigh(self, decision: int, previous: np.ndarray) -> tuple[np.ndarray, bool]:
                made.seen.append(previous.copy())
                return np.nan_to_num(made.plan[decision]), not np.isnan(made.plan[decision]).any()

        return Turns(self, windows, support)


@examples(120)
@given(DRAWS, st.sampled_from([0, 1, 3, 7]), st.booleans(), st.booleans())
def test_a_naive_book_agrees(seed: int, lag: int, live: bool, short: bool) -> None:
    rng = np.random.default_rng(seed)
    scheduled = rng.random(16) < 0.7  # of the book's sessions, those of the schedule
    calendar = np.flatnonzero(scheduled)
    rows = np.flatnonzero(rng.random(len(calendar)) < 0.6)
    plan = rng.random((len(rows), N)) * (rng.random((len(rows), 1)) < 0.8)
    plan[rng.random(len(rows)) < 0.2] = np.nan  # not solved: 1/2 each, by a fallback
    n_queued = int(rng.integers(0, lag + 1)) if live else 0
    queue = Queue(np.sort(rng.choice(max(lag, 1), n_queued, replace=False)), rng.random((n_queued, N)))
    first = rng.random(N) if live else np.zeros(N)
    signs = -1.0 if short else 1.0
    rules: dict[str, Any] = {"optimizer": Estimator("told"), "fallback": (Estimator("half"),), "lag": lag}
    spec = Leaf(dataset="d", universe=("A", "B"), direction="short" if short else "long", **rules)
    state = replace(LeafState.initial(N), queue=queue, live=live, holdings=first)
    told, hold = Told(plan), Held(first)
    candidates = Candidates.on(
        Windows(rng.normal(size=(30, N)), np.arange(10, 10 + len(rows)), np.full(len(rows), 10)),
        np.ones((len(rows), N), bool),
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (decision, path_dependent):
            patch.setattr(module, "build_optimizer", lambda it: told)
        patch.setattr(decision, "bounded", lambda it, _: it)
        found = Pending(spec, state, hold, scheduled, len(rows)).weigh(rows, candidates)

    waits = [(int(due), it) for due, it in zip(queue.due, queue.weights, strict=True)]  # (session of the schedule, w)
    held, begun = first, live
    for k, row in enumerate(rows.tolist()):
        for _, it in [it for it in waits if it[0] < row]:
            held = it
        waits = [it for it in waits if it[0] >= row]
        assert np.allclose(told.seen[k] * signs, waits[-1][1] if waits else held, rtol=0, atol=1e-15)
        solved = not np.isnan(plan[k]).any()
        weights = plan[k] if solved else np.full(N, 0.5)
        assert (found.weights[k] == weights).all()
        assert found.status[k] == ("cash" if not weights.any() else "ok" if solved else "fallback:half")
        begun = begun or bool(weights.any())
        if begun:
            waits.append((row + lag, weights * signs))
    for t, weights in hold.traded:
        assert scheduled[t] and weights in [
            *queue.weights.tolist(),
            *(np.where(np.isnan(plan), 0.5, plan) * signs + 0.0).tolist(),
        ]


@pytest.mark.parametrize(("row", "sees"), [(0, 0.3), (1, 0.3), (2, 0.3), (3, 0.3), (4, 0.3)])
def test_of_several_that_wait_the_newest_counts_until_it_is_traded(row: int, sees: float) -> None:
    spec = Meta(children=(Leaf(dataset="d", universe=("A",)),) * N, lag=5, optimizer=Estimator("told"))
    queue = Queue(np.array([1, 3]), np.array([[0.9, 0.0], [sees, 0.0]]))
    state = replace(MetaState.initial(N, N), queue=queue, live=True)
    told, hold = Told(np.array([[0.1, 0.2]])), Held(np.array([0.7, 0.0]))
    windows = Windows(np.random.default_rng(1).normal(size=(9, N)), np.array([9]), np.array([9]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path_dependent, "build_optimizer", lambda it: told)
        pending = Pending(spec, state, hold, np.ones(6, bool), 1)
        pending.weigh(np.array([row]), Candidates.on(windows, np.ones((1, N), bool)))
    assert told.seen[0].tolist() == [sees, 0.0]  # from the fourth session on because it is held
    assert hold.traded == [(t, [w, 0.0]) for t, w in ((1, 0.9), (3, sees)) if t < row]


def test_empty_decisions_before_the_first_are_none() -> None:
    spec = Leaf(dataset="d", universe=("A", "B"), lag=1, optimizer=Estimator("equal"))
    state: State = LeafState.initial(N)
    hold = Held(np.zeros(N))
    pending = Pending(spec, state, hold, np.ones(6, bool), 4)
    for row, weights in enumerate(([0.0, 0.0], [0.5, 0.0], [0.0, 0.0])):
        pending.add(row, np.array(weights))
    hold.until(6, pending._due, pending._weights)
    assert hold.traded == [(2, [0.5, 0.0]), (3, [0.0, 0.0])]  # the first of all is no trade, the last sells
