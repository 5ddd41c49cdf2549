"""Hierarchical clustering by correlation: Ward's tree, its flat clusters, its optimal leaf order.

1. Distance of two assets: `sqrt((1 - rho) / 2)`; an asset without variance counts as uncorrelated. Ward's tree is grown
   on the squares; what has been merged is infinitely far from all others.
2. Ward's tree by the nearest-neighbour chain: go from each cluster to its nearest until two are each other's nearest,
   merge them, go on from where the chain stood. Merges are kept in the order of their heights.
3. Flat clusters: apply the merges up to a height, and as many more as a limit on their number demands.
4. Leaf order: of the 2^(n-1) orders that a tree allows, the one with the least sum of distances between neighbours.
   `best(u, w)`, the least sum of a subtree that begins with leaf u and ends with leaf w, follows from its children's:
   `min over m, k of best(u, m) + d(m, k) + best(k, w)`, in two steps of one minimum each. The root, whose pairs are
   the most, needs only the least of them: a bound leaves few to be looked at.

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

from metabt.estimators.solvers.support import supported
from metabt.numerics.kernels import inner, kernel
from metabt.numerics.reductions import least_of_sums, nearest
from metabt.numerics.vectors import LANES

COLUMN, CHAIN, NODE, FROM, INTO, LEFT, RIGHT, START, COUNT, ORDER, STACK, ENDS = range(12)
"""Rows of m: column of a leaf; the chain; the clusters that are left, later the node of each; merges; a node's
children, its first position and how many leaves it has; the leaf at each position; scratch."""

HEIGHT, TOP = range(2)
"""Rows of v: height of each merge; height of the last merge of a cluster."""

ROUNDING = 1e-12
"""More than two orders of a few additions can differ by, relative to their sum."""


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
    D : (n_decisions, n_assets, n_assets) squared distances of the supported assets, the leading ones
    count : (n_decisions,) int64, how many there are
    m, v : each decision's tree, (n_decisions, 12, 2 n_assets) int64 and (n_decisions, 2, 2 n_assets)
    """
    n_decisions, n = support.shape
    D, count = np.empty((n_decisions, n, n)), np.empty(n_decisions, np.int64)
    m, v = np.empty((n_decisions, 12, 2 * n), np.int64), np.empty((n_decisions, 2, 2 * n))
    width = -(-n // LANES) * LANES
    _grow(covariance, support, D, np.empty((n, width)), np.empty((2, width)), count, m, v)
    return D, count, m, v


def optimal_orders(D: np.ndarray, count: np.ndarray, m: np.ndarray) -> None:
    """Write the leaves of every tree of `trees` in optimal order to its row ORDER."""
    n = D.shape[1]
    P, best = np.empty((2, n, n + LANES))  # rows are read and written on to a whole vector
    _order(D, P, best, np.empty((3, n + LANES)), count, m)


@kernel()
def _cut(distance, most, count, m, v, labels):
    """Give the leaves of each cluster below `distance`, or of the last `most` that are left, the number of its node."""
    for d in range(len(count)):
        n, rows, height = count[d], m[d], v[d, HEIGHT]
        column, left, right, label = rows[COLUMN], rows[LEFT], rows[RIGHT], rows[STACK]
        for node in range(2 * n - 1):
            label[node] = node
        for node in range(2 * n - 2, n - 1, -1):
            if height[node - n] <= distance or node - n < n - most:
                label[left[node]] = label[node]
                label[right[node]] = label[node]
        for a in range(n):
            labels[d, column[a]] = label[a]


@kernel()
def _grow(covariance, support, D, Q, work, count, m, v):
    for d in range(len(support)):
        rows = m[d]
        n = squares(covariance[d], support[d], work[0], rows[COLUMN], D[d], Q)
        into = rows[INTO]
        ward(Q, n, v[d, HEIGHT], v[d, TOP], work[1], rows[CHAIN], rows[NODE], rows[FROM], into)
        node, left, right = rows[NODE], rows[LEFT], rows[RIGHT]
        _name(n, rows[FROM], into, node, left, right)
        count[d] = n


@kernel()
def _order(D, P, best, work, count, m):
    for d in range(len(count)):
        n, rows = count[d], m[d]
        if n == 0:
            continue
        left, right, start, leaves = rows[LEFT], rows[RIGHT], rows[START], rows[COUNT]
        order = rows[ORDER]
        spans(n, left, right, start, leaves, order)
        for a in range(n):
            row = D[d, order[a]]
            for b in range(n):
                P[a, b] = row[order[b]]
            for b in range(n):
                P[a, b] = math.sqrt(P[a, b])
        least_sums(P, best, work[0], n, left, right, start, leaves)
        leaf, begin, end = rows[FROM], rows[CHAIN], rows[ENDS]  # rows that have done their work, as STACK has
        begin[0], end[0] = best_ends(P, best, work, n, left, right, start, leaves)
        _unfold(P, best, n, left, right, start, leaves, order, leaf, rows[STACK], begin, end)


@inner()
def squares(S, support, inverse, column, D, Q):
    """Write the squared distances of the supported assets twice, and their columns; return how many there are.

    In Q what is no distance, on the diagonal and behind the last column, is infinite.
    """
    n = supported(support, column)
    for a in range(len(inverse)):
        variance = S[column[a], column[a]] if a < n else 0.0
        inverse[a] = 1.0 / math.sqrt(variance) if variance > 0.0 else 0.0
    for a in range(n):
        row, given, copy, own = Q[a], S[column[a]], D[a], inverse[a]
        if n == len(support):
            for b in range(n):
                row[b] = given[b]
        else:
            for b in range(n):
                row[b] = given[column[b]]
        for b in range(len(inverse)):
            gap = 1.0 - row[b] * (own * inverse[b])
            row[b] = 0.5 * (gap if gap > 0.0 else 0.0)
        row[a] = 0.0
        for b in range(n):
            copy[b] = row[b]
        row[a] = np.inf
        row[n:] = np.inf
    return n


@inner()
def ward(Q, n, height, top, size, chain, live, source, into):
    """Write the n - 1 merges of cluster `source` into cluster `into`, lowest first; Q, as from `squares`, is spent.

    `live` are the clusters that have not been merged into others: no one looks at the rows of the rest.
    """
    width = Q.shape[1]
    for i in range(width):
        size[i] = 1.0 if i < n else 0.0
    for i in range(n):
        top[i], live[i] = 0.0, i
    length = 0
    for k in range(n - 1):
        if length == 0:
            length, chain[0] = 1, 0
            while size[chain[0]] == 0.0:
                chain[0] += 1
        while True:
            x = chain[length - 1]
            least, y = nearest(Q, x * width, width)
            if length > 1 and Q[x, chain[length - 2]] == least:
                y = chain[length - 2]
                break
            chain[length] = y
            length += 1
        length -= 2
        _merge(Q, n, min(x, y), max(x, y), k, height, top, size, live, source, into)
    for k in range(n - 1):
        height[k] = math.sqrt(height[k])


@inner()
def _merge(Q, n, x, y, k, height, top, size, live, source, into):
    """Merge cluster x into y: Lance and Williams' update, and merge k sorted in by its height."""
    one, two, between = Q[x], Q[y], Q[x, y]
    both = size[x] + size[y]
    top[y] = max(between, max(top[x], top[y]))  # rounding must not put a merge below its parts
    place = k
    while place > 0 and height[place - 1] > top[y]:
        height[place], source[place], into[place] = height[place - 1], source[place - 1], into[place - 1]
        place -= 1
    height[place], source[place], into[place] = top[y], x, y
    first, second = size[x], size[y]
    for i in range(len(size)):  # what has merged already stays infinite
        own = size[i]
        total = ((own + first) * one[i] + (own + second) * two[i] - own * between) / (own + both)
        two[i] = total if total > 0.0 else 0.0
    size[x], size[y] = 0.0, both
    rest = 0
    for a in range(n - k):
        i = live[a]
        Q[i, x], Q[i, y] = np.inf, two[i]
        live[rest] = i
        rest += i != x


@inner()
def _name(n, source, into, node, left, right):
    """Write the children of every merge, the smaller node on the left; `node` is that of each cluster so far."""
    for i in range(n):
        node[i] = i
    for k in range(n - 1):
        a, b = node[source[k]], node[into[k]]
        left[n + k] = a if a < b else b
        right[n + k] = b if a < b else a
        node[into[k]] = n + k


@inner()
def spans(n, left, right, start, leaves, order):
    """Write the first position and the number of leaves of every node, and the leaf at each position.

    The child with more leaves becomes the right one: `least_sums` takes its leaves a vector at a time.
    """
    for node in range(2 * n - 1):
        leaves[node] = 1
        if node >= n:
            one, two = left[node], right[node]
            leaves[node] = leaves[one] + leaves[two]
            if leaves[one] > leaves[two]:
                left[node], right[node] = two, one
    start[2 * n - 2] = 0
    for node in range(2 * n - 2, n - 1, -1):
        start[left[node]] = start[node]
        start[right[node]] = start[node] + leaves[left[node]]
    for leaf in range(n):
        order[start[leaf]] = leaf


@inner()
def _across(n, right, start, leaves, node, u):
    """Return the positions at which a node can end when it begins at u: its other child, or u itself for a leaf."""
    if node < n:
        return u, u + 1
    middle = start[right[node]]
    return (middle, start[node] + leaves[node]) if u < middle else (start[node], middle)


@inner()
def least_sums(D, best, step, n, left, right, start, leaves):
    """Write the least sum of each pair of ends of every node but the root, by position.

    D are distances by position, `spans` must have run, step is scratch.
    """
    for u in range(n):
        best[u, u] = 0.0
    for node in range(n, 2 * n - 2):
        middle, last = start[right[node]], start[node] + leaves[node]
        for u in range(start[node], middle):
            _sums_from(u, D, best, step, n, left[node], right[node], right, start, leaves)
            for w in range(middle, last):
                best[w, u] = best[u, w]


@inner()
def best_ends(D, best, work, n, left, right, start, leaves):
    """Return the root's pair of ends with the least sum; `least_sums` must have run.

    Of equal ones the outermost pair comes first, then the others by their places.

    A bound for all pairs that begin at u takes a vector's time for each child's pair of leaves: the least sum of the
    right child from each leaf k, of going there from each leaf m of the left one, of beginning at u and ending at m.
    It is the least sum itself but for rounding, so that few u are left to be looked at.
    """
    if n == 1:
        return 0, 0
    one, two = left[2 * n - 2], right[2 * n - 2]
    middle, rest, bound = start[two], work[1], work[2]
    for k in range(n):
        bound[k] = 0.0
    _turn(bound, best, n, two, right, start, leaves, rest)
    _through(rest, middle, n, D, 0, middle, work[0])
    _turn(work[0], best, n, one, right, start, leaves, bound)
    limit = np.inf
    for u in range(middle):
        limit = min(limit, bound[u] * (1.0 + ROUNDING))
    first, last, least = 0, n - 1, np.inf
    for u in range(middle):
        if bound[u] <= limit:
            _sums_from(u, D, best, work[0], n, one, two, right, start, leaves)
            if u == 0:
                least = best[0, n - 1]
            for w in range(middle, n):
                if best[u, w] < least:
                    first, last, least = u, w, best[u, w]
    return first, last


@inner()
def _sums_from(u, D, best, step, n, one, two, right, start, leaves):
    """Write the least sums from leaf u of node `one` to the leaves of node `two` behind it."""
    if one < n:
        _turn(D[u], best, n, two, right, start, leaves, best[u])
    else:
        begin, stop = _across(n, right, start, leaves, one, u)
        _through(best[u], begin, stop, D, start[two], start[two] + leaves[two], step)
        _turn(step, best, n, two, right, start, leaves, best[u])


@inner()
def _turn(numbers, best, n, node, right, start, leaves, out):
    """Write `min_k numbers[k] + best(k, w)` for each end w of a node, with its beginnings k."""
    first, last = start[node], start[node] + leaves[node]
    if node < n:
        out[first] = numbers[first]
    else:
        middle = start[right[node]]
        _through(numbers, middle, last, best, first, middle, out)
        _through(numbers, first, middle, best, middle, last, out)


@inner()
def _through(numbers, begin, stop, table, first, last, out):
    """Write `min_k numbers[k] + table[k, j]`, k from begin to stop, for the columns j from first to last and beyond."""
    width = table.shape[1]
    for j in range(first, last, LANES):
        least_of_sums(numbers, begin, stop - begin, table, begin * width + j, width, out, j)


@inner()
def _unfold(D, best, n, left, right, start, leaves, order, leaf, node, begin, end):
    """Walk the tree from its ends `begin[0]` and `end[0]` down, writing leaves to `order` from left to right.

    `leaf` keeps the leaf at each position; `node`, `begin`, `end` are the pending subtrees and their ends.
    """
    depth, place = 1, 0
    node[0] = 2 * n - 2
    for i in range(n):
        leaf[i] = order[i]
    while depth > 0:
        depth -= 1
        u, w = begin[depth], end[depth]
        if node[depth] < n:
            order[place] = leaf[u]
            place += 1
            continue
        one, two = left[node[depth]], right[node[depth]]
        if u >= start[two]:
            one, two = two, one
        a, b = _joint(D, best, n, right, start, leaves, one, two, u, w)
        node[depth], begin[depth] = two, b
        depth += 1
        node[depth], begin[depth], end[depth] = one, u, a
        depth += 1


@inner()
def _joint(D, best, n, right, start, leaves, one, two, u, w):
    """Return where `one`, begun at u, ends and where `two`, ending at w, begins in the best order."""
    first, stop = _across(n, right, start, leaves, one, u)
    begin, last = _across(n, right, start, leaves, two, w)
    a, b, least = first, begin, np.inf
    for end in range(first, stop):
        for k in range(begin, last):
            total = best[u, end] + D[end, k] + best[w, k]
            if total < least:
                a, b, least = end, k, total
    return a, b
