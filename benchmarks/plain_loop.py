"""The plain loop: a walk-forward as somebody writes it who needs one and knows the mathematics.

1. For every window: `np.cov`, then a direct solver (no modelling layer, no iteration that a closed form spares).
2. Hold the weights until the next decision; they drift with prices.

It shares no code with metabt. Solvers: inverse volatility in closed form; minimum variance and mean-variance by block
principal pivoting on the set of free assets; equal risk contribution by Newton's method on Spinu's barrier problem;
hierarchical risk parity with SciPy's Ward tree and leaf order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

Solver = Callable[..., np.ndarray]
"""(window, parameters of the rule) -> weights."""


def walk(X: np.ndarray, lookback: int, step: int, solver: Solver) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of every decision, (n_decisions, n_assets), and the returns that they earn."""
    decided, earned = [], []
    for stop in range(lookback, len(X), step):
        w = solver(X[stop - lookback : stop])
        value = np.cumprod(1.0 + X[stop : stop + step], axis=0) @ w
        decided.append(w)
        earned.append(value / np.concatenate([[1.0], value[:-1]]) - 1.0)
    return np.array(decided), np.concatenate(earned)


def inverse_volatility(X: np.ndarray) -> np.ndarray:
    """Return weights proportional to 1 / volatility."""
    w = 1.0 / X.std(axis=0, ddof=1)
    return w / w.sum()


def min_variance(X: np.ndarray, max_weight: float = 1.0) -> np.ndarray:
    """Return the weights of minimum variance, none above `max_weight`."""
    return quadratic(np.cov(X.T), np.zeros(X.shape[1]), max_weight)


def mean_variance(X: np.ndarray, risk_aversion: float, max_weight: float = 1.0) -> np.ndarray:
    """Return `argmax mu'w - (risk_aversion / 2) w'Sw`, none above `max_weight`."""
    return quadratic(risk_aversion * np.cov(X.T), X.mean(axis=0), max_weight)


def quadratic(S: np.ndarray, q: np.ndarray, hi: float) -> np.ndarray:
    """Return `argmin w'Sw / 2 - q'w` with `sum w = 1` and `0 <= w <= hi`, by block principal pivoting."""
    n = len(S)
    side = np.zeros(n, int)  # -1 at zero, 0 free, 1 at hi
    best, patience = n + 1, 10
    for _ in range(20 * n):
        w, lam = _with_free(S, q, hi, side)
        push = side * (S @ w - q - lam)  # positive where an asset gains by leaving its bound
        size = 1e-12 * np.abs(S @ w).max()
        wrong = np.where(side == 0, (w < -1e-14) | (w > hi + 1e-14), push > size)
        if not wrong.any():
            return w
        if wrong.sum() < best:
            best, patience = wrong.sum(), 10
        elif patience > 0:
            patience -= 1
        else:  # it might go round in circles: change one asset at a time
            wrong[: np.flatnonzero(wrong)[-1]] = False
        side = np.where(wrong, np.where(side == 0, np.where(w < 0.0, -1, 1), 0), side)
    raise ArithmeticError(f"no solution after {20 * n} steps")


def _with_free(S: np.ndarray, q: np.ndarray, hi: float, side: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the best weights with the other assets at their bounds, and the multiplier of the sum."""
    free = np.flatnonzero(side == 0)
    w = np.where(side > 0, hi, 0.0)
    A = S[np.ix_(free, free)]
    if len(free) > 200:  # more than there are rows, perhaps: a first step on a slightly better matrix
        A = A + 1e-8 * np.diag(np.diag(A))
    part, ones = np.linalg.solve(A, np.stack([q[free] - S[free] @ w, np.ones(len(free))]).T).T
    lam = -(1.0 - w.sum() - part.sum()) / ones.sum()
    w[free] = part - lam * ones
    return w, -lam


def erc(X: np.ndarray) -> np.ndarray:
    """Return the weights of equal risk contribution: damped Newton steps on `y'Cy / 2 - sum log y`."""
    C, sigma = np.corrcoef(X.T), X.std(axis=0, ddof=1)
    y = np.full(len(C), np.sqrt(len(C) / C.sum()))
    for _ in range(100):
        Cy = C @ y
        if np.abs(y * Cy - 1.0).max() < 1e-12:
            break
        slope = Cy - 1.0 / y
        move = np.linalg.solve(C + np.diag(1.0 / y**2), -slope)
        size = np.sqrt(-slope @ move)
        y = y + move / (1.0 + size if size > 0.25 else 1.0)
    w = y / sigma
    return w / w.sum()


def scipy_order(D: np.ndarray) -> Sequence[int]:
    """Return the order of the leaves of Ward's tree on distances D, (n, n)."""
    return leaves_list(linkage(squareform(D, checks=False), "ward", optimal_ordering=True))


def hrp(X: np.ndarray, leaf_order: Callable[[np.ndarray], Sequence[int]] = scipy_order) -> np.ndarray:
    """Return hierarchical risk parity's weights."""
    S = np.cov(X.T)
    sigma = np.sqrt(np.diag(S))
    D = np.sqrt(np.maximum(0.5 - 0.5 * S / np.outer(sigma, sigma), 0.0))
    order = np.array(leaf_order(D))
    if sigma[order[-1]] < sigma[order[0]]:  # an order and its reverse are equally good
        order = order[::-1]
    w, parts = np.ones(len(S)), [order]
    while parts:
        part = parts.pop()
        if len(part) > 1:
            left, right = part[: len(part) // 2], part[len(part) // 2 :]
            one, two = _risk(S, left), _risk(S, right)
            w[left] *= two / (one + two)
            w[right] *= one / (one + two)
            parts += [left, right]
    return w


def _risk(S: np.ndarray, part: np.ndarray) -> float:
    """Return the variance of the inverse-variance portfolio of some assets."""
    A = S[np.ix_(part, part)]
    v = 1.0 / np.diag(A)
    return float(v @ A @ v / v.sum() ** 2)


SOLVERS: dict[str, Solver] = {
    "inverse_volatility": inverse_volatility,
    "min_variance": min_variance,
    "mean_variance": mean_variance,
    "erc": erc,
    "hrp": hrp,
}
"""By the name that metabt has for them."""
