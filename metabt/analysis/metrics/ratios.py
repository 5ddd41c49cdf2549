"""Growth, dispersion and what a stream earned for its risk.

Ratios are given the stream in excess of cash (metabt.analysis.metrics.stream): the risk-free rate is what the tree's
cash earns, session by session, and 0 where the tree states no rate. Every threshold is 0 beyond it.

Growth is told as a rate from a year on: a rate of weeks would be a loss of 3 % raised to the power of 50.

With r the net returns of n sessions, m their mean, s their standard deviation (ddof 1), Y calendar years and N = n / Y
sessions per year. QuantStats and empyrical annualise with a constant 252 sessions per year where this takes N, and
empyrical grows over n / 252 years where this takes Y: on a calendar with gaps, or with weekends, theirs are off by as
much as the calendar is.
"""

from __future__ import annotations

import math

import numpy as np

from metabt.analysis.metrics.sharpe_error import sharpe_z_score
from metabt.analysis.metrics.stream import NAN, Stream
from metabt.numerics.dispersion import ROUNDING

SHORTEST = 365
"""Calendar days from the inception to the last session from which on growth is told as a rate a year."""


def total_return(stream: Stream) -> float:
    """Return the compounded net return of all sessions, `NAV - 1`; NaN without one."""
    return float(stream.nav[-1]) - 1.0 if len(stream) else NAN


def cagr(stream: Stream) -> float:
    """Return the compound annual growth rate, `NAV^(1 / Y) - 1`.

    NaN where fewer than 365 days lie between the inception and the last session, or where the NAV fell below 0.
    """
    nav = float(stream.nav[-1])
    return nav ** (1 / stream.years) - 1 if stream.days[-1] >= SHORTEST and nav >= 0 else NAN


def volatility(stream: Stream) -> float:
    """Return the annualised standard deviation, `s sqrt(N)`."""
    return stream.deviation * math.sqrt(stream.per_year)


def sharpe(stream: Stream) -> float:
    """Return the annualised Sharpe ratio, `m / s sqrt(N)` (Sharpe 1994), of a stream in excess of cash."""
    return stream.mean / stream.deviation * math.sqrt(stream.per_year) if stream.deviation > 0 else NAN


def sortino(stream: Stream) -> float:
    """Return the annualised Sortino ratio, `m / d sqrt(N)` with `d = sqrt(sum min(r, 0)^2 / n)`.

    The downside deviation d is taken over all n sessions (Sortino and Price 1994), as in QuantStats and empyrical; NaN
    where nothing was lost.
    """
    losses = np.minimum(stream.net, 0.0)
    downside = math.sqrt(float(losses @ losses) / len(stream)) if len(stream) else 0.0
    return stream.mean / downside * math.sqrt(stream.per_year) if downside > 0 else NAN


def calmar(growth: float, deepest: float) -> float:
    """Return the Calmar ratio, CAGR over maximum drawdown (Young 1991), over the whole stream rather than 36 months.

    NaN where either is not defined.
    """
    return growth / deepest if deepest > 0 else NAN


def omega(stream: Stream) -> float:
    """Return the Omega ratio, `sum max(r, 0) / sum max(-r, 0)` (Keating and Shadwick 2002, threshold 0 a session).

    NaN where nothing was lost, as in empyrical.
    """
    lost = -float(np.minimum(stream.net, 0.0).sum())
    return float(np.maximum(stream.net, 0.0).sum()) / lost if lost > 0 else NAN


def hit_rate(stream: Stream) -> float:
    """Return the share of sessions with a gain among those with a gain or a loss.

    As in QuantStats, a session with a return of 0, such as one in cash, is neither; nor is one whose return is nothing
    but rounding.
    """
    gains = int(np.count_nonzero(stream.net > ROUNDING))
    moves = int(np.count_nonzero(np.abs(stream.net) > ROUNDING))
    return gains / moves if moves else NAN


def probabilistic_sharpe(stream: Stream, skew: float, kurtosis: float) -> float:
    """Return the probability that the true Sharpe ratio is above 0 (Bailey and Lopez de Prado 2012).

    `Phi(z)` of metabt.analysis.metrics.sharpe_error, with x = m / s a session (not annualised); `kurtosis` is the
    excess. QuantStats takes pandas' moments, which are corrected for bias.
    """
    if not stream.deviation > 0:
        return NAN
    z = sharpe_z_score(stream.mean / stream.deviation, len(stream), skew, kurtosis)
    return _normal_cdf(float(z))


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))
