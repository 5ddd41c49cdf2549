from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from metabt.estimators import clustering
from metabt.estimators.clustering import ward_clusters
from metabt.estimators.windows import Windows
from tests.shared.returns import factor_returns


def tree(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the merges as SciPy writes them, (n - 1, 3), and the leaf order."""
    n = X.shape[1]
    D, count, m, v = clustering.trees(Windows.single(X).covariance, np.ones((1, n), bool))
    clustering.optimal_orders(D, count, m)
    children = np.sort(m[0, [clustering.LEFT, clustering.RIGHT], n : 2 * n - 1], axis=0)
    return np.c_[children.T, v[0, clustering.HEIGHT, : n - 1]], m[0, clustering.ORDER, :n].copy()


def pearson(X: np.ndarray) -> np.ndarray:
    """Return the distances sqrt((1 - rho) / 2)."""
    D = np.sqrt(np.maximum(1 - np.corrcoef(X.T), 0) / 2)
    np.fill_diagonal(D, 0)
    return (D + D.T) / 2


def orders(Z: np.ndarray, n: int, node: int) -> list[list[int]]:
    """Return every leaf order that a tree allows."""
    if node < n:
        return [[node]]
    left, right = (orders(Z, n, int(child)) for child in Z[node - n, :2])
    return [a + b for a in left for b in right] + [b + a for a in left for b in right]


@pytest.mark.parametrize("assets", [2, 3, 7, 20, 60])
def test_ward_is_that_of_scipy(assets: int) -> None:
    for seed in range(10):
        X = factor_returns(seed, 70, assets)
        Z = hierarchy.linkage(squareform(pearson(X), checks=False), "ward")
        merges, _ = tree(X)
        assert (merges[:, :2] == Z[:, :2]).all()
        assert np.allclose(merges[:, 2], Z[:, 2], rtol=1e-10)


def test_children_stand_as_scipy_writes_them_the_smaller_node_on_the_left() -> None:
    """Which of equally long orders is taken rests on it."""
    for seed, assets in itertools.product(range(5), [2, 3, 8, 20]):
        X = factor_returns(seed, 70, assets)
        Z = hierarchy.linkage(squareform(pearson(X), checks=False), "ward")
        _, _, m, _ = clustering.trees(Windows.single(X).covariance, np.ones((1, assets), bool))
        np.testing.assert_array_equal(m[0, [clustering.LEFT, clustering.RIGHT], assets : 2 * assets - 1].T, Z[:, :2])


def test_the_leaf_order_is_the_best_that_the_tree_allows() -> None:
    for seed, assets in itertools.product(range(25), [2, 3, 5, 8]):
        X = factor_returns(seed, 30, assets)
        D = pearson(X)
        merges, found = tree(X)
        allowed = np.array(orders(merges, assets, 2 * assets - 2))
        lengths = D[allowed[:, 1:], allowed[:, :-1]].sum(1)
        assert (allowed == found).all(1).any()
        assert D[found[1:], found[:-1]].sum() <= lengths.min() + 1e-12


def least_sums(D: np.ndarray, Z: np.ndarray, node: int) -> np.ndarray:
    """Return the least sum from each leaf of a node to each, infinite where it cannot begin and end with them."""
    n = len(D)
    if node < n:
        best = np.full((n, n), np.inf)
        best[node, node] = 0.0
        return best
    one, two = (least_sums(D, Z, int(child)) for child in Z[node - n, :2])
    across = np.min(one[:, :, None] + D, axis=1)  # from each leaf through the one to each beginning of the other
    best = np.min(across[:, :, None] + two, axis=1)
    return np.minimum(best, best.T)


@pytest.mark.parametrize("assets", [1, 9, 17, 40])
def test_the_leaf_order_of_many_assets_is_the_best_whatever_is_equal(assets: int) -> None:
    for seed in range(10):
        X = factor_returns(seed, 12, assets)
        if seed % 2:
            X = X[:, np.random.default_rng(seed).integers(0, assets, assets)]
        D = np.atleast_2d(pearson(X)) if assets > 1 else np.zeros((1, 1))
        merges, found = tree(X)
        least = least_sums(D, merges, 2 * assets - 2).min()
        assert sorted(found) == list(range(assets))
        rounding = 1e-6 if seed % 2 else 1e-12  # that of a distance of equal columns is a square root's
        assert abs(D[found[1:], found[:-1]].sum() - least) < rounding


def test_the_leaf_order_is_never_longer_than_that_of_scipy() -> None:
    for seed in range(10):
        X = factor_returns(seed, 80, 40)
        D = pearson(X)
        y = squareform(D, checks=False)
        theirs = hierarchy.leaves_list(hierarchy.optimal_leaf_ordering(hierarchy.linkage(y, "ward"), y))
        _, ours = tree(X)
        assert D[ours[1:], ours[:-1]].sum() <= D[theirs[1:], theirs[:-1]].sum() + 1e-6  # theirs are float32 decisions


@pytest.mark.parametrize(("distance", "most"), [(0.3, 99), (0.6, 99), (0.0, 4), (0.5, 2), (9.0, 5), (0.0, 99)])
def test_flat_clusters_are_those_of_scipy(distance: float, most: int) -> None:
    for seed in range(10):
        X = factor_returns(seed, 70, 12)
        Z = hierarchy.linkage(squareform(pearson(X), checks=False), "ward")
        expected = hierarchy.fcluster(Z, distance, "distance")
        if expected.max() > most:
            expected = hierarchy.fcluster(Z, most, "maxclust")
        found = ward_clusters(Windows.single(X).covariance, np.ones((1, 12), bool), distance, most)[0]
        assert ((found[:, None] == found) == (expected[:, None] == expected)).all()


def test_clusters_see_the_support_alone_and_tolerate_constants() -> None:
    X = factor_returns(1, 50, 5)
    X[:, 3] = 0.0
    S = Windows.single(X).covariance
    support = np.array([[True, False, True, True, True]])
    found = ward_clusters(S, support, 0.5, 9)[0]
    assert found[1] == -1 and (found[support[0]] >= 0).all()
    alone = ward_clusters(np.ascontiguousarray(S[:, support[0]][:, :, support[0]]), np.ones((1, 4), bool), 0.5, 9)[0]
    assert (found[support[0]] == alone).all()
