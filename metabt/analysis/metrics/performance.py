"""Performance of one realised stream: every metric by its name, in the order in which they are shown.

Each is defined in the file of its theme. Sharpe, its probability, Sortino, Omega and the hit rate are of what was
earned beyond cash; growth, volatility, falls and tails are of what was earned. What is undefined (no sessions, no
dispersion, no losses) is NaN.
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
    growth, fall, moments, beyond = cagr(stream), drawdown(stream), shape(stream), stream.excess
    shaped = moments if beyond is stream else shape(beyond)
    return {
        "total_return": total_return(stream),
        "cagr": growth,
        "volatility": volatility(stream),
        "sharpe": sharpe(beyond),
        "probabilistic_sharpe": probabilistic_sharpe(beyond, shaped["skew"], shaped["kurtosis"]),
        "sortino": sortino(beyond),
        "calmar": calmar(growth, fall["max_drawdown"]),
        "omega": omega(beyond),
        "hit_rate": hit_rate(beyond),
        **fall,
        **moments,
        **losses(stream),
        **trading(stream),
        "sessions": float(len(stream)),
        "years": stream.years,
    }
