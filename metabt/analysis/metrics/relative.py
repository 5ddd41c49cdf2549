"""A stream against a benchmark, on common sessions: r the stream's net returns, b the benchmark's, a = r - b.

Both are compounded between the sessions in which the stream has a row and the benchmark a price
(metabt.analysis.common_sessions). Their number is among the metrics, and N is the number of returns between them a
year, as measured. There is no risk-free rate.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.analysis.common_sessions import Series, on_common_sessions
from metabt.analysis.metrics.stream import NAN, Stream
from metabt.numerics.dispersion import deviation


def relative(stream: Stream, benchmark: Series) -> dict[str, float]:
    """Return beta, tracking error and information ratio.

    Parameters
    ----------
    stream : what was realised
    benchmark : returns of the benchmark on the sessions in which it has a price

    Returns
    -------
    beta : `cov(r, b) / var(b)`, the slope of the regression on the benchmark; NaN where the benchmark does not move
    tracking_error : `std(a) sqrt(N)`, ddof 1
    information_ratio : `mean(a) / std(a) sqrt(N)` (Goodwin 1998), annualised; QuantStats' and empyrical's are not
    benchmark_sessions : sessions in which the stream has a row and the benchmark a price
    """
    shared = on_common_sessions(stream.series, benchmark)
    r, b = shared.returns.T
    active, annual = r - b, math.sqrt(shared.per_year)
    error = deviation(active)
    return {
        "beta": _beta(r, b),
        "tracking_error": error * annual,
        "information_ratio": float(active.mean()) / error * annual if error > 0 else NAN,
        "benchmark_sessions": float(shared.count),
    }


def _beta(r: np.ndarray, b: np.ndarray) -> float:
    if not deviation(b) > 0:
        return NAN
    moved = b - b.mean()
    return float(moved @ r) / float(moved @ moved)
