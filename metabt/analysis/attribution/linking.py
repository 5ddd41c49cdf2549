"""Linking: a factor per session that makes amounts of single sessions add up to the return of all of them.

Amounts that add up to a session's return do not add up to the compounded one. Carino's factors make them:
`k(r) = ln(1 + r) / r`, R the return of all sessions, and `sum_t r_t k(r_t) / k(R) = ln(1 + R) / k(R) = R`. They favour
no session for standing early or late. For the difference from a benchmark b it is
`k(r, b) = (ln(1 + r) - ln(1 + b)) / (r - b)`.

References
----------
Carino (1999), "Combining attribution effects over time", Journal of Performance Measurement.
"""

from __future__ import annotations

import numpy as np


def total_return(net: np.ndarray) -> float:
    """Return the compounded return of a stream, (n_sessions,)."""
    return float(np.prod(1.0 + net) - 1.0)


def factors(net: np.ndarray, begin: int = 0) -> np.ndarray:
    """Return the factors of sessions, (n_sessions,), by which their amounts add up to the total return.

    `net` (n_sessions,) are the returns that the amounts of each session add up to, all above -1. Sessions before row
    `begin`, where the stream begins, count for nothing: what was held there cancels.
    """
    linking = _slope(net, np.zeros_like(net)) / _slope(np.array([total_return(net)]), np.zeros(1))
    linking[:begin] = 0.0
    return linking


def active_factors(net: np.ndarray, benchmark: np.ndarray) -> np.ndarray:
    """Return the same for amounts that add up to `net - benchmark`: linked, they make the difference of the totals.

    `net` and `benchmark` (n_sessions,) are returns of the same sessions, all above -1.
    """
    totals = (np.array([total_return(stream)]) for stream in (net, benchmark))
    return _slope(net, benchmark) / _slope(*totals)


def _slope(r: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return `(ln(1 + r) - ln(1 + b)) / (r - b)`, and its limit `1 / (1 + b)` where r is b."""
    relative = (r - b) / (1.0 + b)
    ratio = np.ones_like(relative)
    np.divide(np.log1p(relative), relative, out=ratio, where=relative != 0.0)
    return ratio / (1.0 + b)
