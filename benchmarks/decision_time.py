"""Decision time: what one decision takes, step by step: moments, each selector, each optimizer.

Microseconds of one thread a decision, of a year's twelve monthly ones as the engine takes them in one call: a lookback
of 252 sessions, a step of 21. Selectors and optimizers are given windows whose sample moments are known. Every call is
on windows of other assets, so that a processor has not learnt them by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import process_time
from typing import Any

import numpy as np

from benchmarks.works import factor_closes
from metabt.estimators.registry import optimizer, selector
from metabt.estimators.windows import Windows

Step = Callable[[Windows, np.ndarray], object]
"""(windows, support) -> what is computed of them."""

LOOKBACK, STEP, DECISIONS = 252, 21, 12
MOMENTS = "moments"
SIZES = (25, 100)
"""Assets in a window."""
PLACES = 24
"""Universes of that many assets."""

SELECTORS: Mapping[str, Mapping[str, Any]] = {"top_k": {"k": 10}, "decorrelate": {"k": 10}, "log_mps": {}}
"""Name -> parameters."""
OPTIMIZERS = (
    "inverse_volatility",
    "min_variance",
    "mean_variance",
    "max_sharpe",
    "max_diversification",
    "erc",
    "hrp",
)


def decision_times(rounds: int = 7) -> dict[str, tuple[float, ...]]:
    """Return step -> microseconds a decision, for each of SIZES."""
    found: dict[str, list[float]] = {name: [] for name in steps()}
    for n_assets in SIZES:
        every, universes = np.ones((DECISIONS, n_assets), bool), _universes(n_assets)
        for name, step in steps().items():
            least = [min(_timed(step, every, *it, name != MOMENTS) for _ in range(rounds)) for it in universes]
            found[name].append(1e6 * float(np.mean(least)) / DECISIONS)
    return {name: tuple(times) for name, times in found.items()}


def steps() -> dict[str, Step]:
    """Return what is timed by name."""
    selectors = {name: selector(name, **parameters).select for name, parameters in SELECTORS.items()}
    optimizers = {name: optimizer(name).weigh for name in OPTIMIZERS}
    return {MOMENTS: lambda windows, every: windows.covariance, **selectors, **optimizers}


def _universes(n_assets: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return returns and dollar volumes of a year and the one before, of one universe after another."""
    n_rows = LOOKBACK + STEP * DECISIONS
    closes = factor_closes(n_rows + 1, n_assets * PLACES, seed=11)
    noise = np.random.default_rng(3).normal(14.0, 2.0, (n_rows, closes.shape[1]))
    returns, volume = closes[1:] / closes[:-1] - 1.0, closes[1:] * np.exp(noise)
    cuts = [slice(k * n_assets, (k + 1) * n_assets) for k in range(PLACES)]
    return [(np.ascontiguousarray(returns[:, cut]), np.ascontiguousarray(volume[:, cut])) for cut in cuts]


def _timed(step: Step, every: np.ndarray, returns: np.ndarray, volume: np.ndarray, known: bool) -> float:
    stops = LOOKBACK + STEP * np.arange(1, DECISIONS + 1)
    windows = Windows(returns, stops, np.full(DECISIONS, LOOKBACK), volume)
    if known:
        windows.covariance  # noqa: B018  # worked out now, and no part of what is timed
    began = process_time()
    step(windows, every)
    return process_time() - began
