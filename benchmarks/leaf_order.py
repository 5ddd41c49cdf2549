"""The shortest leaf order of a tree (Bar-Joseph et al. 2001), plainly, for the agreement of hierarchical risk parity.

SciPy's optimal ordering is not the shortest (scipy issue 11227), and another order means other weights.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform


def shortest_order(D: np.ndarray) -> list[int]:
    """Return the order of Ward's tree in which neighbours are least far apart, (n, n) distances."""
    n = len(D)
    # node -> its leaves and, for each pair of ends (u, v), the shortest length between them
    nodes: dict[int, tuple[list[int], np.ndarray]] = {i: ([i], np.zeros((1, 1))) for i in range(n)}
    children: dict[int, tuple[int, int]] = {}
    for place, (a, b) in enumerate(linkage(squareform(D, checks=False), "ward")[:, :2].astype(int).tolist()):
        (left, A), (right, B) = nodes[a], nodes[b]
        across = _shortest(_shortest(A, D[np.ix_(left, right)]), B)
        away = np.full((len(left) + len(right),) * 2, np.inf)
        away[: len(left), len(left) :], away[len(left) :, : len(left)] = across, across.T
        nodes[n + place], children[n + place] = (left + right, away), (a, b)
    whole, lengths = nodes[2 * n - 2]
    u, v = np.unravel_index(np.argmin(lengths), lengths.shape)
    return _between(2 * n - 2, whole[u], whole[v], nodes, children, D)


def _shortest(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return `min_m A[u, m] + B[m, v]`."""
    return (A[:, :, None] + B[None]).min(axis=1)


def _between(node: int, u: int, v: int, nodes: dict, children: dict, D: np.ndarray) -> list[int]:
    """Return the shortest order of a node's leaves from u to v."""
    if node not in children:
        return [u]
    a, b = children[node]
    if u not in nodes[a][0]:
        a, b = b, a
    (left, A), (right, B) = nodes[a], nodes[b]
    lengths = A[left.index(u)][:, None] + D[np.ix_(left, right)] + B[:, right.index(v)][None]
    m, k = np.unravel_index(np.argmin(lengths), lengths.shape)
    return _between(a, u, left[m], nodes, children, D) + _between(b, right[k], v, nodes, children, D)
