"""Estimators that look ahead on purpose, each beside its honest self (`leak: false`): what the detector must catch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.optimizers.min_variance import MinVariance
from metabt.estimators.selectors.base import Selector
from metabt.estimators.windows import Windows


class Leaky(Optimizer):
    """Minimum variance on windows that a subclass moves into the future."""

    def __init__(self, *, leak: bool = True) -> None:
        super().__init__()
        self.leak = leak

    def moved(self, windows: Windows) -> Windows:
        """Return the windows that should never have been seen."""
        raise NotImplementedError

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        seen = self.moved(windows) if self.leak else windows
        weights[:], solved[:] = MinVariance().weigh(seen, support)


class EndOfSample(Leaky):
    """One covariance of the whole sample for every decision."""

    def moved(self, windows: Windows) -> Windows:
        whole = np.full(len(windows), len(windows.returns), dtype=np.int64)
        return Windows(windows.returns, whole, whole)


class Centred(Leaky):
    """Windows with T in their middle."""

    def moved(self, windows: Windows) -> Windows:
        later = np.minimum(windows.stops + windows.lengths // 2, len(windows.returns))
        return Windows(windows.returns, later, windows.lengths)


class OneMore(Leaky):
    """Windows that end with T+1."""

    def moved(self, windows: Windows) -> Windows:
        return Windows(windows.returns, np.minimum(windows.stops + 1, len(windows.returns)), windows.lengths)


class FullSampleScaling(Leaky):
    """Returns divided by their volatility over the whole sample, which is what a scaler fitted once does."""

    def moved(self, windows: Windows) -> Windows:
        return replace(windows, returns=windows.returns / windows.returns.std(axis=0))


class MostTraded(Selector):
    """The two eligible assets with the largest mean dollar volume."""

    reads_volume = True

    def __init__(self, *, leak: bool = True) -> None:
        self.leak = leak

    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        support = np.zeros_like(eligible)
        for d in range(len(windows)):
            rows = slice(None) if self.leak else windows.rows(d)
            liquidity = np.where(eligible[d], windows.dollar_volume[rows].mean(axis=0), -np.inf)
            support[d, np.argsort(-liquidity, kind="stable")[:2]] = True
        return support & eligible

    def most(self, n_assets: int) -> int:
        return min(2, n_assets)
