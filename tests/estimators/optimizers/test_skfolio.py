from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from skfolio.optimization import HierarchicalEqualRiskContribution, MeanRisk
from skfolio.pre_selection import SelectKExtremes

from metabt.errors import ConfigError, RunError
from metabt.estimators.registry import optimizer, selector
from metabt.estimators.windows import Windows
from tests.shared.returns import market_returns, simple_returns


def test_an_optimizer_by_name_is_that_optimizer(sp500: pd.DataFrame) -> None:
    returns = simple_returns(sp500)
    stops, support = np.array([500, 4000]), np.random.default_rng(0).random((2, 20)) < 0.5
    rule = optimizer("skfolio.HierarchicalEqualRiskContribution", risk_measure="cvar", max_weight=0.3)
    weights, solved = rule.weigh(Windows(returns, stops, np.full(2, 252)), support)
    from skfolio import RiskMeasure

    theirs = HierarchicalEqualRiskContribution(risk_measure=RiskMeasure.CVAR, min_weights=0.0, max_weights=0.3)
    for d, stop in enumerate(stops):
        expected = theirs.fit(returns[stop - 252 : stop][:, support[d]]).weights_
        assert np.allclose(weights[d, support[d]], expected, atol=1e-12) and not weights[d, ~support[d]].any()
    assert solved.all() and weights.max() <= 0.3 and abs(weights.sum(1) - 1).max() < 1e-12


def test_solver_noise_is_taken_off_and_bounds_are_exact() -> None:
    X = market_returns(0, 100, 6)
    ours = optimizer("skfolio.MeanRisk", min_weight=0.05, max_weight=0.3).fit(X).weights_
    theirs = MeanRisk(min_weights=0.05, max_weights=0.3).fit(X).weights_
    assert abs(ours - theirs).max() < 1e-5
    assert ours.min() >= 0.05 and ours.max() <= 0.3 and abs(ours.sum() - 1) < 1e-12


def test_a_frame_is_fitted_where_assets_are_addressed_by_name() -> None:
    X = market_returns(0, 100, 4)
    assert optimizer("skfolio.MeanRisk", linear_constraints=["x2 >= 0.6"]).fit(X).weights_[2] > 0.6 - 1e-5
    windows, support = Windows.single(X), np.array([[False, True, True, True]])
    weights, solved = optimizer("skfolio.MeanRisk", linear_constraints=["x2 >= 0.6"]).weigh(windows, support)
    assert solved.all() and weights[0, 2] > 0.6 - 1e-5  # the position in the universe, whatever the support


def test_a_solver_that_fails_keeps_its_reason() -> None:
    rule = optimizer("skfolio.MeanRisk", max_weight=0.2)
    windows = Windows.single(market_returns(0, 100, 6))
    weights, solved = rule.weigh(windows, np.array([[True, True, True, False, False, False]]))
    assert not solved.any() and not weights.any()
    assert rule.failures_[0][0] == 0 and "Error" in rule.failures_[0][1]
    with pytest.raises(RunError):
        rule.fit(market_returns(0, 100, 3))


def test_a_preselection_by_name_is_that_preselection() -> None:
    X = market_returns(0, 100, 6)
    from skfolio import RiskMeasure

    expected = SelectKExtremes(k=2, measure=RiskMeasure.VARIANCE, highest=False).fit(X).get_support()
    rule = selector("skfolio.SelectKExtremes", k=2, measure="variance", highest=False)
    assert (rule.fit(X).get_support() == expected).all()
    support = rule.select(Windows.single(X), np.array([[True, False, True, True, False, True]]))
    assert support.sum() == 2 and not support[0, [1, 4]].any()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: optimizer("skfolio.MeanRsk"), "did you mean 'MeanRisk'"),
        (lambda: optimizer("skfolio.BaseOptimization"), "skfolio.optimization has no 'BaseOptimization'"),
        (lambda: optimizer("skfolio.SelectKExtremes"), "skfolio.optimization has no 'SelectKExtremes'"),
        (lambda: optimizer("skfolio.np"), "skfolio.optimization has no 'np'"),
        (lambda: optimizer("skfolio.__builtins__"), "skfolio.optimization has no"),
        (lambda: optimizer("skfolio.Random"), "its weights are random"),
        (lambda: optimizer("skfolio.InverseVolatility", max_weight=0.5), "cannot honour bounds; leave out max_weight"),
        (lambda: optimizer("skfolio.MeanRisk", max_weights=0.5), "use max_weight (a number) in place of max_weights"),
        (lambda: optimizer("skfolio.MeanRisk", max_weight="x"), "wanted a finite number"),
        (lambda: optimizer("skfolio.MeanRisk", risk_mesure="cvar"), "did you mean 'risk_measure'"),
        (lambda: optimizer("skfolio.MeanRisk", risk_measure="cvra"), "did you mean 'cvar'"),
        (lambda: optimizer("skfolio.MeanRisk", prior_estimator=object()), "wanted numbers, words, lists or mappings"),
        (lambda: selector("skfolio.MeanRisk"), "skfolio.pre_selection has no 'MeanRisk'"),
        (lambda: selector("skfolio.SelectNonExpiring"), "it needs dates of expiry"),
    ],
)
def test_what_a_configuration_cannot_mean_is_refused(build, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build()
    assert message in str(error.value)


def test_bounds_that_bind_nothing_are_honoured_by_all() -> None:
    rule = optimizer("skfolio.InverseVolatility", min_weight=0.0, max_weight=1.0)
    X = market_returns(0, 100, 4)
    assert np.allclose(rule.fit(X).weights_, optimizer("inverse_volatility").fit(X).weights_, rtol=1e-12)


def test_a_missing_skfolio_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "skfolio"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "skfolio", None)
    with pytest.raises(ConfigError, match=r'pip install "metabt\[demo\]"'):
        optimizer("skfolio.MeanRisk")
