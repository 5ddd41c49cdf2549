"""Independent checks of solutions: residuals of optimality conditions, shares of risk, naive algorithms."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from metabt.estimators.optimizers.base import Optimizer
from metabt.estimators.registry import optimizer
from metabt.estimators.windows import Windows

bounds = st.sampled_from([(0.0, 1.0), (0.5, 1.0), (0.0, 1.3), (0.0, 2.0), (0.5, 1.5), (0.9, 1.1), (0.0, 1.0 + 1e-9)])


def residual(S: np.ndarray, q: np.ndarray, lo: float, hi: float, w: np.ndarray) -> float:
    """Return the largest violation of the optimality conditions of `min w'Sw/2 - q'w`, relative to its terms."""
    g = S @ w - q
    low, high = w <= lo, (w >= hi) & (w > lo)
    free = ~low & ~high
    lam = np.median(g[free]) if free.any() else 0.5 * (g[high].max(initial=-np.inf) + g[low].min(initial=np.inf))
    wrong = np.where(free, abs(g - lam), np.where(low, np.maximum(lam - g, 0), np.maximum(g - lam, 0)))
    sigma = np.sqrt(np.diag(S))
    return float((wrong / (sigma * (sigma @ w) + abs(q) + abs(lam))).max())


def solve(rule: Optimizer, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the covariance, the weights and whether they solve it."""
    windows = Windows.single(X)
    weights, solved = rule.weigh(windows, np.ones((1, X.shape[1]), bool))
    return windows.covariance[0], weights[0], bool(solved[0])


def erc_of(X: np.ndarray, **bounds: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return covariance, weights and whether they solve it."""
    windows = Windows.single(X)
    weights, solved = optimizer("erc", **bounds).weigh(windows, np.ones((1, X.shape[1]), bool))
    return windows.covariance[0], weights[0], bool(solved[0])


def shares(S: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return the assets' shares of the variance."""
    return w * (S @ w) / (w @ S @ w)


def by_sweeps(S: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """Return the risk budgeting portfolio by coordinate descent on `w'Sw / 2 - sum b ln w`, however long it takes."""
    w = np.sqrt(budget / np.diag(S))
    for _ in range(20_000):
        before = w.copy()
        for i in range(len(w)):
            rest = S[i] @ w - S[i, i] * w[i]
            w[i] = (np.sqrt(rest**2 + 4 * S[i, i] * budget[i]) - rest) / (2 * S[i, i])
        if abs(w / before - 1).max() < 1e-14:
            break
    return w / w.sum()


def cvar(X: np.ndarray, w: np.ndarray, beta: float) -> float:
    """Return the mean of the worst `1 - beta` of the losses, the last of them in part."""
    losses = np.sort(-X @ w)[::-1]
    count = max((1 - beta) * len(X), 1.0)
    whole = int(count)
    return (losses[:whole].sum() + (count - whole) * losses[min(whole, len(X) - 1)]) / count


def pearson(X: np.ndarray) -> np.ndarray:
    """Return the distances sqrt((1 - rho) / 2)."""
    D = np.sqrt(np.maximum(1 - np.corrcoef(X.T), 0) / 2)
    np.fill_diagonal(D, 0)
    return (D + D.T) / 2


def naive_order(X: np.ndarray) -> list[int]:
    """Return the shortest leaf order of SciPy's Ward tree, by recursion over all pairs of ends."""
    D, n = pearson(X), X.shape[1]
    Z = hierarchy.linkage(squareform(D, checks=False), "ward")

    def best(node: int) -> dict[tuple[int, int], tuple[float, list[int]]]:
        if node < n:
            return {(node, node): (0.0, [node])}
        one, two = best(int(Z[node - n, 0])), best(int(Z[node - n, 1]))
        found: dict[tuple[int, int], tuple[float, list[int]]] = {}
        for (u, m), (left, before) in one.items():
            for (k, w), (right, after) in two.items():
                length = left + D[m, k] + right
                if (u, w) not in found or length < found[u, w][0]:
                    found[u, w] = (length, before + after)
        return found | {(w, u): (length, order[::-1]) for (u, w), (length, order) in found.items()}

    _, order = min(best(2 * n - 2).values(), key=lambda item: item[0])
    ends = [(X[:, i].var(ddof=1), i) for i in (order[0], order[-1])]
    return order if ends[0] <= ends[1] else order[::-1]
