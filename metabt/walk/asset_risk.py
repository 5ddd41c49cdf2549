"""Asset risk: ex-ante risk contributions of physical assets at a root's decisions.

1. Returns of the assets are measured between the sessions that the root decides on.
2. Each decision sees as many of them as its lookback reaches, up to and including its own session.
3. `w_a cov(x_a, X w) / var(X w)`, with w the decision looked through to assets: the covariance is never formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.data.prices import Prices
from metabt.estimators.moments.risk_by_asset import ex_ante_by_asset


@dataclass(frozen=True)
class AssetRisk:
    """Risk by asset at the decisions of one partition."""

    shares: np.ndarray
    """(n_decisions, n_assets) shares of variance that sum to one; NaN where there is no variance."""


def ex_ante_asset_risk(
    weights: np.ndarray,
    sessions: np.ndarray,
    stops: np.ndarray,
    lookback: int,
    panels: Sequence[tuple[Prices, np.ndarray]],
) -> np.ndarray:
    """Return the risk contributions of assets at some decisions, (n_decisions, n_assets).

    Parameters
    ----------
    weights : (n_decisions, n_assets) decided weights, looked through
    sessions : (n_sessions,) datetime64[D] sessions the root decides on, from the one before the first that is seen
    stops : (n_decisions,) row of `sessions` after the last that each decision may see
    lookback : sessions of returns that a decision sees, where there are as many
    panels : prices, each with the (n_symbols,) columns of `weights` that its symbols have
    """
    returns = measured(sessions, panels, weights.shape[1])
    return ex_ante_by_asset(returns, stops - 1, np.minimum(stops - 1, lookback), weights)


def measured(sessions: np.ndarray, panels: Sequence[tuple[Prices, np.ndarray]], n_assets: int) -> np.ndarray:
    """Return returns from each of `sessions` to the next, (n_sessions - 1, n_assets)."""
    if len(panels) == 1 and len(panels[0][1]) == n_assets:
        return panels[0][0].returns_between(sessions)
    returns = np.zeros((len(sessions) - 1, n_assets))
    for panel, columns in panels:
        returns[:, columns] = panel.returns_between(sessions)
    return returns
