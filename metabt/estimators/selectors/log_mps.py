"""Log-MPS: logarithmic multiplicative probability scoring, then the best of each cluster.

On the eligible assets of a window:

1. Rank each metric, average ranks for ties: `P_ki = 0.01 + 0.99 (rank_ki - 1) / (n - 1)`, and 1 for n = 1.
2. `score_i = sum_k a_k ln P_ki + ln(1 - 0.5 F_i / max_j F_j)`, with F the expected shortfall at 95 % (0/0 = 0).
3. Ward clusters on `sqrt((1 - rho) / 2)`, cut at `cluster_distance`, at most `max_clusters`.
4. The `top` assets of each cluster by score, ties by column (assets are ordered by symbol), among those that no veto
   rules out. Vetoes are hard: where none is left, nothing is selected.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from metabt.errors import ConfigError, nearest
from metabt.estimators.clustering import ward_clusters
from metabt.estimators.selectors._metrics import (
    DRAWDOWN,
    EFFICIENCY,
    LIQUIDITY,
    MOMENTUM,
    PREDICTABILITY,
    SHORTFALL,
    STABILITY,
    measure,
)
from metabt.estimators.selectors._scores import best_of_clusters, scores
from metabt.estimators.selectors.base import Selector
from metabt.estimators.windows import Windows

ROWS: Mapping[str, int] = MappingProxyType(
    {
        "momentum": MOMENTUM,
        "stability": STABILITY,
        "liquidity": LIQUIDITY,
        "efficiency": EFFICIENCY,
        "predictability": PREDICTABILITY,
        "antifragility": -1,
    }
)
"""What P is computed of, in the order of the sum: the row of `measure`, or -1."""

METRICS = tuple(ROWS)

PRESETS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "equal": MappingProxyType(dict.fromkeys(METRICS, 1.0)),
        "published": MappingProxyType(
            {
                "momentum": 1.7469,
                "stability": 0.0458,
                "liquidity": 0.2946,
                "antifragility": 0.6263,
                "efficiency": 1.5348,
                "predictability": 0.0322,
            }
        ),
    }
)
"""Exponents by name. `published` was fitted on data of 2025: a backtest that reaches into 2025 has seen its answers."""


class LogMPS(Selector):
    """The best assets of each cluster by a score of momentum, risk, liquidity and shape.

    Metrics: momentum (mean return), stability (1 / volatility), liquidity (median of close x volume, unknown counts as
    0; left out where the dataset has no volume), efficiency (|sum r| / sum |r| over the last 120 sessions),
    predictability (1 - normalised permutation entropy of order 3), antifragility (skew plus mean return above the 95th
    percentile, each scaled to [0, 1] over the eligible assets). Annualising would cancel in the ranks, so nothing is.

    Parameters
    ----------
    cluster_distance : float
        Height up to which Ward's tree is merged; two assets with correlation rho are `sqrt((1 - rho) / 2)` apart.
    max_clusters : int
        The number of clusters beyond which merging goes on, at least 1.
    top : int
        How many assets of each cluster to keep, at least 1.
    exponents : {"equal", "published"} or dict
        The a_k by metric, at least 0; 1 for those that a dict leaves out. "published" was fitted on data of 2025, so
        that a backtest over 2025 with it looks ahead.
    min_efficiency, max_drawdown, max_shortfall : float, optional
        Vetoes: least efficiency; largest drawdown in the window, 0.2 is 20 %; largest expected shortfall of a session
        at 95 %. None is no veto.

    Raises
    ------
    ConfigError
        For a parameter out of range, or an unknown preset or metric.

    Notes
    -----
    Vetoed assets count in ranks and clusters, and are never selected. An asset without variance counts as uncorrelated.
    """

    reads_volume = True

    def __init__(
        self,
        *,
        cluster_distance: float = 0.5,
        max_clusters: int = 10,
        top: int = 1,
        exponents: str | dict[str, float] = "equal",
        min_efficiency: float | None = None,
        max_drawdown: float | None = None,
        max_shortfall: float | None = None,
    ) -> None:
        for name, value in (("max_clusters", max_clusters), ("top", top)):
            if value < 1:
                raise ConfigError(f"LogMPS: {name} is {value}; wanted at least 1")
        if cluster_distance < 0.0:
            raise ConfigError(f"LogMPS: cluster_distance is {cluster_distance:g}; wanted at least 0")
        self.cluster_distance = cluster_distance
        self.max_clusters = max_clusters
        self.top = top
        self.exponents = _exponents(exponents)
        self._scored = {volume: _scored(self.exponents, volume) for volume in (False, True)}
        self.min_efficiency = min_efficiency
        self.max_drawdown = max_drawdown
        self.max_shortfall = max_shortfall

    def most(self, n_assets: int) -> int:
        """Return `top` of each cluster, or `n_assets` if that is less."""
        return min(n_assets, self.top * self.max_clusters)

    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return the support of every decision."""
        eligible = np.array(eligible, dtype=np.bool_)
        values = measure(windows, self.max_drawdown is not None)
        score = self._scores(windows, values, eligible)
        cluster = ward_clusters(windows.covariance, eligible, self.cluster_distance, self.max_clusters)
        return best_of_clusters(score, self._admitted(values, eligible), cluster, self.top)

    def unranked(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return the eligible assets that no veto rules out."""
        return self._admitted(measure(windows, self.max_drawdown is not None), eligible)

    def scores(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return the scores that decide which assets of a cluster are kept.

        Parameters
        ----------
        windows : Windows
            Training windows of `n_decisions` decisions over `n_assets` columns.
        eligible : (n_decisions, n_assets) bool
            The columns that each decision may choose from.

        Returns
        -------
        (n_decisions, n_assets)
            Scores of the eligible assets, 0 for the others.
        """
        return self._scores(windows, measure(windows, False), np.array(eligible, dtype=np.bool_))

    def _scores(self, windows: Windows, values: np.ndarray, eligible: np.ndarray) -> np.ndarray:
        return scores(values, eligible, *self._scored[windows.dollar_volume is not None])

    def _admitted(self, values: np.ndarray, eligible: np.ndarray) -> np.ndarray:
        """Return the eligible assets that no veto rules out."""
        if self.min_efficiency is not None:
            eligible = eligible & ~(values[EFFICIENCY] < self.min_efficiency)
        if self.max_drawdown is not None:
            eligible = eligible & ~(values[DRAWDOWN] > self.max_drawdown)
        if self.max_shortfall is not None:
            eligible = eligible & ~(values[SHORTFALL] > self.max_shortfall)
        return eligible


def _scored(exponents: Mapping[str, float], with_volume: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of `measure` that are scored, and their exponents."""
    names = [name for name in METRICS if with_volume or name != "liquidity"]
    return np.array([ROWS[name] for name in names]), np.array([exponents[name] for name in names])


def _exponents(exponents: str | Mapping[str, float]) -> dict[str, float]:
    """Return the exponent of every metric.

    Raises
    ------
    ConfigError
        For an unknown preset or metric, or a negative exponent.
    """
    if isinstance(exponents, str):
        if exponents not in PRESETS:
            raise ConfigError(f"LogMPS: no exponents are called {exponents!r}{nearest(exponents, PRESETS)}")
        return dict(PRESETS[exponents])
    for name, value in exponents.items():
        if name not in METRICS:
            raise ConfigError(f"LogMPS: exponents has no metric {name!r}{nearest(name, METRICS)}")
        if not value >= 0.0:
            raise ConfigError(f"LogMPS: the exponent of {name} is {value:g}; wanted at least 0")
    return dict(PRESETS["equal"]) | dict(exponents)
