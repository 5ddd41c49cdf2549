"""Statistics of a tree beside a baseline: how stable its weights are, and the difference in Sharpe ratios.

Growth, dispersion, drawdown, turnover and costs are the metrics of each stream. What only two streams have is measured
on the sessions that both have (metabt.analysis.common_sessions).
"""

from __future__ import annotations

import numpy as np

from metabt.analysis.common_sessions import Series, on_common_sessions
from metabt.runs.baselines.bootstrap import Bootstrap


def allocation_change(weights: np.ndarray) -> float:
    """Return the mean absolute change of a sleeve's weight from one decision to the next; NaN for a single decision.

    `weights` (n_decisions, n_children) as decided, in time order; the lower the result, the stabler the weights.
    """
    return float(np.abs(np.diff(weights, axis=0)).mean()) if len(weights) > 1 else np.nan


def sharpe_difference(one: Series, other: Series, bootstrap: Bootstrap) -> dict[str, float]:
    """Return the Sharpe ratio of one stream less that of another, on common sessions, and its interval."""
    shared = on_common_sessions(one, other)
    first, second = shared.returns.T
    difference, low, high = bootstrap.sharpe_difference(first, second, shared.per_year)
    interval = {"sharpe_low": low, "sharpe_high": high}
    return {"sharpe_difference": difference, **interval, "common_sessions": float(shared.count)}
