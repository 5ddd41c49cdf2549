"""Decorrelate: drop, one after another, the asset that is most correlated with the others.

1. Correlations of the eligible assets from the window's covariance; an asset whose variance is not positive and
   finite counts as uncorrelated.
2. Stop where no two of the assets that are left have `|rho| > max_correlation`, or only k are left.
3. Else drop the asset with the highest average |rho| to the others that are left, and repeat from 2. Of those that are
   equal but for rounding, as the last two always are, the last by column goes (assets are ordered by symbol).
"""

from __future__ import annotations

import math

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.selectors.base import Selector
from metabt.estimators.windows import Windows
from metabt.numerics.kernels import inner, kernel

ROUNDING = 1e-12
"""How far apart averages may be that count as equal."""


class Decorrelate(Selector):
    """The eligible assets that are left when those most correlated with the others are dropped.

    Parameters
    ----------
    max_correlation : float, optional
        Absolute correlation that a pair may have, in [0, 1]. None: only k ends the dropping.
    k : int, optional
        How many assets to keep at least, at least 1; all of them where fewer are eligible. None is 1.

    Raises
    ------
    ConfigError
        If neither is given, or one is out of range.
    """

    def __init__(self, *, max_correlation: float | None = None, k: int | None = None) -> None:
        if max_correlation is None and k is None:
            raise ConfigError("Decorrelate: neither max_correlation nor k; give one, such as max_correlation: 0.8")
        if max_correlation is not None and not 0.0 <= max_correlation <= 1.0:
            raise ConfigError(f"Decorrelate: max_correlation is {max_correlation:g}; wanted it between 0 and 1")
        if k is not None and k < 1:
            raise ConfigError(f"Decorrelate: k is {k}; wanted at least 1")
        self.max_correlation = max_correlation
        self.k = k

    def select(self, windows: Windows, eligible: np.ndarray) -> np.ndarray:
        """Return the support of every decision."""
        support, n = np.array(eligible, dtype=np.bool_), eligible.shape[1]
        most = -1.0 if self.max_correlation is None else self.max_correlation  # below 0, every pair exceeds it
        _drop(windows.covariance, most, self.k or 1, np.empty((n, n)), np.empty((2, n)), np.empty((2, n), int), support)
        return support

    def most(self, n_assets: int) -> int:
        """Return k where nothing else ends the dropping, or `n_assets`."""
        return n_assets if self.max_correlation is not None or self.k is None else min(self.k, n_assets)


@kernel()
def _drop(covariance, most, k, R, v, m, support):
    total, inverse, column, close = v[0], v[1], m[0], m[1]
    for d in range(len(support)):
        n = 0
        for i in range(len(support[d])):
            column[n] = i
            n += support[d, i]
        pairs, left = _correlations(covariance[d], column, n, most, R, total, inverse, close), n
        while left > k and pairs > 0:
            highest, last = 0.0, -1
            for a in range(n):
                if support[d, column[a]]:
                    highest = max(highest, total[a])
            for a in range(n):
                if support[d, column[a]] and total[a] >= highest - ROUNDING * left:
                    last = a
            support[d, column[last]] = False
            left -= 1
            pairs -= close[last]
            for a in range(n):
                total[a] -= R[last, a]
                close[a] -= R[last, a] > most


@inner()
def _correlations(S, column, n, most, R, total, inverse, close):
    """Write the absolute correlations, 0 to itself, their sums and how many exceed `most`; return how many pairs do."""
    for a in range(n):
        variance = S[column[a], column[a]]
        inverse[a] = 1.0 / math.sqrt(variance) if variance > 0.0 else 0.0
    pairs = 0
    for a in range(n):
        total[a], close[a] = 0.0, 0
        for b in range(n):
            scale = inverse[a] * inverse[b]
            R[a, b] = abs(S[column[a], column[b]]) * scale if a != b and scale > 0.0 else 0.0
            total[a] += R[a, b]
            close[a] += a != b and R[a, b] > most
        pairs += close[a]
    return pairs // 2
