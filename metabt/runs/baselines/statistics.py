"""Statistics of a tree beside a baseline: how stable its weights are, and the difference in Sharpe ratios.

Growth, dispersion, drawdown, turnover and costs are the metrics of each stream. What only two streams have is measured
on the sessions they share, from the later of their beginnings, with returns compounded in between.
"""

from __future__ import annotations

import numpy as np

from metabt.analysis.metrics.stream import years_between
from metabt.runs.baselines.bootstrap import Bootstrap


def allocation_change(weights: np.ndarray) -> float:
    """Return the mean absolute change of a sleeve's weight from one decision to the next; NaN for a single decision.

    `weights` (n_decisions, n_children) as decided, in time order; the lower the result, the stabler the weights.
    """
    return float(np.abs(np.diff(weights, axis=0)).mean()) if len(weights) > 1 else np.nan


def shared(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sessions that two streams share, (n_shared,), and the return of each from one to the next.

    A stream is (dates, net), both (n_sessions,). The returns are (n_shared - 1,): the first session they share is where
    both are measured from.
    """
    dates, at, beside = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    return dates, _between(one[1], at), _between(other[1], beside)


def _between(net: np.ndarray, at: np.ndarray) -> np.ndarray:
    nav = np.cumprod(1.0 + net)[at]
    returns: np.ndarray = nav[1:] / nav[:-1] - 1.0
    return returns


def sharpe_difference(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], bootstrap: Bootstrap
) -> dict[str, float]:
    """Return the Sharpe ratio of one stream less that of another, and its interval."""
    dates, returns, beside = shared(one, other)
    years = years_between(dates[0], dates[-1]) if len(dates) > 1 else 0.0
    per_year = len(returns) / years if years > 0 else np.nan
    difference, low, high = bootstrap.sharpe_difference(returns, beside, per_year)
    return {"sharpe_difference": difference, "sharpe_low": low, "sharpe_high": high}
