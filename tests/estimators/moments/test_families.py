"""Estimators by name: what every one of them must hold, and how a configuration chooses one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import metabt
from metabt.errors import ConfigError
from metabt.estimators.moments import covariance
from metabt.estimators.moments.covariance import COVARIANCES
from metabt.estimators.moments.families import Family
from metabt.estimators.moments.mean import MEANS
from metabt.estimators.moments.shrinkage import ledoit_wolf
from metabt.estimators.registry import canonical, optimizer
from metabt.estimators.windows import REMEMBERED, Windows
from metabt.portfolio import built_estimators
from tests.shared.panels import stocks
from tests.shared.returns import factor_returns, stacks

CHOICES = [(COVARIANCES, name) for name in COVARIANCES.builders] + [(MEANS, name) for name in MEANS.builders]


def supported(found: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return the entries of a mean or a covariance that belong to the supported columns."""
    return found[support] if found.ndim == 1 else found[np.ix_(support, support)]


@pytest.mark.parametrize(("family", "name"), CHOICES)
@given(stacks())
def test_bits_are_those_of_each_window_and_its_columns_alone(
    family: Family, name: str, stack: tuple[Windows, np.ndarray]
) -> None:
    windows, support = stack
    estimate = family.build("it", name)
    found = estimate(windows, support)
    order = np.arange(len(windows))[::-1]
    assert np.array_equal(estimate(windows.take(order), support[order])[order], found, equal_nan=True)
    for d in range(len(windows)):
        alone = estimate(Windows.single(windows.window(d)[:, support[d]]), None)
        assert np.array_equal(alone[0], supported(found[d], support[d]), equal_nan=True)
        assert np.isfinite(alone).all()


@pytest.mark.parametrize(("family", "name"), CHOICES)
@given(stacks())
def test_the_order_of_the_columns_is_that_of_the_answer(
    family: Family, name: str, stack: tuple[Windows, np.ndarray]
) -> None:
    windows, _ = stack
    order = np.random.default_rng(len(windows)).permutation(windows.returns.shape[1])
    estimate = family.build("it", name)
    found = estimate(windows, None)
    turned = estimate(Windows(windows.returns[:, order], windows.stops, windows.lengths), None)
    expected = found[:, order] if found.ndim == 2 else found[:, order[:, None], order]
    if name in ("sample", "ewma", "zero"):
        assert np.array_equal(turned, expected)
    else:
        assert np.allclose(turned, expected, rtol=1e-12, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize(("family", "name"), CHOICES)
def test_what_cannot_be_known_is_nan_and_harms_nobody(family: Family, name: str) -> None:
    X = factor_returns(0, 60, 4)
    estimate = family.build("it", name)
    clean = estimate(Windows(X, np.array([30, 60]), np.array([30, 25])), None)
    X[10, 1] = np.nan
    found = estimate(Windows(X, np.array([30, 60, 60, 60]), np.array([30, 25, 1, 0])), None)
    assert (found[1] == clean[1]).all()
    if name != "zero":
        assert np.isnan(found[0, 1]).any() and np.isnan(found[3]).all()
        assert np.isnan(found[2]).all() == (family is COVARIANCES)


@pytest.mark.parametrize("name", list(COVARIANCES.builders))
def test_covariances_are_symmetric_to_the_bit(name: str) -> None:
    S = COVARIANCES.build("it", name)(Windows.single(factor_returns(3, 70, 19)), None)
    assert (S == S.transpose(0, 2, 1)).all()


@pytest.mark.parametrize("name", ["sample", "ewma", "denoised"])
def test_a_column_that_never_moves_has_no_covariance_at_all(name: str) -> None:
    X = factor_returns(3, 70, 5)
    X[:, 2] = 0.1
    S = COVARIANCES.build("it", name)(Windows.single(X), None)[0]
    assert (S[2] == 0.0).all() and (np.delete(np.diagonal(S), 2) > 0.0).all()


def test_the_sample_covariance_is_computed_once() -> None:
    windows = Windows.single(factor_returns(0, 30, 3))
    assert COVARIANCES.build("it", "sample")(windows, None) is windows.covariance


@pytest.mark.parametrize(("family", "name"), CHOICES)
def test_what_windows_share_is_estimated_once_by_support_and_parameters(family: Family, name: str) -> None:
    windows, support = Windows.single(factor_returns(0, 30, 3)), np.array([[True, True, False]])
    first, again = (family.build("it", name)(windows, support) for _ in range(2))
    assert again is first or name == "zero"
    for other in (
        family.build("it", name)(windows, ~support),
        family.build("it", name)(windows.take(slice(0, 1)), support),
    ):
        assert other is not first or name == "sample"
    if name == "ewma":
        assert (family.build("it", {"name": name, "half_life": 5.0})(windows, support) != first).any()


def test_only_the_newest_few_estimates_are_kept() -> None:
    windows, lasting = Windows.single(factor_returns(0, 30, 3)), COVARIANCES.build("it", "oas")
    supports = [np.array([[True, True, bool(k & 1)]]) for k in range(2)]
    first = lasting(windows, supports[0])
    for half_life in range(1, REMEMBERED):
        COVARIANCES.build("it", {"name": "ewma", "half_life": float(half_life)})(windows, supports[0])
    assert lasting(windows, supports[0]) is first
    lasting(windows, supports[1])
    again = lasting(windows, supports[0])
    assert again is not first and np.array_equal(again, first, equal_nan=True)


def test_leaves_that_read_the_same_share_a_slow_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(windows: Windows, support: np.ndarray) -> np.ndarray:
        calls.append(len(windows))
        return ledoit_wolf(windows, support)

    monkeypatch.setattr(covariance, "ledoit_wolf", counted)
    monkeypatch.setattr(built_estimators, "_optimizers", {})  # those built before have the one that does not count
    leaf = {"dataset": "stocks", "universe": ["AA", "BB", "CC"], "lookback": 60, "schedule": "monthly"}
    rules = {"a": "erc", "b": "min_variance", "c": "hrp"}
    sleeves = {key: {**leaf, "optimizer": {"name": rule, "covariance": "ledoit_wolf"}} for key, rule in rules.items()}
    made = metabt.backtest({"name": "book", "sleeves": sleeves}, {"stocks": stocks(3, sessions=300)})
    decided = made.frame("decisions").query("path == 'book/a'")["date"].nunique()
    assert sum(calls) == decided


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("ledoit_wold", "covariance: no covariance estimator is called 'ledoit_wold'; did you mean 'ledoit_wolf'?"),
        ({"name": "ewm"}, "covariance: no covariance estimator is called 'ewm'; did you mean 'ewma'?"),
        ({"half_life": 3}, "covariance is {'half_life': 3}; wanted a name or {name: ..., parameter: ...}"),
        ({"name": "ewma", "halflife": 3}, "covariance 'ewma' has no parameter 'halflife'; did you mean 'half_life'?"),
        ({"name": "ewma", "half_life": "3"}, "covariance 'ewma': half_life is '3'; wanted a finite number"),
        ({"name": "ewma", "half_life": 0}, "covariance 'ewma': half_life is 0; wanted a number of sessions above 0"),
        ({"name": "oas", "half_life": 3}, "covariance 'oas' has no parameter 'half_life'"),
        (3, "covariance is 3; wanted a word"),
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused(choice: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        optimizer("min_variance", covariance=choice)
    assert str(error.value) == f"optimizer 'min_variance': {message}"


def test_means_are_a_family_of_their_own() -> None:
    with pytest.raises(ConfigError, match="mean: no estimator of the mean is called 'smaple'; did you mean 'sample'"):
        optimizer("mean_variance", mean="smaple")


@pytest.mark.parametrize("name", ["min_variance", "mean_variance", "max_sharpe", "erc", "hrp"])
def test_one_choice_has_one_spelling(name: str) -> None:
    whole = canonical("optimizer", name, {"covariance": {"name": "ewma", "half_life": 63}})
    assert repr(whole) == "{'covariance': {'name': 'ewma', 'half_life': 63.0}}"
    assert canonical("optimizer", name, {"covariance": {"name": "oas"}}) == {"covariance": "oas"}
    rule, again = optimizer(name, covariance={"name": "ewma", "half_life": 63}), optimizer(name, covariance="ewma")
    X = factor_returns(0, 80, 4) + 0.01
    assert rule.fit(X).weights_.tobytes() == again.fit(X).weights_.tobytes()
    assert rule.weights_.tobytes() != optimizer(name).fit(X).weights_.tobytes()


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        *((name, "covariance") for name in ("min_variance", "mean_variance", "max_sharpe", "max_diversification")),
        *((name, "covariance") for name in ("erc", "hrp")),
        *((name, "mean") for name in ("mean_variance", "max_sharpe")),
    ],
)
def test_what_is_built_by_its_class_is_refused_under_the_name_of_its_parameter(name: str, parameter: str) -> None:
    kind = "covariance estimator" if parameter == "covariance" else "estimator of the mean"
    with pytest.raises(ConfigError) as error:
        type(optimizer(name))(**{parameter: "smaple"})  # type: ignore[call-arg]
    assert str(error.value) == f"{parameter}: no {kind} is called 'smaple'; did you mean 'sample'?"
    with pytest.raises(ConfigError) as error:
        type(optimizer(name))(**{parameter: {"name": "ewma", "half_life": -1.0}})  # type: ignore[call-arg]
    assert str(error.value) == f"{parameter} 'ewma': half_life is -1; wanted a number of sessions above 0"
