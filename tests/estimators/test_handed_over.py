"""Handed over: what an object or a class says of itself is heard, as that of a name is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import metabt
from metabt.errors import ConfigError
from metabt.estimators.handed_over import optimizer_of, selector_of
from metabt.estimators.optimizers.equal import Equal
from metabt.estimators.optimizers.fitted import FittedOptimizer
from metabt.estimators.registry import optimizer
from metabt.estimators.selectors.all import All
from metabt.estimators.selectors.fitted import FittedSelector
from tests.shared import panels


class Alike:
    """Weighs all alike, and chooses all; it is taken to measure risk."""

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def fit(self, X: np.ndarray) -> Alike:
        self.weights_ = np.full(X.shape[1], 1 / X.shape[1])
        return self

    def get_support(self) -> np.ndarray:
        return np.ones(len(self.weights_), bool)


class Stated(Alike):
    """One that says that it needs no variance."""

    needs_variance = False


@pytest.mark.parametrize("build", [optimizer_of, selector_of])
@pytest.mark.parametrize(("kind", "needs"), [(Alike, True), (Stated, False)])
@pytest.mark.parametrize("is_class", [False, True])
def test_whether_it_needs_variance_is_what_it_says(build: Any, kind: type, needs: bool, is_class: bool) -> None:
    assert build("it", kind if is_class else kind(), {}).needs_variance is needs


@pytest.mark.parametrize(("kind", "weight"), [(Alike, 0.0), (Stated, 1 / 3)])
@pytest.mark.parametrize("is_class", [False, True])
@pytest.mark.parametrize("place", ["optimizer", "selector"])
def test_what_stands_still_is_given_to_who_needs_no_variance(
    kind: type, weight: float, is_class: bool, place: str
) -> None:
    prices = panels.stand(panels.stocks(1), ["AA"], 0)
    made = kind if is_class else kind()
    leaf = {"name": "x", "universe": ["AA", "BB", "CC"], "lookback": 12, "schedule": {"every": 5}, place: made}
    rows = metabt.backtest(leaf, prices).decisions()
    assert rows.loc[rows["item"] == "AA", "weight"].tolist() == pytest.approx([weight] * rows["date"].nunique())
    assert set(rows.loc[rows["item"] == "AA", "reason"]) == ({"constant"} if weight == 0.0 else {""})


def test_an_object_of_skfolio_needs_variance_where_its_name_does() -> None:
    optimization = pytest.importorskip("skfolio.optimization")
    for kind in (optimization.EqualWeighted, optimization.InverseVolatility):
        named = optimizer(f"skfolio.{kind.__name__}").needs_variance
        assert optimizer_of("it", kind(), {}).needs_variance is optimizer_of("it", kind, {}).needs_variance is named
        assert named is (kind is not optimization.EqualWeighted)


def test_metabts_own_are_taken_as_they_are() -> None:
    equal, everything = Equal(max_weight=0.3), All()
    assert optimizer_of("it", equal, {}) is equal and selector_of("it", everything, {}) is everything
    assert optimizer_of("it", Equal, {"max_weight": 0.3}).max_weight == 0.3
    assert isinstance(selector_of("it", All, {}), All)


def test_every_window_is_fitted_by_a_fresh_one() -> None:
    made = Alike()
    for built in (optimizer_of("it", made, {}), selector_of("it", made, {})):
        assert isinstance(built, FittedOptimizer | FittedSelector)
        one, other = built._build(), built._build()
        assert type(one) is Alike and one is not other and one is not made
    assert optimizer_of("it", Alike, {"power": 2})._build().power == 2.0


@pytest.mark.parametrize("build", [optimizer_of, selector_of])
def test_of_a_class_every_window_has_one_that_its_constructor_has_built(build: Any) -> None:
    """Not a copy of one that was built before."""
    built = list[object]()

    class Counted(Alike):
        def __init__(self) -> None:
            super().__init__()
            built.append(self)

    made = build("it", Counted, {})._build
    before = len(built)
    one, other = made(), made()
    assert built[before:] == [one, other]


@pytest.mark.parametrize(
    ("build", "made", "params", "message"),
    [
        (optimizer_of, 3, {}, "it has no fit(X), wanted an object or a class with fit(X) that leaves weights_"),
        (selector_of, 3, {}, "it has no fit(X), wanted an object or a class with fit(X) that leaves get_support()"),
        (
            selector_of,
            type("Fits", (), {"fit": lambda self, X: self}),
            {},
            "it has no get_support(), wanted a selector: fit(X), then get_support() of True or False",
        ),
        (optimizer_of, Alike, {"powr": 2}, "it has no parameter 'powr'; did you mean 'power'?"),
        (selector_of, Alike, {"powr": 2}, "it has no parameter 'powr'; did you mean 'power'?"),
        (optimizer_of, Alike, {"max_weight": 0.5}, "it has no parameter 'max_weight'; known: power"),
    ],
)
def test_what_is_no_estimator_is_refused(build: Any, made: Any, params: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build("it", made, params)
    assert str(caught.value) == message
