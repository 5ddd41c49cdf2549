"""Quadratic programme near what is held: `min 1/2 w'Sw - q'w + kappa sum |w - p|`, `sum w = 1`, `lo <= w <= hi`.

1. Each asset is bought (`w >= p`) or sold (`w <= p`); given which, the programme is one in a box, with q lowered or
   raised by kappa (`_active_set`). Begin with what the programme without kappa buys and sells.
2. An asset that stays at p and would gain by crossing it changes sides; repeat. What is reached stays feasible, so each
   repetition lowers the objective, and there are finitely many sides.
3. A limit on turnover is the smallest kappa that keeps to it. Turnover falls piecewise linearly as kappa grows: false
   position between a kappa that trades too much and one that does not.

Best, Hlouskova (2005), "An algorithm for portfolio optimization with transaction costs", Management Science 51, for the
penalised programme.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from metabt.errors import ConfigError
from metabt.kernels import kernel
from metabt.optimizers._active_set import minimise, start, target
from metabt.optimizers._frontier import RIDGE
from metabt.optimizers.base import FEASIBLE

CLOSE = 1e-13
"""How far turnover may be from its limit."""
STEPS = 200
"""Programmes that may be solved for one decision."""


@dataclass(frozen=True)
class Turnover:
    """What trading costs an optimizer, and how much of it there may be."""

    penalty: float = 0.0
    """Taken off the objective per unit of turnover, at least 0."""
    limit: float | None = None
    """Turnover of a decision at most, above 0; None is any. Where more must be sold, as little as can be."""

    @classmethod
    def checked(cls, owner: str, penalty: float, limit: float | None) -> Turnover:
        """Return both.

        Raises
        ------
        ConfigError
            For a negative penalty, or a limit of nothing.
        """
        if not 0.0 <= penalty < np.inf:
            raise ConfigError(f"{owner}: turnover_penalty is {penalty:g}; wanted it at least 0")
        if limit is not None and not limit > 0.0:
            raise ConfigError(f"{owner}: max_turnover is {limit:g}; wanted it above 0, or null for no limit")
        return cls(float(penalty), None if limit is None else float(limit))

    def times(self, scale: float) -> Turnover:
        """Return the same for an objective that is `scale` times as large."""
        return Turnover(self.penalty * scale, self.limit)

    @property
    def matters(self) -> bool:
        """Whether decisions depend on what is held."""
        return self.penalty > 0.0 or self.limit is not None


def solve_nearby(
    S: np.ndarray,
    q: np.ndarray,
    support: np.ndarray,
    bounds: tuple[float, float],
    previous: np.ndarray,
    turnover: Turnover,
    weights: np.ndarray,
    solved: np.ndarray,
) -> None:
    """Write the weights of every decision, and whether it has any.

    Parameters
    ----------
    S : (n_decisions, n_assets, n_assets) covariance
    q : (n_decisions, n_assets) the linear term
    support : (n_decisions, n_assets) bool
    bounds : lowest and highest weight of every supported asset
    previous : (n_assets,) what is held; what is held of others than the supported is sold
    turnover : its penalty is per unit of turnover, which is half of what is traded, and of this objective
    weights, solved : (n_decisions, n_assets) and (n_decisions,), zeros and False
    """
    lo, hi = bounds
    for d, member in enumerate(support):
        here = np.flatnonzero(member)
        covariance, linear = np.ascontiguousarray(S[d][np.ix_(here, here)]), q[d, here]
        can = len(here) and len(here) * lo <= 1.0 + FEASIBLE and len(here) * hi >= 1.0 - FEASIBLE
        if can and np.isfinite(covariance).all() and np.isfinite(linear).all():
            programme = _Programme(covariance, linear, previous[here], lo, hi)
            w = _near(programme, float(np.abs(previous[~member]).sum()), turnover)
            if w is not None:
                weights[d, here], solved[d] = w, True


def _near(programme: _Programme, forced: float, turnover: Turnover) -> np.ndarray | None:
    """Return the weights of one decision, (n_assets,), where `forced` is sold besides; None where there are none."""
    kappa, p = turnover.penalty / 2.0, programme.p
    w = programme.solve(kappa)
    if w is None or turnover.limit is None or forced + np.abs(w - p).sum() <= 2.0 * turnover.limit + CLOSE:
        return w
    nearest = np.clip(p, programme.lo, programme.hi)
    least = forced + np.abs(nearest - p).sum() + abs(1.0 - nearest.sum())
    return _within(programme, kappa, max(2.0 * turnover.limit, least) - forced)


def _within(programme: _Programme, low: float, most: float) -> np.ndarray | None:
    """Return the weights of the smallest kappa above `low` that trades at most `most`."""

    def excess(w: np.ndarray) -> float:
        return float(np.abs(w - programme.p).sum()) - most

    high = max(2.0 * low, programme.scale)
    while (w := programme.solve(high)) is not None and excess(w) > CLOSE and programme.left > 0:
        low, high = high, 4.0 * high
    if w is None or excess(w) > CLOSE:
        return None
    found, below = w, excess(w)
    lower = programme.solve(low)
    above = np.inf if lower is None else excess(lower)
    while excess(found) < -CLOSE and programme.left > 0 and high - low > 1e-15 * high:
        middle = (low * below - high * above) / (below - above) if np.isfinite(above) else 0.5 * (low + high)
        middle = middle if low < middle < high else 0.5 * (low + high)
        w = programme.solve(middle)
        if w is None:
            return None
        if excess(w) > CLOSE:
            low, above, below = middle, excess(w), 0.5 * below  # the end that stays counts for less: Illinois
        else:
            high, found, below, above = middle, w, excess(w), 0.5 * above
    return found


@dataclass
class _Programme:
    """The programme of one decision, for any kappa."""

    S: np.ndarray
    q: np.ndarray
    p: np.ndarray
    lo: float
    hi: float
    left: int = STEPS
    _side: np.ndarray = field(init=False)
    _ridge: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Find out what is bought and sold where trading costs nothing."""
        n = len(self.p)
        self.scale = max(float(np.abs(self.q).max()), float(np.diag(self.S).max()), 1e-300)
        self._side = np.zeros(n, np.int64)
        self._squares, self._v, self._m = np.empty((2, n, n)), np.empty((7, n)), np.empty((2, n), np.int64)

    def solve(self, kappa: float) -> np.ndarray | None:
        """Return its weights, (n,); None where it has none."""
        for ridge in (self._ridge, RIDGE):
            self.left -= 1
            S = self._squares[0]
            S[:] = self.S
            S[np.diag_indices(len(S))] += ridge * np.maximum(np.diag(S), ridge)
            free = _sides(S, self._squares[1], self.q, self.p, self.lo, self.hi, kappa, self._side, self._v, self._m)
            if free > 0:
                self._ridge = ridge
                return np.clip(self._v[0], self.lo, self.hi)
        return None


@kernel()
def _sides(S, L, q, p, lo, hi, kappa, sign, v, m):
    """Write the weights into v[0] and what is bought and sold into `sign`, zeros at first; return the free assets."""
    w, floor, ceiling, tilted = v[0], v[1], v[2], v[3]
    goal, part, ones = v[4], v[5], v[6]
    side, index = m[0], m[1]
    n, free = len(p), np.int64(0)
    for _ in range(2 * n + 20):
        for i in range(n):
            floor[i] = p[i] if sign[i] > 0 and p[i] > lo else lo
            ceiling[i] = p[i] if sign[i] < 0 and p[i] < hi else hi
            tilted[i] = q[i] - kappa * sign[i]
        if not start(S, L, w, floor, ceiling, side, index, n) > 0.0:
            return 0
        free = minimise(S, L, w, floor, ceiling, tilted, goal, part, ones, side, index, n, np.int64(1))
        if free <= 0:
            return free
        lam = target(S, L, w, tilted, goal, part, ones, side, index, n, free)
        changed = False
        for i in range(n):
            if sign[i] == 0:
                sign[i] = 1 if w[i] > p[i] or p[i] <= lo else -1
                changed = True
            elif w[i] == p[i] and side[i] != 0 and lo < p[i] < hi:
                slope, size = -q[i] - lam, abs(q[i]) + abs(lam) + kappa
                for j in range(n):
                    slope += S[i, j] * w[j]
                    size += abs(S[i, j] * w[j])
                if (sign[i] > 0 and slope > kappa + 1e-13 * size) or (sign[i] < 0 and slope < -kappa - 1e-13 * size):
                    sign[i] = -sign[i]
                    changed = True
        if not changed:
            return free
    return -1
