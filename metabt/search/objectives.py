"""Objectives: the metrics of a root that a search can be after, and which way each is better."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from metabt.errors import ConfigError

BENCHMARKED = (
    *("beta", "alpha", "tracking_error", "information_ratio", "up_capture", "down_capture", "benchmark_sessions"),
)
"""Metrics that there are beside a benchmark alone."""
COUNTS = (
    *("decisions", "fallbacks", "warmup_decisions", "cash_decisions", "ineligible", "unselected", "waiting"),
    *("not_live", "constant", "not_a_member", "stale_closed", "ended_closed"),
)
"""Numbers of decisions, and of what was left out or closed."""
METRICS = (
    *("total_return", "cagr", "volatility", "sharpe", "probabilistic_sharpe", "sortino", "calmar", "omega", "hit_rate"),
    *("max_drawdown", "max_drawdown_days", "longest_drawdown_days", "skew", "kurtosis", "var_95"),
    *("expected_shortfall_95", "turnover", "cost", "netting_benefit", "break_even_cost", "sessions", "years"),
    *BENCHMARKED,
    *COUNTS,
)
"""All of them; some are undefined for short streams."""
LESS_IS_BETTER = frozenset(
    (
        *("volatility", "max_drawdown", "max_drawdown_days", "longest_drawdown_days", "kurtosis", "var_95"),
        *("expected_shortfall_95", "turnover", "cost", "tracking_error", "down_capture"),
        *COUNTS[1:],
    )
)
"""Those that a search minimizes where nobody says otherwise; it maximizes all others."""


def direction_of(metric: str) -> str:
    """Return `minimize` or `maximize`: which way a metric is better."""
    return "minimize" if metric in LESS_IS_BETTER else "maximize"


def check_objective(metric: str, known: Iterable[str] = METRICS, before: str = "") -> None:
    """Raise ConfigError for what is no metric of a root, with those that are called alike.

    `before` is what comes before the names of settings where they are stated.
    """
    names = list(known)
    if metric in names:
        return
    bare = metric.lstrip("-+")
    if bare in names:
        raise ConfigError(
            f"{before}objective is '{metric}', wanted the name of a metric without a sign: {before}objective={bare} "
            f"{f'{before}direction=minimize' if metric.startswith('-') else ''}".rstrip()
        )
    near = get_close_matches(bare, names, n=5, cutoff=0.5) or [it for it in names if bare[:4] and bare[:4] in it]
    listed = f"near it are {', '.join(near)}" if near else f"there are {', '.join(names)}"
    raise ConfigError(f"{before}objective is '{metric}', which is no metric of a root; {listed}")
