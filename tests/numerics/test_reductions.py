"""Reductions against plain NumPy, for every number of values that is left over, with others before and behind."""

from __future__ import annotations

import numpy as np
import pytest

from metabt.numerics.kernels import kernel
from metabt.numerics.reductions import (
    CHAINS,
    count_twice,
    cubes,
    least_of_sums,
    nearest,
    net_and_path,
    split_below,
    split_up_to,
    tails,
)
from metabt.numerics.vectors import LANES

ROWS = [*range(1, 2 * LANES + 2), LANES * CHAINS - 1, LANES * CHAINS, LANES * CHAINS + LANES + 3, 252]


@kernel()
def split(array, first, rows, pivot, strict):
    return split_below(array, first, rows, pivot) if strict else split_up_to(array, first, rows, pivot)


@kernel()
def both_tails(array, first, rows, low, high):
    return tails(array, first, rows, low, high)


@kernel()
def third(array, first, rows, middle):
    return cubes(array, first, rows, middle)


@kernel()
def paths(array, first, rows):
    return net_and_path(array, first, rows)


def history(rows: int, around: float) -> tuple[np.ndarray, np.ndarray]:
    """Return an array and the stretch of it from place 3 on; what is around it must not be seen."""
    array = np.full(rows + 3 + LANES, around)
    array[3 : 3 + rows] = np.random.default_rng(rows).integers(-9, 10, rows) / 8
    return array, array[3 : 3 + rows].copy()


@pytest.mark.parametrize("around", [np.nan, -np.inf, 0.0])
@pytest.mark.parametrize("rows", ROWS)
def test_a_split(rows: int, around: float) -> None:
    array, x = history(rows, around)
    for pivot in (-2.0, -0.125, 0.0, 0.3, x[0], x.max(), 2.0):
        for strict in (False, True):
            before, behind = (x[x < pivot], x[x >= pivot]) if strict else (x[x <= pivot], x[x > pivot])
            found = split(array, 3, rows, pivot, strict)
            assert found == (len(before), before.max(initial=-np.inf), behind.min(initial=np.inf))


@pytest.mark.parametrize("around", [np.nan, -np.inf, 0.0])
@pytest.mark.parametrize("rows", ROWS)
def test_sums(rows: int, around: float) -> None:
    array, x = history(rows, around)  # eighths, so that every order of additions gives the same
    low, high = x[x <= -0.5], x[x > 0.25]
    assert both_tails(array, 3, rows, -0.5, 0.25) == (low.sum(), len(low), high.sum(), len(high))
    assert third(array, 3, rows, 0.25) == ((x - 0.25) ** 3).sum()
    assert paths(array, 3, rows) == (x.sum(), abs(x).sum())


def test_a_sum_is_a_function_of_the_stretch_alone() -> None:
    x = np.random.default_rng(0).normal(size=252)
    sums = {third(np.r_[np.ones(k), x, np.zeros(LANES)], k, 252, 0.1) for k in range(9)}
    assert len(sums) == 1


@kernel()
def least(array, first, rows):
    return nearest(array, first, rows)


@kernel()
def counted(array, first, rows, out, place):
    count_twice(array, first, rows, out, place)


@pytest.mark.parametrize("rows", [LANES, 2 * LANES, LANES * CHAINS, LANES * CHAINS + LANES])
def test_the_first_of_the_least(rows: int) -> None:
    for seed in range(50):
        array, x = history(rows, -9.0)
        x = array[3 : 3 + rows] = np.random.default_rng(seed).integers(0, rows, rows)
        assert least(array, 3, rows) == (x.min(), x.argmin())
        x = array[3 : 3 + rows] = np.where(np.arange(rows) == seed % rows, 7.0, np.inf)
        assert least(array, 3, rows) == (7.0, seed % rows)


@pytest.mark.parametrize("rows", ROWS)
def test_counts_of_lower_and_equal_ones(rows: int) -> None:
    array, x = history(rows, np.nan)
    out = np.zeros(rows + 2 * LANES)
    counted(array, 3, rows, out, 5)
    expected = 2 * (x < x[:, None]).sum(1) + (x == x[:, None]).sum(1)
    assert (out[5 : 5 + rows] == expected).all() and not out[:5].any()


@kernel()
def joined(numbers, first, count, table, corner, stride, out, place):
    least_of_sums(numbers, first, count, table, corner, stride, out, place)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 25])
def test_the_least_of_sums_by_column(count: int) -> None:
    rng = np.random.default_rng(count)
    numbers, table = rng.normal(size=count + 3), rng.normal(size=(count + 2, 3 * LANES + 1))
    numbers[:2] = numbers[count + 2 :] = table[:2] = np.nan  # before and behind
    table[2:, :5] = table[2:, 5 + LANES :] = -np.inf
    out = np.full(3 * LANES, 9.0)
    joined(numbers, 2, count, table, 2 * table.shape[1] + 5, table.shape[1], out, 4)
    expected = (numbers[2 : 2 + count, None] + table[2:, 5 : 5 + LANES]).min(axis=0, initial=np.inf)
    assert (out[4 : 4 + LANES] == expected).all()
    assert (out[:4] == 9.0).all() and (out[4 + LANES :] == 9.0).all()
