"""Hierarchical clustering by correlation: Ward's tree, its flat clusters, its optimal leaf order.

1. Distance of two assets: `sqrt((1 - rho) / 2)`; an asset without variance counts as uncorrelated.
2. Ward's tree by the nearest-neighbour chain: go from each cluster to its nearest until two are each other's nearest,
   merge them, go on from where the chain stood. Merges are kept in the order of their heights.
3. Flat clusters: apply the merges up to a height, and as many more as a limit on their number demands.
4. Leaf order: of the 2^(n-1) orders that a tree allows, the one with the least sum of distances between neighbours.
   `best(u, w)`, the least sum of a subtree that begins with leaf u and ends with leaf w, follows from its children's:
   `min over m, k of best(u, m) + d(m, k) + best(k, w)`, in two steps of one minimum each.

Trees (1, 2), clusters (3) and order (4) are kernels of their own, so that Ward's tree is compiled once for all users.

Arrays of a decision: whole numbers `m` (12, 2n), whose rows are named below, of which a tree's nodes are columns (leaf
i is node i, merge k is node n + k), and heights `v` (2, 2n).

References
----------
Ward (1963), "Hierarchical grouping to optimize an objective function". Murtagh (1983), "A survey of recent advances in
hierarchical clustering algorithms". Bar-Joseph, Gifford and Jaakkola (2001), "Fast optimal leaf ordering for
hierarchical clustering".
"""

from __future__ import annotations

import math

import numpy as np

from metabt.kernels import inner, kernel

COLUMN, SIZE, CHAIN, NODE, FROM, INTO, LEFT, RIGHT, START, COUNT, ORDER, STACK = range(12)
"""Rows of m: column of a leaf; a cluster's leaves, the chain, a cluster's node; merges; a node's children, its first
position and how many leaves it has; the leaf at each position; scratch."""

HEIGHT, TOP = range(2)
"""Rows of v: height of each merge; height of the last merge of a cluster."""


def ward_clusters(covariance: np.ndarray, support: np.ndarray, distance: float, most: int) -> np.ndarray:
    """Return the flat Ward clusters of every decision's supported assets.

    Parameters
    ----------
    covariance : (n_decisions, n_assets, n_assets)
    support : (n_decisions, n_assets) bool
    distance : float
        Height up to which clusters are merged.
    most : int
        The number of clusters beyond which merging goes on.

    Returns
    -------
    (n_decisions, n_assets) int64; members of a cluster share a number, -1 outside the support.
    """
    labels = np.full(support.shape, -1)
    _, count, m, v = trees(covariance, np.array(support, dtype=np.bool_))
    _cut(distance, most, count, m, v, labels)
    return labels


def trees(covariance: np.ndarray, support: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the distances and the Ward tree of every decision's supported assets.

    Parameters
    ----------
    covariance : (n_decisions, n_assets, n_assets)
    support : (n_decisions, n_assets) bool

    Returns
    -------
    D : (n_decisions, n_assets, n_assets) distances of the supported assets, the leading ones
    count : (n_decisions,) int64, how many there are
    m, v : each decision's tree, (n_decisions, 12, 2 n_assets) int64 and (n_decisions, 2, 2 n_assets)
    """
    n_decisions, n = support.shape
    D, count = np.empty((n_decisions, n, n)), np.empty(n_decisions, np.int64)
    m, v = np.empty((n_decisions, 12, 2 * n), np.int64), np.empty((n_decisions, 2, 2 * n))
    _grow(covariance, support, D, np.empty((n, n)), count, m, v)
    return D, count, m, v


def optimal_orders(D: np.ndarray, count: np.ndarray, m: np.ndarray) -> None:
    """Write the leaves of every tree of `trees` in optimal order to its row ORDER; D is overwritten."""
    P, best = np.empty((2, *D.shape[1:]))
    _order(D, P, best, count, m)


@kernel()
def _cut(distance, most, count, m, v, labels):
    """Give the leaves of each cluster below `distance`, or of the last `most` that are left, the number of its node."""
    for d in range(len(count)):
        n = count[d]
        for node in range(2 * n - 1):
            m[d, STACK, node] = node
        for node in range(2 * n - 2, n - 1, -1):
            if v[d, HEIGHT, node - n] <= distance or node - n < n - most:
                m[d, STACK, m[d, LEFT, node]] = m[d, STACK, node]
                m[d, STACK, m[d, RIGHT, node]] = m[d, STACK, node]
        for a in range(n):
            labels[d, m[d, COLUMN, a]] = m[d, STACK, a]


@kernel()
def _grow(covariance, support, D, scratch, count, m, v):
    for d in range(len(support)):
        n = distances(covariance, support, d, D[d], m[d])
        for a in range(n):
            for b in range(n):
                scratch[a, b] = D[d, a, b]
        ward(scratch, n, v[d], m[d])
        count[d] = n


@kernel()
def _order(D, P, best, count, m):
    for d in range(len(count)):
        if count[d] > 0:
            spans(count[d], m[d])
            for a in range(count[d]):
                for b in range(count[d]):
                    P[a, b] = D[d, m[d, ORDER, a], m[d, ORDER, b]]
            least_sums(P, best, D[d], count[d], m[d])
            _unfold(P, best, count[d], m[d])


@inner()
def distances(covariance, support, d, D, m):
    """Write the distances of the supported assets, and their columns; return how many there are."""
    n = 0
    for i in range(support.shape[1]):
        if support[d, i]:
            m[COLUMN, n] = i
            n += 1
    for a in range(n):
        i = m[COLUMN, a]
        for b in range(n):
            j = m[COLUMN, b]
            scale = math.sqrt(covariance[d, i, i]) * math.sqrt(covariance[d, j, j])
            rho = covariance[d, i, j] / scale if scale > 0.0 else 0.0
            D[a, b] = 0.0 if a == b else math.sqrt(0.5 * max(1.0 - rho, 0.0))
    return n


@inner()
def ward(D, n, v, m):
    """Write children and heights of the n - 1 merges, lowest first; D is overwritten."""
    for i in range(n):
        m[SIZE, i], m[NODE, i], v[TOP, i] = 1, i, 0.0
    length = 0
    for k in range(n - 1):
        if length == 0:
            length, m[CHAIN, 0] = 1, 0
            while m[SIZE, m[CHAIN, 0]] == 0:
                m[CHAIN, 0] += 1
        while True:
            x = m[CHAIN, length - 1]
            y = m[CHAIN, length - 2] if length > 1 else -1
            nearest = D[x, y] if y >= 0 else np.inf
            for i in range(n):
                if m[SIZE, i] > 0 and i != x and D[x, i] < nearest:
                    nearest, y = D[x, i], i
            if length > 1 and y == m[CHAIN, length - 2]:
                break
            m[CHAIN, length] = y
            length += 1
        length -= 2
        _merge(D, n, min(x, y), max(x, y), k, v, m)
    for k in range(n - 1):
        a, b = m[NODE, m[FROM, k]], m[NODE, m[INTO, k]]
        m[LEFT, n + k], m[RIGHT, n + k], m[NODE, m[INTO, k]] = min(a, b), max(a, b), n + k


@inner()
def _merge(D, n, x, y, k, v, m):
    """Merge cluster x into y: Lance and Williams' update, and merge k sorted in by its height."""
    height = max(D[x, y], v[TOP, x], v[TOP, y])  # rounding must not put a merge below its parts
    place = k
    while place > 0 and v[HEIGHT, place - 1] > height:
        v[HEIGHT, place] = v[HEIGHT, place - 1]
        m[FROM, place], m[INTO, place] = m[FROM, place - 1], m[INTO, place - 1]
        place -= 1
    v[HEIGHT, place], m[FROM, place], m[INTO, place] = height, x, y
    between = D[x, y] * D[x, y]
    for i in range(n):
        size = m[SIZE, i]
        if size > 0 and i != x and i != y:
            total = (size + m[SIZE, x]) * D[i, x] ** 2 + (size + m[SIZE, y]) * D[i, y] ** 2 - size * between
            D[i, y] = math.sqrt(max(total / (size + m[SIZE, x] + m[SIZE, y]), 0.0))
            D[y, i] = D[i, y]
    m[SIZE, y] += m[SIZE, x]
    m[SIZE, x] = 0
    v[TOP, y] = height


@inner()
def spans(n, m):
    """Write the first position and the number of leaves of every node, and the leaf at each position."""
    for node in range(2 * n - 1):
        m[COUNT, node] = 1 if node < n else m[COUNT, m[LEFT, node]] + m[COUNT, m[RIGHT, node]]
    m[START, 2 * n - 2] = 0
    for node in range(2 * n - 2, n - 1, -1):
        m[START, m[LEFT, node]] = m[START, node]
        m[START, m[RIGHT, node]] = m[START, node] + m[COUNT, m[LEFT, node]]
    for leaf in range(n):
        m[ORDER, m[START, leaf]] = leaf


@inner()
def _across(m, n, node, u):
    """Return the positions at which a node can end when it begins at u: its other child, or u itself for a leaf."""
    if node < n:
        return u, u + 1
    middle = m[START, m[RIGHT, node]]
    return (middle, m[START, node] + m[COUNT, node]) if u < middle else (m[START, node], middle)


@inner()
def least_sums(D, best, step, n, m):
    """Write the least sum of each pair of ends; D are distances by position, `spans` must have run, step is scratch."""
    for u in range(n):
        best[u, u] = 0.0
    for node in range(n, 2 * n - 1):
        left, right = m[LEFT, node], m[RIGHT, node]
        first, middle, last = m[START, node], m[START, right], m[START, node] + m[COUNT, node]
        for u in range(first, middle):
            start, stop = _across(m, n, left, u)
            for k in range(middle, last):
                step[u, k] = np.inf
            for end in range(start, stop):
                for k in range(middle, last):
                    step[u, k] = min(step[u, k], best[u, end] + D[end, k])
            for w in range(middle, last):
                start, stop = _across(m, n, right, w)
                least = np.inf
                for k in range(start, stop):
                    least = min(least, step[u, k] + best[w, k])
                best[u, w] = least
                best[w, u] = least


@inner()
def _unfold(D, best, n, m):
    """Walk the tree from its best pair of ends down, writing leaves to row ORDER from left to right."""
    root = 2 * n - 2
    u, w = 0, n - 1
    for a in range(m[START, m[RIGHT, root]] if n > 1 else 0):
        for b in range(m[START, m[RIGHT, root]], n):
            if best[a, b] < best[u, w]:
                u, w = a, b
    depth, place = 1, 0
    m[STACK, 0], m[CHAIN, 0], m[SIZE, 0] = root, u, w  # rows CHAIN and SIZE have done their work
    for i in range(n):
        m[FROM, i] = m[ORDER, i]
    while depth > 0:
        depth -= 1
        node, u, w = m[STACK, depth], m[CHAIN, depth], m[SIZE, depth]
        if node < n:
            m[ORDER, place] = m[FROM, u]
            place += 1
            continue
        one, two = m[LEFT, node], m[RIGHT, node]
        if u >= m[START, two]:
            one, two = two, one
        end, begin = _joint(D, best, n, m, one, two, u, w)
        m[STACK, depth], m[CHAIN, depth], m[SIZE, depth] = two, begin, w
        m[STACK, depth + 1], m[CHAIN, depth + 1], m[SIZE, depth + 1] = one, u, end
        depth += 2


@inner()
def _joint(D, best, n, m, one, two, u, w):
    """Return where `one`, begun at u, ends and where `two`, ending at w, begins in the best order."""
    start, stop = _across(m, n, one, u)
    begin, last = _across(m, n, two, w)
    a, b, least = start, begin, np.inf
    for end in range(start, stop):
        for k in range(begin, last):
            total = best[u, end] + D[end, k] + best[k, w]
            if total < least:
                a, b, least = end, k, total
    return a, b
