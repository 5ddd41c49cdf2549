"""skfolio as a peer: its own optimizers in `WalkForward` and `cross_val_predict`, as its documentation shows them.

For the agreement of weights, solvers get tighter tolerances and returns in per cent, and hierarchical risk parity the
leaf order that is the shortest.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from skfolio.model_selection import WalkForward, cross_val_predict
from skfolio.optimization import (
    BaseOptimization,
    HierarchicalRiskParity,
    InverseVolatility,
    MeanRisk,
    ObjectiveFunction,
    RiskBudgeting,
)
from skfolio.seriation import BaseSeriation

from benchmarks.leaf_order import shortest_order
from benchmarks.works import STEP, Rule

TIGHT = {"solver_params": {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}}
"""Clarabel's tolerances, by default 1e-8."""
NAMES = ("inverse_volatility", "min_variance", "mean_variance", "erc", "hrp")
"""Rules that it knows."""


class Skfolio:
    """skfolio, in one process."""

    name = f"skfolio {version('skfolio')}"

    def refuses(self, rule: Rule) -> str:
        """Return why it cannot follow a rule, or nothing."""
        return "" if rule.optimizer in NAMES else f"it has no {rule.optimizer}"

    def walk(self, X: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and returns; see `Peer`."""
        windows = WalkForward(test_size=STEP, train_size=rule.lookback, reduce_test=True)
        path = cross_val_predict(_optimizer(rule), X, cv=windows)
        return np.array([portfolio.weights for portfolio in path]), np.asarray(path.returns)

    def exact(self, X: np.ndarray, rule: Rule) -> np.ndarray:
        """Return the weights that it finds with tighter tolerances."""
        decided = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Clarabel stops at what it calls reduced accuracy
            for stop in range(rule.lookback, len(X), STEP):
                window = 100.0 * X[stop - rule.lookback : stop]
                decided.append(_exact_optimizer(rule, window).fit(window).weights_)
        return np.array(decided)


def _optimizer(rule: Rule, **settings: Any) -> BaseOptimization:
    match rule.optimizer:
        case "inverse_volatility":
            return InverseVolatility()
        case "erc":
            return RiskBudgeting(**settings)
        case "hrp":
            return HierarchicalRiskParity(**settings)
    parameters = dict(rule.parameters)
    bound = parameters.pop("max_weight", 1.0)
    goal = ObjectiveFunction.MINIMIZE_RISK if rule.optimizer == "min_variance" else ObjectiveFunction.MAXIMIZE_UTILITY
    return MeanRisk(objective_function=goal, max_weights=bound, **parameters, **settings)


def _exact_optimizer(rule: Rule, X: np.ndarray) -> BaseOptimization:
    match rule.optimizer:
        case "inverse_volatility":
            return InverseVolatility()
        case "hrp":
            D = np.sqrt(np.maximum(0.5 - 0.5 * np.corrcoef(X.T), 0.0))
            order = np.array(shortest_order(D))
            variance = X.var(axis=0)
            turned = variance[order[-1]] < variance[order[0]]
            return HierarchicalRiskParity(seriation_estimator=Given(order[::-1] if turned else order))
        case "mean_variance":  # returns are in per cent, and variances in their squares
            aversion = rule.parameters.get("risk_aversion", 1.0) / 100.0
            return _optimizer(replace(rule, parameters={**rule.parameters, "risk_aversion": aversion}), **TIGHT)
    return _optimizer(rule, **TIGHT)


class Given(BaseSeriation):
    """The order it is given."""

    def __init__(self, order: np.ndarray) -> None:
        self.order = order

    def fit(self, X: np.ndarray, y: None = None) -> Given:
        """Order the distances X, (n_assets, n_assets)."""
        self.n_features_in_ = len(X)
        self.ordering_ = self.order
        return self
