"""Vector instructions: each entry is the chain of operations that is promised, to the bit, on every processor."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from metabt.numerics.kernels import kernel
from metabt.numerics.vectors import CHAINS, LANES, PAIR, TILE, add_products, add_tiles, centre, combine, drawdowns, turn


@kernel()
def products(panels, left, right, rows, blocks, sums, place):
    add_products(panels, left, right, rows, blocks, sums, place)


@kernel()
def tiles(sums, first, count, place):
    add_tiles(sums, first, count, place)


@kernel()
def centred(source, base, first, stride, rows, weight, total, scale, panels, panel, means, mean):
    centre(source, base, first, stride, rows, weight, total, scale, panels, panel, means, mean)


@kernel()
def combined(matrix, factors, count, first, stop, sums):
    combine(matrix, factors, count, first, stop, sums)


def fused(a: float, b: float, c: float) -> float:
    """Return a b + c, rounded once."""
    return float(Fraction(a) * Fraction(b) + Fraction(c))


@pytest.mark.parametrize(("rows", "blocks"), [(0, 1), (1, 1), (3, 4), (5, 0)])
def test_products_are_chains_of_fused_multiply_adds(rows: int, blocks: int) -> None:
    rng = np.random.default_rng(rows)
    panels, sums = rng.normal(size=(2, rows * blocks + 3, LANES)), rng.normal(size=(3, TILE))
    expected = sums.copy()
    for i in range(LANES):
        for j in range(LANES):
            for b in range(blocks):
                chain = 0.0
                for t in range(b * rows, b * rows + rows):
                    chain = fused(panels[0, 2 + t, i], panels[1, 2 + t, j], chain)
                expected[1, i * LANES + j] += chain
    height = panels.shape[1]
    products(panels, 2 * LANES, (height + 2) * LANES, rows, blocks, sums, TILE)
    assert (sums == expected).all()


@pytest.mark.parametrize("count", range(10))
def test_rows_are_combined_by_four_chains_in_turn(count: int) -> None:
    rng = np.random.default_rng(count)
    matrix, factors, sums = rng.normal(size=(10, 4 * PAIR)), rng.normal(size=10), np.full(4 * PAIR, np.nan)
    combined(matrix, factors, count, PAIR, 3 * PAIR, sums)
    assert np.isnan(sums[:PAIR]).all() and np.isnan(sums[3 * PAIR :]).all()
    for j in range(PAIR, 3 * PAIR):
        chains = [0.0] * 4
        for k in range(count):
            which = k % 4 if k < count // 4 * 4 else 0
            chains[which] = fused(factors[k], matrix[k, j], chains[which])
        assert sums[j] == (chains[0] + chains[1]) + (chains[2] + chains[3])


def test_tiles_are_added_one_after_another() -> None:
    sums = np.random.default_rng(0).normal(size=(6, TILE))
    expected = sums.copy()
    for k in (1, 2, 3):
        expected[5] += expected[k]
    tiles(sums, TILE, 3, 5 * TILE)
    assert (sums == expected).all()


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 21])
def test_columns_are_centred_about_what_one_row_leaves(rows: int) -> None:
    X = np.random.default_rng(rows).normal(size=(rows + 2, LANES + 5))
    X[:, 3] = 0.1
    panels, means = np.full((rows + 1, LANES), 7.0), np.full((3, LANES), 7.0)
    width = X.shape[1]
    centred(X, 2, width + 2, width, rows, 3.0, 3.0 * rows + 1.0, 0.7, panels, LANES, means, LANES)
    base, part = X[0, 2 : LANES + 2], X[1 : rows + 1, 2 : LANES + 2]
    chains = np.zeros((CHAINS, LANES))
    whole = rows // CHAINS * CHAINS
    for t in range(rows):
        chains[t % CHAINS if t < whole else 0] += part[t] - base
    mean = base + 3.0 * ((chains[0] + chains[1]) + chains[2]) / (3.0 * rows + 1.0)
    assert (means[1] == mean).all() and (means[[0, 2]] == 7.0).all() and mean[1] == 0.1
    assert (panels[1:] == 0.7 * (part - mean)).all() and (panels[0] == 7.0).all()


ANSWER = """
import numpy as np
from metabt.estimators.moments.ewma import ewma_covariance
from metabt.estimators.moments.sample import mean_and_covariance
X = np.random.default_rng(0).normal(0.001, 0.01, (300, 11))
for step in (20, 21):
    stops = np.arange(150, 300, step)
    rows = X, stops, np.full(len(stops), 130)
    print(*(moment.tobytes().hex() for moment in (*mean_and_covariance(*rows), ewma_covariance(*rows, 30.0))))
"""


def test_narrower_registers_give_the_same_bits(tmp_path: Path) -> None:
    wide, narrow = (
        subprocess.run(
            [sys.executable, "-c", ANSWER],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_ENABLE_AVX": avx},
        ).stdout
        for avx in "10"
    )
    assert wide == narrow and len(wide) > 10_000


@kernel()
def turned(table, first, stride, out, place, apart):
    turn(table, first, stride, out, place, apart)


def test_a_tile_is_turned_and_nothing_beside_it_written() -> None:
    table, out = np.random.default_rng(0).normal(size=(LANES + 3, LANES + 5)), np.zeros((LANES + 2, LANES + 6))
    turned(table, 2 * (LANES + 5) + 1, LANES + 5, out, (LANES + 6) + 4, LANES + 6)
    expected = np.zeros(out.shape)
    expected[1 : 1 + LANES, 4 : 4 + LANES] = table[2 : 2 + LANES, 1 : 1 + LANES].T
    assert (out == expected).all()


@kernel()
def fallen(returns, first, stride, rows, out, place):
    drawdowns(returns, first, stride, rows, out, place)


@pytest.mark.parametrize("rows", [0, 1, 2, 60])
def test_drawdowns_are_those_of_compounded_returns(rows: int) -> None:
    X, out = np.random.default_rng(rows).normal(0.0, 0.3, (rows + 2, LANES + 5)).clip(-1.0), np.zeros(LANES + 3)
    fallen(X, LANES + 5 + 2, LANES + 5, rows, out, 1)
    wealth = np.cumprod(np.vstack([np.ones(LANES), 1.0 + X[1 : 1 + rows, 2 : 2 + LANES]]), axis=0)
    expected = np.zeros(out.shape)
    expected[1 : 1 + LANES] = (1.0 - wealth / np.maximum.accumulate(wealth)).max(axis=0)
    assert (out == expected).all()
