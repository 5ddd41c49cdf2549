"""Streams to measure: real and random ones, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metabt.analysis.common_sessions import Series
from metabt.analysis.metrics.performance import performance
from metabt.analysis.metrics.stream import Stream


def stream(net: Sequence[float] | np.ndarray, days: Sequence[int] | None = None, **columns: np.ndarray) -> Stream:
    """Return a stream of net returns; `days` after the inception, one a day where none are given."""
    returns = np.asarray(net, np.float64)
    inception, since = np.datetime64("2020-01-01"), np.asarray(days or range(1, len(returns) + 1), int)
    nothing = np.zeros(len(returns))
    stated = {"gross": returns, "cost": nothing, "turnover": nothing, "netting": nothing, **columns}
    return Stream(inception, inception + since.astype("timedelta64[D]"), net=returns, **stated)


def beside(returns: np.ndarray) -> Series:
    """Return a benchmark with a price in every session of `stream`, and at its inception."""
    whole = stream(returns)
    return Series(whole.dates, whole.net, whole.inception)


def measured(net: Sequence[float] | np.ndarray, days: Sequence[int] | None = None) -> dict[str, float]:
    """Return the metrics of a stream of net returns."""
    return performance(stream(net, days))


def heavy_tailed(seed: int, n: int = 900) -> np.ndarray:
    """Return returns with fat tails, a drift and some sessions in cash."""
    rng = np.random.default_rng(seed)
    returns = 0.0004 + 0.008 * rng.standard_t(4, n)
    returns[rng.random(n) < 0.05] = 0.0
    return np.asarray(returns)
