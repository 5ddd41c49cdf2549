"""A stream against a benchmark, on common sessions: r the stream's net returns, b the benchmark's, a = r - b.

Both are compounded between the sessions in which the stream has a row and the benchmark a price
(metabt.analysis.common_sessions). Their number is among the metrics, and N is the number of returns between them a
year, as measured. Where the tree's cash earns f, compounded in the same way, alpha and beta are of r - f and b - f.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.analysis.common_sessions import Series, compounded, on_common_sessions
from metabt.analysis.metrics.stream import NAN, Stream
from metabt.numerics.dispersion import ROUNDING, deviation


def relative(stream: Stream, benchmark: Series) -> dict[str, float]:
    """Return beta, alpha, tracking error, information ratio and capture.

    Parameters
    ----------
    stream : what was realised
    benchmark : returns of the benchmark on the sessions in which it has a price

    Returns
    -------
    beta : `cov(r, b) / var(b)`, the slope of the regression on the benchmark, both less f; NaN where the benchmark does
        not move beyond cash
    alpha : `(mean(r) - beta mean(b)) N`, the intercept of that regression a year (Jensen 1968), as QuantStats';
        empyrical compounds it
    tracking_error : `std(a) sqrt(N)`, ddof 1
    information_ratio : `mean(a) / std(a) sqrt(N)` (Goodwin 1998), annualised; QuantStats' and empyrical's are not
    up_capture : `g(r) / g(b)` over the returns with b > 0, g being the geometric mean of a session's, as Morningstar
        has it of months; empyrical's annualises both. NaN where the benchmark never rose
    down_capture : the same over the returns with b < 0: below 1 the stream fell less. NaN where it never fell
    benchmark_sessions : sessions in which the stream has a row and the benchmark a price
    """
    shared = on_common_sessions(stream.series, benchmark)
    r, b = shared.returns.T
    active, annual = r - b, math.sqrt(shared.per_year)
    error = deviation(active)
    cash = 0.0 if stream.idle is None else compounded(stream.idle, shared.bounds[0])
    beyond, market = (r, b) if stream.idle is None else (r - cash, b - cash)
    beta = _beta(beyond, market)
    return {
        "beta": beta,
        "alpha": (float(beyond.mean()) - beta * float(market.mean())) * shared.per_year if beta == beta else NAN,
        "tracking_error": error * annual,
        "information_ratio": float(active.mean()) / error * annual if error > 0 else NAN,
        "up_capture": _capture(r, b, b > ROUNDING),
        "down_capture": _capture(r, b, b < -ROUNDING),
        "benchmark_sessions": float(shared.count),
    }


def _beta(r: np.ndarray, b: np.ndarray) -> float:
    if not deviation(b) > 0:
        return NAN
    moved = b - b.mean()
    return float(moved @ r) / float(moved @ moved)


def _capture(r: np.ndarray, b: np.ndarray, chosen: np.ndarray) -> float:
    return _geometric_mean(r[chosen]) / _geometric_mean(b[chosen]) if chosen.any() else NAN


def _geometric_mean(returns: np.ndarray) -> float:
    """Return `prod(1 + r)^(1 / n) - 1`; NaN where more was lost than there was."""
    return math.expm1(float(np.log1p(returns).mean())) if (returns > -1.0).all() else NAN
