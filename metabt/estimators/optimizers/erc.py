"""Equal risk contribution: `w_i (Sw)_i` the same for every asset, or in proportion to budgets `b_i`.

1. Solve the barrier problem of `solvers.barrier` with lam = 1, by the steps of `solvers.one_factor`; where those do not
   reach it, as `solvers.barrier` does. Scaled to sum to one, the solution is the portfolio (Spinu).
2. Where it leaves the bounds: solve in the box `[lo, hi]` for the lam at which the weights sum to one. Assets inside
   their bounds then contribute in proportion to their budgets, those at `max_weight` less, those at `min_weight` more.
   The lam is found by Newton steps on its logarithm, kept in a bracket. Without a solution of 1, or where it leads
   nowhere, begin with the same volatility in every asset.
3. An answer that misses its contributions by more than 1e-10 of them is none.
"""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np

from metabt.errors import ConfigError
from metabt.estimators.moments.covariance import COVARIANCES, Covariance
from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.solvers.barrier import minimise
from metabt.estimators.solvers.linear import product, solve_whole, width_of, work_arrays
from metabt.estimators.solvers.one_factor import VECTORS, unbounded
from metabt.estimators.solvers.support import feasible, supported
from metabt.estimators.solvers.tolerance import FEASIBLE
from metabt.estimators.solvers.twins import share_evenly, twins
from metabt.estimators.windows import Windows
from metabt.numerics.kernels import inner, kernel


class EqualRiskContribution(Optimizer):
    """Every asset contributes the same share of the portfolio's variance, or a share in proportion to its budget.

    Parameters
    ----------
    covariance : str or dict
        `sample`, `ewma`, `ledoit_wolf`, `oas` or `denoised` (`metabt.estimators.moments.covariance`), or one with
        parameters: {"name": "ewma", "half_life": 63}.
    budgets : dict of symbol to float, optional
        Positive; 1 for those that it leaves out. Only proportions among the supported assets count. None is 1 for all.
    min_weight, max_weight : float
        Bounds of every supported asset's weight; where they bind, constrained risk budgeting.

    Raises
    ------
    ConfigError
        For bounds out of order or range, a budget that is not above 0, or an unknown covariance.

    Notes
    -----
    Assets may be perfectly correlated, or outnumber the rows. No solution: an asset without variance, weights that
    hedge all variance away, bounds that cannot sum to one over the supported assets. Bit-identical columns with the
    same budget get the same bits.

    References
    ----------
    Maillard, Roncalli and Teiletche (2010), "The properties of equally weighted risk contribution portfolios".
    Spinu (2013), "An algorithm for computing risk parity weights".
    Richard and Roncalli (2019), "Constrained risk budgeting portfolios: theory, algorithms, applications & puzzles".
    """

    by_name = MappingProxyType({"budgets": 1.0})

    def __init__(
        self,
        *,
        covariance: Covariance = "sample",
        budgets: dict[str, float] | None = None,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
    ) -> None:
        super().__init__(min_weight=min_weight, max_weight=max_weight)
        self.covariance = COVARIANCES.build("covariance", covariance)
        self.budgets = dict(budgets or {})
        self.named = tuple(sorted(self.budgets))
        for name, budget in self.budgets.items():
            if not budget > 0.0:
                raise ConfigError(f"EqualRiskContribution: the budget of {name} is {budget:g}; wanted more than 0")

    def _solve(self, windows: Windows, support: np.ndarray, weights: np.ndarray, solved: np.ndarray) -> None:
        S = self.covariance(windows, support)
        v, m, squares = work_arrays(support.shape[1], vectors=10 + VECTORS, numbers=4, squares=4)
        _stack(S, support, self._budgets(windows), self.min_weight, self.max_weight, squares, v, m, weights, solved)

    def _budgets(self, windows: Windows) -> np.ndarray:
        """Return (n_assets,) risk budgets."""
        names = windows.names_of(np.arange(windows.returns.shape[1]))
        return np.array([self.budgets.get(name, 1.0) for name in names]) if self.budgets else np.ones(len(names))


@kernel()
def _stack(covariance, support, budgets, lo, hi, squares, v, m, weights, solved):
    C, work = squares[0], (squares[1], squares[2], squares[3])
    x, Cx, sigma, budget = v[0], v[1], v[2], v[3]
    box = v[4], v[5]
    vectors = v[6], v[7], v[8]
    variance, more = v[9], v[10:]
    index, column, first, size = m[0], m[1], m[2], m[3]
    bounded = lo > 0.0 or hi < 1.0
    for d in range(len(support)):
        n = supported(support[d], column)
        if not feasible(covariance[d], column, n, lo, hi):
            continue
        distinct = twins(covariance[d], budgets, column, n, variance, first)
        if not _correlations(covariance[d], column, n, C, sigma, vectors[0]):
            continue
        _budget(budgets, column, n, budget)
        for start in range(3 if bounded else 2):
            if not solved[d]:
                solved[d] = _from(start, C, budget, work, x, box, Cx, sigma, vectors, more, index, n, lo, hi)
        if not solved[d]:
            continue
        share = vectors[0]
        for a in range(n):
            share[a] = min(max(x[a] / sigma[a] if n > 1 else 1.0, lo), hi)
        if distinct < n:
            share_evenly(share, first, n, vectors[1], size)
        for a in range(n):
            weights[d, column[a]] = share[a]


@inner()
def _from(start, C, budget, work, x, box, Cx, sigma, vectors, more, index, n, lo, hi):
    """Write the solution x as found from one of the starts; return whether it is one.

    0 and 1 are the solution without bounds, by one factor and by the whole matrix. Where those hedge nearly all of the
    variance away, bounds may not let them: 2 is the same volatility in every asset.
    """
    risk, reached = 1.0, False
    if start == 0:
        reached = unbounded(C, budget, x, Cx, more, n)
    elif start == 1:
        reached = _by_barrier(C, budget, work, x, box, Cx, vectors, index, n)
    else:
        risk = _inverse_volatility(C, x, Cx, n) / n
    if start < 2 and not reached:
        return False
    total = _total(x, sigma, n)
    lam = risk / (total * total)  # without bounds, x(lam) = sqrt(lam) x(1)
    if not _rescale(x, Cx, sigma, box, n, total, lo, hi, reached):
        lam = _bounded(C, budget, work, x, box, Cx, sigma, vectors, index, n, lam)
    return lam > 0.0 and _solved(x, Cx, budget, box, n, lam)


@inner()
def _correlations(S, column, n, C, sigma, inverse):
    """Write C, padded with zeros, and sigma; return whether all assets have a variance."""
    width, adjacent = width_of(n), column[n - 1] - column[0] == n - 1
    for a in range(n):
        variance = S[column[a], column[a]]
        if not variance > 0.0:
            return False
        sigma[a] = math.sqrt(variance)
        inverse[a] = 1.0 / sigma[a]
    for a in range(n):
        row, given, scale = C[a], S[column[a]], inverse[a]
        if adjacent:
            given = given[column[0] :]
            for b in range(n):
                row[b] = given[b] * (scale * inverse[b])
        else:
            for b in range(n):
                row[b] = given[column[b]] * (scale * inverse[b])
        row[a] = 1.0
        for b in range(n, width):
            row[b] = 0.0
    for a in range(n, (n + 3) // 4 * 4):
        for b in range(width):
            C[a, b] = 0.0
    return True


@inner()
def _budget(budgets, column, n, budget):
    """Write the budgets of the supported assets, on average one, padded with zeros."""
    total = 0.0
    for a in range(n):
        total += budgets[column[a]]
    for a in range(n):
        budget[a] = budgets[column[a]] * (n / total)
    for a in range(n, width_of(n)):
        budget[a] = 0.0


@inner()
def _by_barrier(C, budget, work, x, box, Cx, vectors, index, n):
    """Write the solution without bounds, by factors of the whole matrix; return whether it was reached."""
    floor, ceiling = box
    step, trial, scratch = vectors
    width, total = width_of(n), 0.0
    for i in range(width):
        x[i], floor[i], ceiling[i] = 1.0 if i < n else 0.0, 0.0, np.inf
    product(C, x, Cx, n)
    for i in range(n):
        total += Cx[i]
    for i in range(n):  # the solution, were all correlations the same and the budgets equal
        x[i] = (n / total) ** 0.5 if total > 0.0 else n**-0.5
    return minimise(C, budget, work, x, floor, ceiling, Cx, step, trial, scratch, index, n, 1.0) >= 0


@inner()
def _inverse_volatility(C, x, Cx, n):
    """Write a portfolio with the same volatility in every asset; return its variance."""
    variance = 0.0
    for i in range(n):
        x[i] = 1.0
    product(C, x, Cx, n)
    for i in range(n):
        variance += Cx[i]
    return variance


@inner()
def _total(x, sigma, n):
    total = 0.0
    for i in range(n):
        total += x[i] / sigma[i]
    return total


@inner()
def _rescale(x, Cx, sigma, box, n, total, lo, hi, reached):
    """Scale the unbounded solution to a sum of one; put it into its box, and return whether it was reached inside."""
    floor, ceiling = box
    inside = reached
    for i in range(n):
        x[i] /= total
        Cx[i] /= total
        w = x[i] / sigma[i]
        if not lo <= w <= hi:
            inside = False
            x[i] = sigma[i] * (lo if w < lo else hi)
    for i in range(n):
        floor[i], ceiling[i] = (0.0, np.inf) if inside else (lo * sigma[i], hi * sigma[i])
    return inside


@inner()
def _bounded(C, budget, work, x, box, Cx, sigma, vectors, index, n, lam):
    """Write the solution in the box that sums to one, from a lam near its own; return that, 0 if it was not reached."""
    floor, ceiling = box
    step, trial, scratch = vectors
    low, high, total = 0.0, np.inf, 0.0
    for _ in range(100):
        free = minimise(C, budget, work, x, floor, ceiling, Cx, step, trial, scratch, index, n, lam)
        if free < 0:
            return 0.0
        total = _total(x, sigma, n)
        if abs(total - 1.0) <= 1e-15 * (n + 8):
            return lam
        low, high = (lam, high) if total < 1.0 else (low, lam)
        lam = _next(work, x, budget, sigma, step, scratch, index, free, lam, total, low, high)
    return lam if abs(total - 1.0) <= FEASIBLE else 0.0


@inner()
def _next(work, x, budget, sigma, step, scratch, index, free, lam, total, low, high):
    """Return the next lam: a Newton step of the sum on the logarithm of lam, or the middle of the bracket."""
    for a in range(free):
        step[a] = lam * budget[index[a]]
    solve_whole(work[1], work[2], free, width_of(free), step, scratch)  # the last factor: d ln x / d ln lam
    slope = 0.0
    for a in range(free):
        slope += step[a] * x[index[a]] / sigma[index[a]]
    change = (1.0 - total) / slope if slope > 0.0 else np.inf
    following = lam * math.exp(min(max(change, -3.0), 3.0))
    if low < following < high:
        return following
    if high < np.inf:
        return math.sqrt(low * high) if low > 0.0 else 0.1 * high
    return 10.0 * low


@inner()
def _solved(x, Cx, budget, box, n, lam):
    """Return whether contributions are as budgeted inside the box, and on the right side of that at its bounds."""
    floor, ceiling = box
    for i in range(n):
        slope = x[i] * Cx[i] / (lam * budget[i]) - 1.0
        if not ((slope < 1e-10 or x[i] <= floor[i]) and (slope > -1e-10 or x[i] >= ceiling[i])):
            return False
    return True
