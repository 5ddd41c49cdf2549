"""Equal weights: 1/k for each of the k supported assets, or all at `max_weight` where k of them cannot reach one."""

from __future__ import annotations

import numpy as np

from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.windows import Windows


class Equal(Optimizer):
    """1/k on each of k assets; `max_weight` on each, the rest in cash, where `k max_weight < 1`.

    Parameters
    ----------
    min_weight, max_weight : float
        Bounds of every supported asset's weight.

    Raises
    ------
    ConfigError
        For bounds out of order or range.

    Notes
    -----
    Too few assets for the cap have a solution here, unlike elsewhere: other optimizers fall back on this one. No
    solution: no supported asset, or `k min_weight > 1`.

    References
    ----------
    DeMiguel, Garlappi and Uppal (2009), "Optimal versus naive diversification: how inefficient is the 1/N portfolio
    strategy?", Review of Financial Studies 22.
    """

    needs_variance = False

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        count = support.sum(axis=1)
        solved[:] = (count > 0) & (count * self.min_weight <= 1.0 + 1e-12)
        weight = np.minimum(1.0 / np.maximum(count, 1), self.max_weight)
        np.copyto(weights, weight[:, None], where=support)
