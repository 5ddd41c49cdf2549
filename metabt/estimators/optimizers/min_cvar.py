"""Minimum CVaR: the least expected loss in the worst `1 - beta` of a window's sessions.

1. With losses `l_t = -x_t'w` in T sessions, the conditional value at risk is the least, over a, of
   `a + sum_t max(l_t - a, 0) / ((1 - beta) T)`. Minimised over the weights too, it is a linear programme in w, a and
   one excess per session, which `solvers.tail_risk` solves: all windows in one call, each from a start of its own.
2. Bit-identical columns are one asset with the bounds of all of them, and share its weight evenly.
3. Assets enter the programme in the order of their returns (by the first session, ties by the next). Where several
   portfolios are best, the answer is the vertex that the simplex method reaches from there: the same one in whatever
   order the columns come, and whatever is solved with them.
"""

from __future__ import annotations

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.optimizers.capped import capped
from metabt.estimators.solvers.tail_risk import least_tail_risk
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
    A linear programme per window: a third of a millisecond for 25 assets and 252 sessions. Its dual proves the answer;
    there is always one, unless the bounds cannot sum to one or a return is not finite. Assets need no variance, and may
    outnumber the rows.

    References
    ----------
    Rockafellar and Uryasev (2000), "Optimization of conditional value-at-risk", Journal of Risk 2.
    Barrodale and Roberts (1973), "An improved algorithm for discrete l1 linear approximation", SIAM Journal on
    Numerical Analysis 10.
    """

    def __init__(self, *, beta: float = 0.95, min_weight: float = 0.0, max_weight: float = 1.0) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        if not 0.0 < beta < 1.0:
            raise ConfigError(f"MinCVaR: beta is {beta:g}; wanted it between 0 and 1, such as 0.95")
        self.beta = beta

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        lo, hi = self.min_weight, self.max_weight
        stack = windows.returns, windows.stops, windows.lengths
        found, order, solved[:] = least_tail_risk(*stack, support, self.beta, lo, hi)
        member = solved[:, None] & (np.arange(support.shape[1]) < support.sum(axis=1)[:, None])
        np.put_along_axis(weights, order, capped(found, member, lo, hi)[0], axis=1)  # the solver's noise taken off
