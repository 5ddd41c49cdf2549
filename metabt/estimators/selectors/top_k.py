"""Top k: the k eligible assets with the highest metric.

1. Mean return and variance of every window, each from its own rows.
2. Sort the eligible assets by the metric, ties by column (assets are ordered by symbol); keep the first k.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.moments.sample import sample_mean, sample_variance
from metabt.estimators.selectors.base import Selector
from metabt.estimators.windows import Windows


class TopK(Selector):
    """The k best eligible assets, or all of them where there are fewer.

    Parameters
    ----------
    k : int
        How many assets to keep, at least 1.
    by : {"momentum", "low_volatility", "sharpe"}
        Mean simple return; minus the variance; mean over volatility (0/0 = 0). Annualising would not change a rank. An
        asset without variance is ranked by momentum alone; the other two leave it out.

    Raises
    ------
    ConfigError
        For k below 1.
    """

    def __init__(self, *, k: int, by: Literal["momentum", "low_volatility", "sharpe"] = "momentum") -> None:
        if k < 1:
            raise ConfigError(f"TopK: k is {k}; wanted at least 1")
        self.k = k
        self.by = by
        self.needs_variance = by != "momentum"

    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return the support of every decision."""
        score = np.where(eligible, self._score(windows), -np.inf)
        first = np.argsort(-score, axis=1, kind="stable")[:, : self.k]
        support = np.zeros(eligible.shape, bool)
        np.put_along_axis(support, first, True, axis=1)
        return support & eligible

    def most(self, n_assets: int) -> int:
        """Return k, or `n_assets` if that is less."""
        return min(self.k, n_assets)

    def _score(self, windows: Windows) -> np.ndarray:
        rows = windows.returns, windows.stops, windows.lengths
        if self.by == "momentum":
            return sample_mean(*rows)
        if self.by == "low_volatility":
            return -sample_variance(*rows)
        mean, volatility = sample_mean(*rows), np.sqrt(sample_variance(*rows))
        with np.errstate(divide="ignore"):  # a gain without risk ranks first
            return np.divide(mean, volatility, out=np.zeros_like(mean), where=(mean != 0.0) | (volatility > 0.0))
