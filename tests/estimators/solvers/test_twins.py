"""Bit-identical assets are found among those that are supported, and share what they got."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.estimators.solvers.twins import share_evenly, twins
from metabt.numerics.kernels import kernel


@kernel()
def twins_of(S, mean, column, n, variance, first):
    return twins(S, mean, column, n, variance, first)


@kernel()
def shared(weights, first, n, total, size):
    share_evenly(weights, first, n, total, size)


def found(S: np.ndarray, mean: np.ndarray, column: np.ndarray) -> list[int]:
    n = len(column)
    variance, first = np.full(n + 1, np.nan), np.full(n + 1, 55)
    count = twins_of(S, mean, column, n, variance, first)
    assert (variance[:n] == S.diagonal()[column]).all() and count == len(set(first[:n])) and first[n] == 55
    return first[:n].tolist()


@pytest.mark.parametrize("n", range(1, 10))
def test_the_first_that_is_the_same_with_all_supported_ones_is_found(n: int) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        of = rng.integers(0, max(n // 2, 1), n + 2)
        base = rng.normal(size=(5, n))
        S = (base.T @ base)[np.ix_(of, of)]
        mean = rng.choice([0.0, 1.0], n + 2)
        column = np.sort(rng.permutation(n + 2)[:n])
        if seed % 2:  # unlike with an asset that may be supported or not, in one direction alone
            S[rng.integers(n + 2), rng.integers(n + 2)] += 1.0
        wanted = []
        for a, i in enumerate(column):
            same = [
                b
                for b, j in enumerate(column[:a])
                if mean[i] == mean[j] and S[i, i] == S[j, j] == S[i, j] and (S[i, column] == S[j, column]).all()
            ]
            wanted.append(wanted[same[0]] if same else a)
        assert found(S, mean, column) == wanted


def test_one_unlike_number_makes_another_asset() -> None:
    S, mean = np.ones((3, 3)), np.zeros(3)
    assert found(S, mean, np.arange(3)) == [0, 0, 0]
    assert found(S, np.array([0.0, 1.0, 0.0]), np.arange(3)) == [0, 1, 0]
    S[2, 1] = np.nextafter(1.0, 2.0)
    assert found(S, mean, np.arange(3)) == [0, 0, 2] and found(S, mean, np.array([0, 2])) == [0, 0]


def test_each_gets_the_mean_of_its_twins() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 10))
        first = np.array([rng.integers(0, a + 1) for a in range(n)])
        first = first[first]
        weights = rng.random(n + 1)
        wanted = [weights[:n][first == own].mean() for own in first]
        shared(weights, first, n, np.full(n, np.nan), np.full(n, 55))
        assert weights[:n] == pytest.approx(wanted, abs=1e-15) and len(set(weights[:n])) == len(set(first))
