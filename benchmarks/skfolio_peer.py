"""skfolio as a peer: its own optimizers in `WalkForward` and `cross_val_predict`, as its documentation shows them.

For the agreement of weights, solvers get tighter tolerances and returns in per cent, and hierarchical risk parity the
leaf order that is the shortest.
"""

from __future__ import annotations

import warnings
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
PER_CENT = 100.0
"""What returns are multiplied by for it: a tolerance is then less of a variance."""
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
                window = PER_CENT * X[stop - rule.lookback : stop]
                optimizer = _shortest(window) if rule.optimizer == "hrp" else _optimizer(rule, PER_CENT, **TIGHT)
                decided.append(optimizer.fit(window).weights_)
        return np.array(decided)


def _optimizer(rule: Rule, scale: float = 1.0, **settings: Any) -> BaseOptimization:
    """Return the optimizer of a rule for returns that are multiplied by `scale`."""
    bound = rule.parameters.get("max_weight", 1.0)
    match rule.optimizer:
        case "inverse_volatility":
            return InverseVolatility()
        case "erc":
            return RiskBudgeting(**settings)
        case "hrp":
            return HierarchicalRiskParity()
        case "min_variance":
            return MeanRisk(max_weights=bound, **settings)
    aversion = rule.parameters["risk_aversion"] / 2.0 / scale  # it weighs the variance, not half of it
    goal = ObjectiveFunction.MAXIMIZE_UTILITY
    return MeanRisk(objective_function=goal, risk_aversion=aversion, max_weights=bound, **settings)


def _shortest(X: np.ndarray) -> BaseOptimization:
    """Return hierarchical risk parity with the shortest leaf order, the end of less variance first."""
    order = np.array(shortest_order(np.sqrt(np.maximum(0.5 - 0.5 * np.corrcoef(X.T), 0.0))))
    variance = X.var(axis=0)
    turned = variance[order[-1]] < variance[order[0]]
    return HierarchicalRiskParity(seriation_estimator=Given(order[::-1] if turned else order))


class Given(BaseSeriation):
    """The order it is given."""

    def __init__(self, order: np.ndarray) -> None:
        self.order = order

    def fit(self, X: np.ndarray, y: None = None) -> Given:
        """Order the distances X, (n_assets, n_assets)."""
        self.n_features_in_ = len(X)
        self.ordering_ = self.order
        return self
