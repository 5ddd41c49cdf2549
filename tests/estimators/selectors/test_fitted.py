"""Selectors, metabt's and others': what they are given, what they leave, and what is said of those that fail."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.errors import RunError
from metabt.estimators.current_decision import telling_decisions
from metabt.estimators.registry import SELECTORS, selector
from metabt.estimators.selectors.fitted import FittedSelector
from metabt.estimators.windows import Windows
from tests.shared.returns import market_returns

DAYS = np.array(["2021-03-01", "2021-04-01", "2021-05-03"], "M8[D]")
WINDOWS = Windows(market_returns(1, 60, 4), np.array([40, 50, 60]), np.array([30, 20, 10]), sessions=DAYS)
SOME = np.array([[True, False, True, True], [False] * 4, [True, True, False, False]])
PARAMS = {"top_k": {"k": 2}, "decorrelate": {"k": 2}}


class Told:
    """Selects what a test says, and notes what it was fitted on."""

    seen: list[np.ndarray] = []

    def __init__(self, answer: object = None) -> None:
        self.answer = answer

    def fit(self, X: np.ndarray) -> Told:
        if isinstance(self.answer, Exception):
            raise self.answer
        Told.seen.append(X.copy())
        self.chosen = np.arange(X.shape[1]) > 0 if self.answer is None else self.answer
        return self

    def get_support(self) -> object:
        return self.chosen


def test_each_window_is_fitted_on_what_is_eligible_and_told_of_before() -> None:
    Told.seen, told = [], list[str]()
    with telling_decisions(told.append):
        found = FittedSelector(Told).select(WINDOWS, SOME)
    assert found.tolist() == [[False, False, True, True], [False] * 4, [False, True, False, False]]
    assert told == ["2021-03-01", "2021-05-03"]  # where nothing is eligible nobody is asked
    for X, d in zip(Told.seen, (0, 2), strict=True):
        assert X.tolist() == WINDOWS.window(d)[:, SOME[d]].tolist()
    assert FittedSelector(Told).most(7) == 7 and FittedSelector(Told).needs_variance
    assert not FittedSelector(Told, needs_variance=False).needs_variance


@pytest.mark.parametrize("dated", [True, False])
def test_a_failure_names_the_session_the_assets_and_the_reason(dated: bool) -> None:
    """Three assets of thirty sessions."""
    windows = WINDOWS if dated else Windows(WINDOWS.returns, WINDOWS.stops, WINDOWS.lengths)
    when = "2021-03-01" if dated else "decision 0"
    with pytest.raises(RunError) as caught:
        FittedSelector(lambda: Told(KeyError("depth"))).select(windows, SOME)
    assert str(caught.value) == (
        f"{when}: the selector failed on 3 assets with KeyError: 'depth'; mend its parameters, or the plug-in it "
        "comes from"
    )
    for answer, told in (
        (np.ones(2, bool), "bool of shape (2,)"),
        (np.ones((3, 1), bool), "bool of shape (3, 1)"),
        (np.ones(3), "float64 of shape (3,)"),
    ):
        with pytest.raises(RunError) as caught:
            FittedSelector(lambda answer=answer: Told(answer)).select(windows, SOME)  # type: ignore[misc]
        assert str(caught.value) == f"{when}: the selector returned {told}; wanted 3 booleans"


@pytest.mark.parametrize("name", sorted(SELECTORS))
def test_eligible_columns_may_be_numbers_and_are_left_as_they_are(name: str) -> None:
    made, numbers = selector(name, **PARAMS.get(name, {})), SOME.astype(np.int64)
    found = made.select(WINDOWS, SOME)
    assert found.dtype == bool and found is not SOME
    if name in ("all", "log_mps", "decorrelate"):
        again = made.select(WINDOWS, numbers)
        assert again.dtype == bool and (again == found).all() and (numbers == SOME).all()
    found[:] = True  # it is the caller's
    assert SOME.sum() == 5


@pytest.mark.parametrize("name", sorted(SELECTORS))
def test_where_nothing_can_be_ranked_all_that_is_eligible_may_be_held(name: str) -> None:
    assert selector(name, **PARAMS.get(name, {})).unranked(WINDOWS, SOME).tolist() == SOME.tolist()


def test_how_many_are_selected_at_most() -> None:
    for n in (1, 3, 9):
        assert selector("all").most(n) == n and selector("top_k", k=3).most(n) == min(3, n)
        assert selector("decorrelate", k=3).most(n) == min(3, n)
        assert selector("decorrelate", max_correlation=0.5).most(n) == n
        assert selector("decorrelate", max_correlation=0.5, k=3).most(n) == n
        assert selector("log_mps", top=2, max_clusters=2).most(n) == min(4, n)
        assert selector("log_mps").most(n) == n


def test_whether_a_selector_measures_risk() -> None:
    needs = {name: selector(name, **PARAMS.get(name, {})).needs_variance for name in SELECTORS}
    assert needs == {"all": False, "top_k": False, "decorrelate": True, "log_mps": True}
    assert selector("top_k", k=1, by="sharpe").needs_variance
    assert selector("top_k", k=1, by="low_volatility").needs_variance
    assert {name for name in SELECTORS if selector(name, **PARAMS.get(name, {})).reads_volume} == {"log_mps"}
