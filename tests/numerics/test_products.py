"""Products for kernels: exact sums beside them, and nothing beyond the n-th number is touched or looked at."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metabt.numerics.kernels import kernel
from metabt.numerics.products import add_multiple, dot


@kernel()
def _both(factor, x, y, n, out):
    out[0] = dot(x, y, n)
    add_multiple(factor, x, y, n)


@given(st.integers(0, 10**6), st.integers(0, 70))
def test_they_are_the_sums_of_their_products(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, factor = rng.normal(size=n), rng.normal(size=n), float(rng.normal())
    out, longer = np.empty(1), np.r_[y, np.nan]
    _both(factor, np.r_[x, np.nan], longer, n, out)
    products = (x * y).tolist()
    assert abs(out[0] - math.fsum(products)) <= 1e-14 * math.fsum(map(abs, products))
    assert np.allclose(longer[:n], y + factor * x, rtol=0, atol=1e-14) and np.isnan(longer[n])
