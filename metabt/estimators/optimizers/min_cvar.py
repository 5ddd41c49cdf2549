"""Minimum CVaR: the least expected loss in the worst `1 - beta` of a window's sessions.

1. With losses `l_t = -x_t'w` in T sessions, the conditional value at risk is the least, over a, of
   `a + sum_t max(l_t - a, 0) / ((1 - beta) T)`. Minimised over the weights too, it is a linear programme in w, a and
   one excess per session, which HiGHS solves.
2. Bit-identical columns are one asset with the bounds of all of them, and share its weight evenly.
3. Assets enter the programme in the order of their returns (by the first session, ties by the next), and in units of
   the largest return. Where several portfolios are best, the answer is the vertex that the simplex method reaches from
   there: the same one in whatever order the columns come, and whatever is solved with them.
"""

from __future__ import annotations

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.optimizers.capped import capped
from metabt.estimators.solvers.tolerance import FEASIBLE
from metabt.estimators.windows import Windows


class MinCVaR(Optimizer):
    """The portfolio of least conditional value at risk (expected shortfall) of a session's return.

    Parameters
    ----------
    beta : float
        Level, between 0 and 1: the mean of the worst `1 - beta` of the sessions is made small, of which the last one
        counts in part. Where that is less than one session, the worst one counts.
    min_weight, max_weight : float
        Bounds of every supported asset's weight.

    Raises
    ------
    ConfigError
        For a level that is not between 0 and 1, or bounds out of order or range.

    Notes
    -----
    A linear programme per window, milliseconds and not microseconds. Always has a solution, unless the bounds cannot
    sum to one or a return is not finite; assets need no variance, and may outnumber the rows.

    References
    ----------
    Rockafellar and Uryasev (2000), "Optimization of conditional value-at-risk", Journal of Risk 2.
    Huangfu and Hall (2018), "Parallelizing the dual revised simplex method", Mathematical Programming Computation 10.
    """

    def __init__(self, *, beta: float = 0.95, min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        if not 0.0 < beta < 1.0:
            raise ConfigError(f"MinCVaR: beta is {beta:g}; wanted it between 0 and 1, such as 0.95")
        self.beta = beta

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        lo, hi, count = self.min_weight, self.max_weight, support.sum(axis=1)
        possible = (count > 0) & (count * lo <= 1.0 + FEASIBLE) & (count * hi >= 1.0 - FEASIBLE)
        for d in np.flatnonzero(possible & (windows.lengths > 0)):
            X = windows.window(d)[:, support[d]]
            if np.isfinite(X).all():
                found = _least(X, self.beta, lo, hi)
                if found is not None:
                    weights[d, support[d]], solved[d] = found, True


def _least(X: np.ndarray, beta: float, lo: float, hi: float) -> np.ndarray | None:
    """Return the weights of the columns of X; None where the solver finds none."""
    scale = abs(X).max()
    columns = X.T / (scale if scale > 0 else 1.0)
    distinct, which, size = np.unique(columns, axis=0, return_inverse=True, return_counts=True)
    found = _programme(distinct.T, beta, size * lo, np.minimum(size * hi, 1.0))
    if found is None:
        return None
    ordered = np.repeat(np.maximum(found / size, 0.0), size)
    ordered = capped(ordered[None], np.ones((1, len(ordered)), bool), lo, hi)[0][0]  # the solver's noise taken off
    return ordered[(np.cumsum(size) - 1)[which.reshape(-1)]]


def _programme(X: np.ndarray, beta: float, lo: np.ndarray, hi: np.ndarray) -> np.ndarray | None:
    """Return the best weights; variables are the weights, the value at risk and the excess of each row's loss."""
    from scipy import sparse  # 40 MB that no other optimizer needs
    from scipy.optimize import linprog

    rows, n = X.shape
    cost = np.concatenate([np.zeros(n), [1.0], np.full(rows, 1.0 / ((1.0 - beta) * rows))])
    losses = sparse.hstack([sparse.csr_array(-X), -np.ones((rows, 1)), -sparse.eye_array(rows)], format="csr")
    budget = np.concatenate([np.ones(n), np.zeros(1 + rows)])[None]
    below = np.concatenate([lo, [-np.inf], np.zeros(rows)])
    above = np.concatenate([hi, np.full(1 + rows, np.inf)])
    bounds = np.column_stack([below, above])
    found = linprog(cost, losses, np.zeros(rows), budget, [1.0], bounds, method="highs-ds")
    return found.x[:n] if found.status == 0 else None
