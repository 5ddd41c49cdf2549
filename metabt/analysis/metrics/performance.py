"""Performance of one realised stream: every metric by its name, in the order in which they are shown.

Each is defined in the file of its theme. What is undefined (no sessions, no dispersion, no losses) is NaN.
"""

from __future__ import annotations

from metabt.analysis.metrics.drawdown import drawdown
from metabt.analysis.metrics.ratios import (
    cagr,
    calmar,
    hit_rate,
    omega,
    probabilistic_sharpe,
    sharpe,
    sortino,
    total_return,
    volatility,
)
from metabt.analysis.metrics.stream import Stream
from metabt.analysis.metrics.tails import losses, shape
from metabt.analysis.metrics.trading import trading


def performance(stream: Stream) -> dict[str, float]:
    """Return the metrics of one stream by name."""
    growth, fall, moments = cagr(stream), drawdown(stream), shape(stream)
    return {
        "total_return": total_return(stream),
        "cagr": growth,
        "volatility": volatility(stream),
        "sharpe": sharpe(stream),
        "probabilistic_sharpe": probabilistic_sharpe(stream, moments["skew"], moments["kurtosis"]),
        "sortino": sortino(stream),
        "calmar": calmar(growth, fall["max_drawdown"]),
        "omega": omega(stream),
        "hit_rate": hit_rate(stream),
        **fall,
        **moments,
        **losses(stream),
        **trading(stream),
        "sessions": float(len(stream)),
        "years": stream.years,
    }
