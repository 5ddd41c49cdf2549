"""Optimizers by `fit(X)` and `weights_`: what they are given, what counts as a solution, what is said of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.errors import ConfigError, RunError
from metabt.estimators.current_decision import telling_decisions
from metabt.estimators.optimizers.fitted import NOISE, FittedOptimizer, fitted_optimizer
from metabt.estimators.windows import Windows
from tests.shared.returns import market_returns

DAYS = np.array(["2021-03-01", "2021-04-01", "2021-05-03", "2021-06-01"], "M8[D]")
WINDOWS = Windows(market_returns(1, 70, 4), np.array([40, 50, 60, 70]), np.array([30, 20, 10, 5]), sessions=DAYS)
SOME = np.array([[True, False, True, True], [False] * 4, [False, True, False, False], [True, True, False, False]])


class Told:
    """Leaves what a test says, and notes what it was fitted on."""

    seen: list[np.ndarray] = []

    def __init__(self, answer: object = None) -> None:
        self.answer = answer

    def fit(self, X: np.ndarray) -> None:
        if isinstance(self.answer, Exception):
            raise self.answer
        Told.seen.append(X.copy())
        falling = np.arange(X.shape[1], 0.0, -1.0)
        self.weights_ = falling / falling.sum() if self.answer is None else self.answer


def test_each_window_is_fitted_on_what_is_supported_and_told_of_before() -> None:
    Told.seen, told, rule = [], list[str](), FittedOptimizer(Told)
    with telling_decisions(told.append):
        weights, solved = rule.weigh(WINDOWS, SOME)
    assert np.allclose(weights, [[1 / 2, 0, 1 / 3, 1 / 6], [0] * 4, [0, 1, 0, 0], [2 / 3, 1 / 3, 0, 0]], rtol=1e-15)
    assert solved.tolist() == [True, False, True, True] and rule.failures_ == ()
    assert told == ["2021-03-01", "2021-05-03", "2021-06-01"]  # where nothing is supported nobody is asked
    for X, d in zip(Told.seen, (0, 3), strict=True):  # one asset has all the weight
        assert X.tolist() == WINDOWS.window(d)[:, SOME[d]].tolist()


@pytest.mark.parametrize("dated", [True, False])
def test_whatever_else_is_raised_names_the_session_the_assets_and_the_reason(dated: bool) -> None:
    """Two assets of the last of four decisions: those before have a solution, or are not fitted."""
    windows = WINDOWS if dated else Windows(WINDOWS.returns, WINDOWS.stops, WINDOWS.lengths)
    support = SOME & (np.arange(4) > 0)[:, None]
    with pytest.raises(RunError) as caught:
        FittedOptimizer(lambda: Told(KeyError("depth"))).weigh(windows, support)
    assert str(caught.value) == (
        f"{'2021-06-01' if dated else 'decision 3'}: the optimizer failed on 2 assets with KeyError: 'depth'; "
        "mend its parameters, or the plug-in it comes from"
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ZeroDivisionError("by 0"), "ZeroDivisionError: by 0"),
        (np.linalg.LinAlgError("singular"), "LinAlgError: singular"),
        (np.ones(3) / 3, "ValueError: weights of shape (3,), or not finite; wanted 2 finite numbers"),
        (np.ones((2, 1)) / 2, "ValueError: weights of shape (2, 1), or not finite; wanted 2 finite numbers"),
        (np.array([1.0, np.nan]), "ValueError: weights of shape (2,), or not finite; wanted 2 finite numbers"),
        (np.array([0.5, 0.25]), "ValueError: weights sum to 0.75; wanted 1"),
        (np.array([0.75, 0.5]), "ValueError: weights sum to 1.25; wanted 1"),
        (np.array([0.0625, 0.9375]), "ValueError: weights from 0.0625 to 0.9375; wanted them within [0.125, 0.875]"),
        (np.array([0.1, 0.9]), "ValueError: weights from 0.1 to 0.9; wanted them within [0.125, 0.875]"),
    ],
)
def test_what_is_no_solution_says_why_and_of_which_decision(answer: object, told: str) -> None:
    rule = FittedOptimizer(lambda: Told(answer), min_weight=0.125, max_weight=0.875)
    support = np.array([[False] * 4, [False] * 4, [False] * 4, [False, True, False, True]])
    weights, solved = rule.weigh(WINDOWS, support)
    assert rule.failures_ == ((3, told),) and not solved.any() and not weights.any()
    FittedOptimizer(Told).weigh(WINDOWS, support)
    assert rule.failures_ == ((3, told),)
    rule.weigh(WINDOWS, support & False)
    assert rule.failures_ == ()


@pytest.mark.parametrize("miss", [0.9 * NOISE, 1.1 * NOISE])
@pytest.mark.parametrize(
    ("off", "low", "high"),
    [((0, 1), 0.0, 1.0), ((-1, 0), 0.0, 1.0), ((-1, 1), 0.25, 1.0), ((-1, 1), 0.0, 0.75)],
    ids=["a sum above one", "a sum below one", "below the least", "above the most"],
)
def test_noise_is_taken_off_and_a_larger_miss_is_no_solution(
    miss: float, off: tuple[int, int], low: float, high: float
) -> None:
    answer = np.array([0.25, 0.75]) + miss * np.array(off)
    rule = FittedOptimizer(lambda: Told(answer), min_weight=low, max_weight=high)
    weights, solved = rule.weigh(WINDOWS.take(slice(3, 4)), SOME[3:])
    assert solved.tolist() == [miss < NOISE]
    if solved[0]:
        assert weights[0].sum() == pytest.approx(1.0, abs=1e-15)
        assert low <= weights[0, :2].min() and weights[0].max() <= high


def test_bounds_are_given_to_a_constructor_that_takes_them() -> None:
    class Bounded(Told):
        def __init__(self, min_weight: float = 0.0, max_weight: float = 1.0) -> None:
            super().__init__(np.array([min_weight, max_weight]))

    rule = fitted_optimizer("it", Bounded, {"min_weight": 0.25, "max_weight": 0.75})
    assert (rule.min_weight, rule.max_weight, rule.needs_variance) == (0.25, 0.75, True)
    assert rule.weigh(WINDOWS.take(slice(3, 4)), SOME[3:])[0].tolist() == [[0.25, 0.75, 0.0, 0.0]]

    class Lower(Told):
        def __init__(self, min_weight: float = 0.0) -> None:
            super().__init__(np.array([min_weight, 1.0 - min_weight]))

    class Open(Told):
        def __init__(self, min_weight: float = 0.0, **others: float) -> None:
            super().__init__()

    class Free(Told):
        needs_variance = False

    lower = fitted_optimizer("it", Lower, {"min_weight": 0.25})
    assert (lower.min_weight, lower.max_weight) == (0.25, 1.0)
    assert not fitted_optimizer("it", Free, {}).needs_variance
    with pytest.raises(ConfigError) as caught:
        fitted_optimizer("it", Open, {"min_weight": 0.25, "max_weight": 0.75})
    assert str(caught.value) == "it cannot honour bounds; leave out min_weight, max_weight"
    with pytest.raises(ConfigError) as caught:
        fitted_optimizer("it", Open, {"max_weight": 0.75})
    assert str(caught.value) == "it cannot honour bounds; leave out max_weight"
