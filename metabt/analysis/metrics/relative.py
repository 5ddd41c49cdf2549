"""A stream against a benchmark, session by session: r the stream's net returns, b the benchmark's, a = r - b.

Only sessions in which the benchmark has a return count; their number is among the metrics. N is sessions per year of
the stream, as measured. There is no risk-free rate.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.analysis.metrics.stream import NAN, Stream


def relative(stream: Stream, benchmark: np.ndarray) -> dict[str, float]:
    """Return beta, tracking error and information ratio.

    Parameters
    ----------
    stream : what was realised
    benchmark : (n_sessions,) returns of the benchmark on its sessions, NaN where it has none

    Returns
    -------
    beta : `cov(r, b) / var(b)`, the slope of the regression on the benchmark; NaN where the benchmark does not move
    tracking_error : `std(a) sqrt(N)`, ddof 1
    information_ratio : `mean(a) / std(a) sqrt(N)` (Goodwin 1998), annualised; QuantStats' and empyrical's are not
    benchmark_sessions : sessions that were compared
    """
    both = ~np.isnan(benchmark)
    r, b = (stream.net, benchmark) if both.all() else (stream.net[both], benchmark[both])
    active = r - b
    deviation = _deviation(active)
    annual = math.sqrt(stream.per_year)
    return {
        "beta": _beta(r, b),
        "tracking_error": deviation * annual,
        "information_ratio": float(active.mean()) / deviation * annual if deviation > 0 else NAN,
        "benchmark_sessions": float(len(b)),
    }


def _beta(r: np.ndarray, b: np.ndarray) -> float:
    if not _deviation(b) > 0:
        return NAN
    moved = b - b.mean()
    return float(moved @ r) / float(moved @ moved)


def _deviation(values: np.ndarray) -> float:
    if len(values) < 2:
        return NAN
    return float(values.std(ddof=1)) if np.ptp(values) > 0 else 0.0
