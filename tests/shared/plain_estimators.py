"""Plain estimators: of the `fit(X)` convention and of no base class, for tests that hand objects over."""

from __future__ import annotations

import numpy as np


class InverseDeviation:
    """Weights proportional to 1 / standard deviation; `fit` returns nothing."""

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def fit(self, X: np.ndarray) -> None:
        scale = X.std(axis=0, ddof=1) ** -self.power
        self.weights_ = scale / scale.sum()


class FitsOnce:
    """Equal weights; refuses to be fitted a second time."""

    def fit(self, X: np.ndarray) -> FitsOnce:
        assert not hasattr(self, "weights_"), "fitted before: what one window left reaches another"
        self.weights_ = np.full(X.shape[1], 1 / X.shape[1])
        return self


class FirstColumns:
    """Keeps the first `k` columns."""

    def __init__(self, k: int) -> None:
        self.k = k

    def fit(self, X: np.ndarray) -> None:
        self.n_columns = X.shape[1]

    def get_support(self) -> np.ndarray:
        return np.arange(self.n_columns) < self.k
