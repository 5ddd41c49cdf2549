from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from metabt.errors import ConfigError
from metabt.estimators.registry import SELECTORS, selector
from metabt.estimators.windows import Windows
from tests.shared.returns import factor_returns, stacks

RULES = [
    ("all", {}),
    ("top_k", {"k": 2}),
    ("top_k", {"k": 3, "by": "low_volatility"}),
    ("top_k", {"k": 1, "by": "sharpe"}),
    ("decorrelate", {"max_correlation": 0.3}),
    ("decorrelate", {"k": 2}),
    ("decorrelate", {"k": 3, "max_correlation": 0.6}),
    ("log_mps", {}),
    ("log_mps", {"top": 2, "max_clusters": 2, "exponents": "published", "max_drawdown": 0.3}),
    ("log_mps", {"cluster_distance": 0.2, "min_efficiency": 0.05, "max_shortfall": 0.03}),
]


def test_every_selector_is_tested() -> None:
    assert {name for name, _ in RULES} == set(SELECTORS)


@pytest.mark.parametrize(("name", "params"), RULES)
@given(stacks())
def test_a_stack_is_its_windows_one_at_a_time(name: str, params: dict, stack: tuple[Windows, np.ndarray]) -> None:
    windows, eligible = stack
    rule = selector(name, **params)
    support = rule.select(windows, eligible)
    assert support.dtype == bool and not (support & ~eligible).any()
    assert (support.sum(1) <= rule.most(eligible.shape[1])).all()
    assert windows.dollar_volume is not None
    for d in range(len(windows)):
        kept, rows = eligible[d], windows.rows(d)
        size = np.array([windows.lengths[d]])
        volume = np.ascontiguousarray(windows.dollar_volume[rows][:, kept])
        one = Windows(np.ascontiguousarray(windows.window(d)[:, kept]), size, size, volume)
        assert (rule.select(one, np.ones((1, kept.sum()), bool))[0] == support[d, kept]).all()


@pytest.mark.parametrize(("name", "params"), RULES)
def test_fit_and_get_support(name: str, params: dict) -> None:
    X = factor_returns(2, 80, 6)
    expected = selector(name, **params).select(Windows.single(X), np.ones((1, 6), bool))[0]
    assert (selector(name, **params).fit(X).get_support() == expected).all()


@pytest.mark.parametrize(("name", "params"), RULES)
def test_the_order_of_the_assets_does_not_matter(name: str, params: dict) -> None:
    X = factor_returns(3, 90, 8)
    support = selector(name, **params).fit(X).get_support()
    order = np.random.default_rng(0).permutation(8)
    assert (selector(name, **params).fit(X[:, order]).get_support() == support[order]).all()


@pytest.mark.parametrize("by", ["momentum", "low_volatility", "sharpe"])
def test_top_k_keeps_the_best(by: str) -> None:
    X = factor_returns(4, 60, 9)
    score = {"momentum": X.mean(0), "low_volatility": -X.std(0), "sharpe": X.mean(0) / X.std(0)}[by]
    support = selector("top_k", k=4, by=by).fit(X).get_support()
    assert support.sum() == 4 and score[support].min() > score[~support].max()


def test_ties_go_to_the_first_columns_and_few_assets_are_all_kept() -> None:
    X = np.tile(factor_returns(4, 60, 1), (1, 5))
    assert selector("top_k", k=2).fit(X).get_support().tolist() == [True, True, False, False, False]
    windows, eligible = Windows.single(X), np.array([[False, True, False, True, False]])
    assert (selector("top_k", k=4).select(windows, eligible) == eligible).all()


def test_sharpe_ratios_without_risk() -> None:
    X = np.c_[factor_returns(4, 60, 1), np.zeros(60), np.full(60, 0.01), np.full(60, -0.01)]
    X[:, 0] -= X[:, 0].mean() - 0.001
    ranked = [selector("top_k", k=k, by="sharpe").fit(X).get_support() for k in (1, 2, 3)]
    assert [np.flatnonzero(support).tolist() for support in ranked] == [[2], [0, 2], [0, 1, 2]]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("top_k", {"k": 0}, "wanted at least 1"),
        ("log_mps", {"top": 0}, "top is 0"),
        ("log_mps", {"cluster_distance": -1}, "wanted at least 0"),
        ("log_mps", {"exponents": {"momentun": 1}}, "did you mean 'momentum'"),
        ("log_mps", {"exponents": {"momentum": -1}}, "wanted at least 0"),
        ("log_mps", {"exponents": "publised"}, "did you mean 'published'"),
    ],
)
def test_parameters_out_of_range_are_refused(name: str, params: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        selector(name, **params)


def test_of_columns_that_all_move_alike_one_is_left() -> None:
    x = np.random.default_rng(0).normal(0, 0.01, 60)
    X = np.column_stack([x, x, 2 * x])
    assert selector("decorrelate", max_correlation=0.9).fit(X).get_support().sum() == 1
