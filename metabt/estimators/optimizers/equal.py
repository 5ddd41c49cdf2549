"""Equal weights: 1/k for each of the k supported assets, or all at `max_weight` where k of them cannot reach one."""

from __future__ import annotations

import numpy as np

from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.windows import Windows


class Equal(Optimizer):
    """1/k on each of k assets; `max_weight` on each, the rest in cash, where `k max_weight < 1`.

    Too few assets for the cap are no failure here: this is what a decision falls back on. `k min_weight > 1` is one.
    """

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        count = support.sum(axis=1)
        solved[:] = (count > 0) & (count * self.min_weight <= 1.0 + 1e-12)
        weight = np.minimum(1.0 / np.maximum(count, 1), self.max_weight)
        np.copyto(weights, weight[:, None], where=support)
